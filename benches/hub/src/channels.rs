//! What channels hold in memory: idle ones with a subscriber each (`idle`), and ones without any
//! that keep one publication each (`kept`), and what is left when they are gone.
//!
//! Memory is the server process's resident memory; that of the kernel's sockets is not in it.
//! Bounds: the sessions, the channels and the time of expiry are options; after it, [`VANISH_MAX`]
//! is waited for the last channel to go.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    clients::{Clients, Event},
    error::LoadError,
    http,
    options::{Options, kind_name},
    process::Process,
    stand, subscribers,
};

/// How long after its time a channel may still be there.
const VANISH_MAX: Duration = Duration::from_secs(90);
/// Connections that broadcast, each one at a time: a server may end a connection on which a second
/// long request comes before it has answered the first.
const CONNECTIONS: usize = 2;

/// Sessions that subscribe, each to channels of its own, and say nothing.
pub fn idle(options: &Options, server: Process) -> Result<Value, LoadError> {
    let mut clients = Clients::new(options.address)?;
    let before = stand::settled(&mut clients, server)?;
    let channels = |session| {
        let name = move |channel| format!("plain:idle-{session:04}-{channel:03}");
        (0..options.channels).map(name).collect()
    };
    let sessions: Vec<Vec<String>> = (0..options.sessions).map(channels).collect();
    let start = Instant::now();
    let numbers = subscribers::open(&mut clients, options.kind, &sessions, options.patience)?;
    let opened = start.elapsed();
    let total = options.sessions * options.channels;
    let (counted, _) = stand::gauge_until(
        &mut clients,
        options,
        "fanfare_channels",
        options.patience,
        |now| now >= total as u64,
    )?;
    let during = stand::settled(&mut clients, server)?;
    for number in numbers {
        clients.drop_connection(number);
    }
    let (_, gone) = stand::gauge_until(
        &mut clients,
        options,
        "fanfare_channels",
        options.patience,
        |now| now == 0,
    )?;
    let after = stand::settled(&mut clients, server)?;
    Ok(json!({
        "mode": "idle",
        "kind": kind_name(options.kind),
        "sessions": options.sessions,
        "channels_of_each": options.channels,
        "channels": counted,
        "opened_in_s": opened.as_secs_f64(),
        "before": stand::shown(before),
        "with_channels": stand::shown(during),
        "bytes_per_channel_and_its_share_of_a_session": stand::each(before.total, during.total, total),
        "bytes_per_session": stand::each(before.total, during.total, options.sessions),
        "gone_after_s": gone.as_secs_f64(),
        "afterwards": stand::shown(after),
    }))
}

/// Channels that nobody listens to, each with a history of one, and their end.
pub fn kept(options: &Options, server: Process) -> Result<Value, LoadError> {
    let mut clients = Clients::new(options.address)?;
    let before = stand::settled(&mut clients, server)?;
    let cpu = server.cpu()?;
    let start = Instant::now();
    fill(&mut clients, options)?;
    let (filled, spent) = (start.elapsed(), server.cpu()?.threads - cpu.threads);
    let charged = stand::gauge(options.address, &options.key, "fanfare_history_bytes")?;
    let during = stand::settled(&mut clients, server)?;
    if start.elapsed() > options.ttl {
        return Err(LoadError::unexpected(
            0,
            "filling took longer than the publications live: raise --ttl",
        ));
    }
    let cpu = server.cpu()?;
    // The first publication's time began with the filling, the last one's at its end.
    stand::pass(&mut clients, options.ttl.saturating_sub(start.elapsed()))?;
    stand::gauge_until(
        &mut clients,
        options,
        "fanfare_history_bytes",
        filled + VANISH_MAX,
        |now| now == 0,
    )?;
    let gone = start.elapsed();
    let expiry = server.cpu()?.threads - cpu.threads;
    let after = stand::settled(&mut clients, server)?;
    // What the allocator kept must serve the next ones, or it is a leak.
    fill(&mut clients, options)?;
    let again = stand::settled(&mut clients, server)?;
    Ok(json!({
        "mode": "kept",
        "channels": options.channels,
        "size": options.size,
        "ttl_s": options.ttl.as_secs(),
        "filled_in_s": filled.as_secs_f64(),
        "server_cpu_us_per_publication": spent.as_secs_f64() * 1e6 / options.channels as f64,
        "before": stand::shown(before),
        "with_channels": stand::shown(during),
        "bytes_per_channel": stand::each(before.total, during.total, options.channels),
        "anon_bytes_per_channel": stand::each(before.anonymous, during.anonymous, options.channels),
        "charged_bytes_per_channel": charged / options.channels as u64,
        "gone_after_s": gone.as_secs_f64(),
        "late_by_s": (gone.as_secs_f64() - filled.as_secs_f64() - options.ttl.as_secs_f64()).max(0.0),
        "expiry_cpu_s": expiry.as_secs_f64(),
        "afterwards": stand::shown(after),
        "filled_again": stand::shown(again),
    }))
}

/// Publishes once to each channel, by broadcasts.
fn fill(clients: &mut Clients, options: &Options) -> Result<(), LoadError> {
    let first = clients.http()?;
    let last = (1..CONNECTIONS).try_fold(first, |_, _| clients.http())?;
    let mut free: Vec<usize> = (first..=last).collect();
    let groups = options.channels.div_ceil(options.group);
    let (mut sent, mut answered) = (0, 0);
    let mut progress = Instant::now();
    while answered < groups {
        while sent < groups
            && let Some(connection) = free.pop()
        {
            let body = broadcast(sent * options.group, options);
            let request = http::post(clients.address(), "/api/broadcast", &options.key, &body);
            clients.send(connection, &request)?;
            sent += 1;
        }
        clients.turn(
            Duration::from_millis(100),
            &mut |number, event| match event {
                Event::Answer {
                    status: 200, body, ..
                } if !body.windows(8).any(|part| part == b"\"error\":") => {
                    answered += 1;
                    free.push(number);
                    progress = Instant::now();
                    Ok(())
                }
                Event::Answer { status, body, .. } => {
                    let start = String::from_utf8_lossy(&body[..body.len().min(200)]);
                    Err(LoadError::unexpected(
                        number,
                        format!("answered with {status} {start}"),
                    ))
                }
                event => Err(LoadError::unexpected(number, format!("{event:?}"))),
            },
        )?;
        if progress.elapsed() > options.patience {
            return Err(LoadError::Stalled {
                seconds: options.patience.as_secs(),
                state: format!("{answered} of {groups} broadcasts are answered"),
            });
        }
    }
    Ok(())
}

/// One broadcast to the channels from `first` on.
fn broadcast(first: usize, options: &Options) -> Vec<u8> {
    let end = (first + options.group).min(options.channels);
    let names: Vec<String> = (first..end)
        .map(|channel| format!("\"one:c{channel:07}\""))
        .collect();
    let text = "x".repeat(options.size - 2);
    format!("{{\"channels\":[{}],\"data\":\"{text}\"}}", names.join(",")).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasts_cover_every_channel_once() {
        let line = "kept --pid 1 --port 9 --key k --channels 25 --group 10";
        let options = Options::parse(line.split(' ').map(str::to_owned)).unwrap();
        let mut names = std::collections::BTreeSet::new();
        for first in [0, 10, 20] {
            let body: Value = serde_json::from_slice(&broadcast(first, &options)).unwrap();
            assert_eq!(body["data"].to_string().len(), 16);
            for name in body["channels"].as_array().unwrap() {
                assert!(names.insert(name.to_string()));
            }
        }
        assert_eq!(names.len(), 25);
    }
}
