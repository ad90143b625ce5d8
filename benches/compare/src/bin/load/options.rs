//! The command line: a mode, then `--name value` pairs. Owned by `main`; read once, before anything is opened.
//! Unknown names are errors, so that a misspelt option cannot quietly measure something else.

use std::{net::SocketAddr, time::Duration};

use crate::{error::LoadError, ledger::NUMBER_BYTES};

/// Printed when the command line makes no sense.
pub const USAGE: &str = "\
usage: load MODE --server NAME --pid PID --port PORT [options]
modes and their options (default):
  fan          --sessions (1000) --in-flight (1) --size (128) --messages (1000) --warm-up (a fifth) --seconds (60)
  idle         --steps (1000,5000,15000) --size (128)
  never_reads  --rate (1000) --size (1024) --seconds (60)
  header_2_40  --pour-mib (64)
common:        --spin (false: fan's loop waits in epoll; true: it asks again at once), --path (/ws) --patience (20: seconds without progress)";

/// All options of all modes; a mode reads those that concern it.
#[derive(Debug)]
pub struct Options {
    /// What to measure.
    pub mode: String,
    /// The server's name in the output.
    pub server: String,
    /// The server's process.
    pub pid: u32,
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    /// The WebSocket's path.
    pub path: String,
    /// How many clients.
    pub sessions: usize,
    /// How many messages are under way at a time.
    pub in_flight: usize,
    /// Bytes in a message.
    pub size: usize,
    /// Whether `fan` asks epoll again at once instead of waiting in it.
    pub spin: bool,
    /// How many messages are measured.
    pub messages: u64,
    /// How many go before them, unmeasured.
    pub warm_up: u64,
    /// After which time a measurement is given up; `never_reads` watches that long.
    pub seconds: Duration,
    /// The numbers of idle clients to look at, ascending.
    pub steps: Vec<usize>,
    /// Messages a second.
    pub rate: u32,
    /// How much payload may follow the lying header.
    pub pour_mib: usize,
    /// How long nothing may happen before a measurement fails.
    pub patience: Duration,
}

impl Options {
    /// From the words after the program's name.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self, LoadError> {
        let mut words = words;
        let mode = words.next().ok_or_else(|| usage("a mode is missing"))?;
        let mut options = Self {
            mode,
            server: String::new(),
            pid: 0,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            path: "/ws".to_owned(),
            sessions: 1000,
            in_flight: 1,
            spin: false,
            size: 128,
            messages: 1000,
            warm_up: 0,
            seconds: Duration::from_secs(60),
            steps: vec![1000, 5000, 15_000],
            rate: 1000,
            pour_mib: 64,
            patience: Duration::from_secs(20),
        };
        if options.mode == "never_reads" {
            options.size = 1024;
        }
        let mut warm_up = None;
        while let Some(name) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| usage(&format!("{name} has no value")))?;
            match name.as_str() {
                "--server" => options.server = value,
                "--pid" => options.pid = number(&name, &value)?,
                "--port" => options.address.set_port(number(&name, &value)?),
                "--path" => options.path = value,
                "--sessions" => options.sessions = number(&name, &value)?,
                "--in-flight" => options.in_flight = number(&name, &value)?,
                "--spin" => options.spin = number(&name, &value)?,
                "--size" => options.size = number(&name, &value)?,
                "--messages" => options.messages = number(&name, &value)?,
                "--warm-up" => warm_up = Some(number(&name, &value)?),
                "--seconds" => options.seconds = Duration::from_secs(number(&name, &value)?),
                "--steps" => {
                    options.steps = value
                        .split(',')
                        .map(|step| number(&name, step))
                        .collect::<Result<_, _>>()?
                }
                "--rate" => options.rate = number(&name, &value)?,
                "--pour-mib" => options.pour_mib = number(&name, &value)?,
                "--patience" => options.patience = Duration::from_secs(number(&name, &value)?),
                _ => return Err(usage(&format!("{name} is unknown"))),
            }
        }
        options.warm_up = warm_up.unwrap_or_else(|| (options.messages / 5).max(10));
        options.check()?;
        Ok(options)
    }

    fn check(&self) -> Result<(), LoadError> {
        let complaint = if self.server.is_empty() || self.pid == 0 || self.address.port() == 0 {
            "--server, --pid and --port are needed"
        } else if self.size < NUMBER_BYTES || self.size > 1 << 20 {
            "--size must be between 16 and 1048576"
        } else if self.sessions == 0 || self.in_flight == 0 || self.messages == 0 || self.rate == 0
        {
            "counts must not be zero"
        } else if !self.steps.is_sorted() {
            "--steps must ascend"
        } else {
            return Ok(());
        };
        Err(usage(complaint))
    }
}

fn usage(complaint: &str) -> LoadError {
    LoadError::Usage(format!("{complaint}\n{USAGE}"))
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, LoadError> {
    value
        .parse()
        .map_err(|_| usage(&format!("{name} does not take {value:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, LoadError> {
        Options::parse(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn a_line_gives_options_and_a_misspelt_one_gives_none() {
        let options =
            parse("fan --server a --pid 1 --port 9 --in-flight 4 --messages 500").unwrap();
        assert_eq!(
            (options.in_flight, options.size, options.warm_up),
            (4, 128, 100)
        );
        assert_eq!(
            parse("never_reads --server a --pid 1 --port 9")
                .unwrap()
                .size,
            1024
        );
        for line in [
            "fan",
            "fan --server a --pid 1 --port 9 --inflight 4",
            "fan --server a --pid 1 --port 9 --size",
            "fan --server a --pid 1 --port 9 --size 3",
            "idle --server a --pid 1 --port 9 --steps 9,1",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
