//! How the server stands: its memory once that no longer changes, and gauges of its `/metrics`.
//!
//! Memory comes from `/proc`, while the clients go on answering pings. Metrics are asked for over a
//! connection of their own and only outside of what is measured, since answering costs the server
//! too.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    clients::{Clients, Event},
    error::LoadError,
    http,
    options::Options,
    process::{Process, Resident},
};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// Memory has settled when two looks differ by no more than this.
const SETTLED_KIB: u64 = 64;
/// Looked at until then at the latest.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// The memory once it no longer changes. An end of a connection meanwhile is an error.
pub fn settled(clients: &mut Clients, server: Process) -> Result<Resident, LoadError> {
    let (start, mut last) = (Instant::now(), server.resident()?);
    loop {
        pass(clients, LOOK)?;
        let now = server.resident()?;
        if now.total.abs_diff(last.total) <= SETTLED_KIB || start.elapsed() > SETTLE_MAX {
            return Ok(now);
        }
        last = now;
    }
}

/// Lets time pass while the clients live on.
pub fn pass(clients: &mut Clients, time: Duration) -> Result<(), LoadError> {
    let start = Instant::now();
    while let Some(left) = time.checked_sub(start.elapsed()) {
        clients.turn(left, &mut |number, event| match event {
            Event::Ended(how) => Err(LoadError::unexpected(number, how)),
            _ => Ok(()),
        })?;
    }
    Ok(())
}

/// A gauge of `/metrics`, once it is what `wanted` accepts; how long that took.
pub fn gauge_until(
    clients: &mut Clients,
    options: &Options,
    name: &str,
    patience: Duration,
    wanted: impl Fn(u64) -> bool,
) -> Result<(u64, Duration), LoadError> {
    let start = Instant::now();
    loop {
        let value = gauge(options.address, &options.key, name)?;
        if wanted(value) {
            return Ok((value, start.elapsed()));
        }
        if start.elapsed() > patience {
            return Err(LoadError::Stalled {
                seconds: patience.as_secs(),
                state: format!("{name} is {value}"),
            });
        }
        pass(clients, LOOK)?;
    }
}

/// A gauge of `/metrics` now.
pub fn gauge(address: SocketAddr, key: &str, name: &str) -> Result<u64, LoadError> {
    let mut stream = TcpStream::connect(address).map_err(LoadError::io("connect"))?;
    let patience = Some(Duration::from_secs(10));
    stream
        .set_read_timeout(patience)
        .and_then(|()| stream.set_write_timeout(patience))
        .map_err(LoadError::io("set up a socket"))?;
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n"
    );
    let mut answer = Vec::new();
    stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.read_to_end(&mut answer))
        .map_err(LoadError::io("ask for the metrics"))?;
    let answer = http::take(&answer)?.ok_or(LoadError::Frame("half an answer"))?;
    let text = String::from_utf8_lossy(answer.body).into_owned();
    find_gauge(&text, name).ok_or_else(|| {
        LoadError::unexpected(0, format!("/metrics ({}) has no {name}", answer.status))
    })
}

fn find_gauge(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    // Gauges may be written as floats.
    line.split_whitespace()
        .next()?
        .parse::<f64>()
        .ok()
        .map(|value| value as u64)
}

/// A reading for the figures.
pub fn shown(memory: Resident) -> Value {
    json!({"rss_kib": memory.total, "rss_anon_kib": memory.anonymous})
}

/// Bytes for each of so many; negative where the memory shrank.
pub fn each(before_kib: u64, after_kib: u64, count: usize) -> i64 {
    (after_kib as i64 - before_kib as i64) * 1024 / (count.max(1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_found_by_its_whole_name() {
        let text = "# TYPE fanfare_channels gauge\nfanfare_channels_x 9\nfanfare_channels 12.0\n";
        assert_eq!(find_gauge(text, "fanfare_channels"), Some(12));
        assert_eq!(find_gauge(text, "fanfare"), None);
    }

    #[test]
    fn what_shrinks_is_negative() {
        assert_eq!(each(100, 200, 1024), 100);
        assert_eq!(each(200, 100, 1024), -100);
        assert_eq!(each(1, 2, 0), 1024);
    }
}
