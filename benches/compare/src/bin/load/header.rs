//! A peer that lies: on an open WebSocket it announces a message of 2^40 bytes.
//!
//! Twice, on fresh connections: with the header alone, then with payload behind it as a real sender would have it.
//! Shows the Close code that comes back, how the stream ends, and how the server's memory changed. Bounded: it sends
//! at most `pour_mib`, and waits at most [`WAIT`] for an answer.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    error::LoadError,
    frame, handshake,
    options::Options,
    process::{Process, Resident},
};

/// For the answer to the header alone, and again after the payload.
const WAIT: Duration = Duration::from_secs(3);
const ANNOUNCED: u64 = 1 << 40;

/// What came back on one connection.
#[derive(Debug, Default)]
struct Answer {
    code: Option<u16>,
    reason: String,
    after: Option<Duration>,
    /// `None` while the connection stands.
    end: Option<String>,
    bytes: Vec<u8>,
}

/// Runs both.
pub fn run(options: &Options, server: Process) -> Result<Value, LoadError> {
    // One session before, so that what the first one costs is not counted as the lie's.
    drop(handshake::connect(
        options.address,
        &options.path,
        options.patience,
    )?);
    let before = server.resident()?;
    let bare = probe(options, server, 0)?;
    let poured = probe(options, server, options.pour_mib << 20)?;
    Ok(json!({
        "server": options.server,
        "mode": "header_2_40",
        "rss_kib_before": before.total,
        "header_alone": bare,
        "with_payload": poured,
    }))
}

fn probe(options: &Options, server: Process, payload: usize) -> Result<Value, LoadError> {
    let before = server.resident()?;
    let mut stream = handshake::connect(options.address, &options.path, options.patience)?;
    stream
        .set_nonblocking(true)
        .map_err(LoadError::io("set up a socket"))?;
    let start = Instant::now();
    let mut peak = before;
    let mut header = Vec::new();
    frame::put_header(&mut header, frame::BINARY, ANNOUNCED);
    stream
        .write_all(&header)
        .map_err(LoadError::io("send the header"))?;

    let mut answer = Answer::default();
    let chunk = vec![0x55; 64 << 10];
    let (mut poured, mut last) = (0, Instant::now());
    while answer.end.is_none() && last.elapsed() < WAIT {
        // With payload to send the answer is looked for only after each chunk, as a client does that is busy sending.
        if poured < payload && answer.code.is_none() {
            match stream.write(&chunk[..chunk.len().min(payload - poured)]) {
                Ok(written) => (poured, last) = (poured + written, Instant::now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                // The server has ended it; what it said before must still be readable.
                Err(_) => poured = payload,
            }
        } else {
            std::thread::yield_now();
        }
        answer.read(&mut stream, start);
        peak = larger(peak, server.resident()?);
    }
    Ok(json!({
        "close_code": answer.code,
        "reason": answer.reason,
        "answered_after_ms": answer.after.map(|time| time.as_micros() as f64 / 1000.0),
        "stream_ended_by": answer.end.unwrap_or_else(|| format!("nothing within {} s", WAIT.as_secs())),
        "payload_bytes_sent": poured,
        "rss_kib_before": before.total,
        "rss_kib_peak": peak.total,
        "rss_kib_grown": peak.total - before.total,
    }))
}

impl Answer {
    fn read(&mut self, stream: &mut TcpStream, start: Instant) {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => self.end = Some("end of stream".to_owned()),
            Ok(got) => self.bytes.extend_from_slice(&buffer[..got]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => (),
                _ => self.end = Some(error.to_string()),
            },
        }
        while let Ok(Some(frame)) = frame::take(&self.bytes) {
            if frame.opcode == frame::CLOSE && self.code.is_none() {
                self.code = Some(frame::close_code(frame.payload));
                self.reason = String::from_utf8_lossy(frame.payload.get(2..).unwrap_or_default())
                    .into_owned();
                self.after = Some(start.elapsed());
            }
            let length = frame.length;
            self.bytes.drain(..length);
        }
    }
}

fn larger(one: Resident, two: Resident) -> Resident {
    if one.total >= two.total { one } else { two }
}
