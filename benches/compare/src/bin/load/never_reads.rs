//! A client that never reads, while the server pushes: how long until it is gone, and what it costs until then.
//!
//! A driver sends messages at a steady rate and reads what the server relays to it; a second client, on the same path,
//! has done its handshake and reads nothing. It is gone when the server's process no longer holds its socket, which
//! `/proc/net/tcp` tells: such a client cannot see the end itself. Bounded by `seconds`. Afterwards it reads what
//! the kernel still had for it, to see whether a Close was among it. The driver must lose nothing all the while.

use std::{
    io::{ErrorKind, Read},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    error::LoadError,
    fleet::Fleet,
    frame, handshake,
    ledger::Ledger,
    options::Options,
    process::{self, Process},
};

/// Pushing before the client arrives, so that the server's own growth is not the client's.
const WARM_UP: Duration = Duration::from_secs(2);
/// Between two looks at memory and socket.
const LOOK: Duration = Duration::from_millis(50);
/// Pushing after it is gone, to see what memory is given back.
const AFTER: Duration = Duration::from_secs(2);
/// What the driver may leave unsent before the server itself counts as stalled.
const DRIVER_UNSENT_MAX: usize = 8 << 20;

/// Sends at a steady rate from client 0 and checks what comes back to it.
struct Driver<'a> {
    fleet: Fleet,
    ledger: Ledger,
    options: &'a Options,
    start: Instant,
}

/// Runs the measurement.
pub fn run(options: &Options, server: Process) -> Result<Value, LoadError> {
    let mut driver = Driver::new(options)?;
    driver.push_for(WARM_UP)?;
    let before = server.resident()?;
    let stuck = handshake::connect(options.address, &options.path, options.patience)?;
    let ports = (
        options.address.port(),
        stuck
            .local_addr()
            .map_err(LoadError::io("own address"))?
            .port(),
    );
    let sent_before = driver.ledger.sent();

    let (start, mut peak, mut kernel_bytes) = (Instant::now(), before, 0);
    let mut gone = None;
    while gone.is_none() && start.elapsed() < options.seconds {
        driver.push_for(LOOK)?;
        let now = server.resident()?;
        peak = if now.total > peak.total { now } else { peak };
        match process::held(ports.0, ports.1)? {
            Some(held) => kernel_bytes = kernel_bytes.max(held.unsent),
            None => gone = Some(start.elapsed()),
        }
    }
    let pushed = driver.ledger.sent() - sent_before;
    driver.push_for(AFTER)?;
    let after = server.resident()?;
    let left = gone.map(|_| leftovers(stuck, options.patience));
    driver.finish()?;
    Ok(json!({
        "server": options.server,
        "mode": "never_reads",
        "rate": options.rate,
        "size": options.size,
        "gone_after_s": gone.map(|time| time.as_millis() as f64 / 1000.0),
        "watched_s": options.seconds.as_secs(),
        "pushed_meanwhile": pushed,
        "kernel_bytes_at_most": kernel_bytes,
        "rss_kib_before": before.total,
        "rss_kib_peak": peak.total,
        "rss_kib_grown": peak.total - before.total,
        "rss_kib_afterwards": after.total,
        "read_at_last": left,
        "driver_lost": 0,
    }))
}

impl<'a> Driver<'a> {
    fn new(options: &'a Options) -> Result<Self, LoadError> {
        let mut fleet = Fleet::new(options.address, &options.path)?;
        fleet.open(1, options.patience)?;
        Ok(Self {
            fleet,
            ledger: Ledger::new(1, options.size),
            options,
            start: Instant::now(),
        })
    }

    fn push_for(&mut self, time: Duration) -> Result<(), LoadError> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let due = (self.start.elapsed().as_secs_f64() * f64::from(self.options.rate)) as u64;
            let mut bytes = Vec::new();
            while self.ledger.sent() < due {
                frame::put(&mut bytes, frame::TEXT, &self.ledger.send(Instant::now()));
            }
            self.fleet.send(0, &bytes)?;
            self.turn(Duration::from_millis(1))?;
            if self.fleet.unsent(0) > DRIVER_UNSENT_MAX {
                return Err(LoadError::Stalled {
                    seconds: 0,
                    state: "the server reads too slowly".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Waits until the driver has got back all that it sent.
    fn finish(&mut self) -> Result<(), LoadError> {
        let start = Instant::now();
        while self.ledger.in_flight() > 0 {
            self.turn(Duration::from_millis(100))?;
            if start.elapsed() > self.options.patience {
                return Err(LoadError::Stalled {
                    seconds: self.options.patience.as_secs(),
                    state: self.ledger.state(),
                });
            }
        }
        Ok(())
    }

    fn turn(&mut self, timeout: Duration) -> Result<(), LoadError> {
        let ledger = &mut self.ledger;
        self.fleet.turn(timeout, &mut |client, message| {
            ledger.receive(client, message, Instant::now()).map(drop)
        })
    }
}

/// What the client finds when it reads after all.
fn leftovers(mut stream: TcpStream, patience: Duration) -> Value {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 256 << 10]);
    let (mut messages, mut code) = (0u64, None);
    let start = Instant::now();
    let end = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break "end of stream".to_owned(),
            Ok(got) => bytes.extend_from_slice(&buffer[..got]),
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => break error.to_string(),
        }
        let mut used = 0;
        while let Ok(Some(frame)) = frame::take(&bytes[used..]) {
            match frame.opcode {
                frame::CLOSE => code = Some(frame::close_code(frame.payload)),
                frame::TEXT | frame::BINARY => messages += 1,
                _ => (),
            }
            used += frame.length;
        }
        bytes.drain(..used);
        if start.elapsed() > patience {
            break "more than it could read".to_owned();
        }
    };
    json!({ "messages": messages, "cut_frame_bytes": bytes.len(), "close_code": code, "stream_ended_by": end })
}
