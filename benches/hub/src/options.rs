//! The command line: a mode, then `--name value` pairs. Owned by `main`; read once, before anything
//! is opened. Unknown names are errors, so that a misspelt option cannot quietly measure something
//! else.

use std::{net::SocketAddr, time::Duration};

use crate::{clients::Kind, error::LoadError};

/// Printed when the command line makes no sense.
pub const USAGE: &str = "\
usage: hub MODE --pid PID --port PORT --key KEY [options]
modes and their options (default):
  publish   --kind raw|protocol (protocol) --subscribers (1) --history true|false (false) --batch (1) --size (128)
            --connections (4) --pipeline (4) --seconds (4)
  idle      --kind raw|protocol (protocol) --sessions (1000) --channels (100: of each session)
  kept      --channels (1000000: in all) --size (16) --group (10000: of one broadcast) --ttl (60: seconds, as in the settings)
  backend   --backend-port PORT --hook-timeout (5: seconds, as in the settings) --others (100) --rate (50) --seconds (10)
            --crowd (400)
common:     --patience (20: seconds without progress)";

/// All options of all modes; a mode reads those that concern it.
#[derive(Debug)]
pub struct Options {
    /// What to measure.
    pub mode: String,
    /// The server's process.
    pub pid: u32,
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    /// The key of the server API.
    pub key: String,
    /// What kind of subscribers.
    pub kind: Kind,
    /// How many subscribers the channel has.
    pub subscribers: usize,
    /// Whether the channel keeps a history.
    pub history: bool,
    /// Publications of one request.
    pub batch: usize,
    /// Bytes of JSON in a publication.
    pub size: usize,
    /// Connections that publish.
    pub connections: usize,
    /// Requests under way on each.
    pub pipeline: usize,
    /// How long to measure.
    pub seconds: Duration,
    /// Idle sessions.
    pub sessions: usize,
    /// Channels: of each session (`idle`), in all (`kept`).
    pub channels: usize,
    /// Channels that are published to in turn; more than one only without subscribers.
    pub spread: usize,
    /// Channels of one broadcast.
    pub group: usize,
    /// How long the settings keep a publication.
    pub ttl: Duration,
    /// Where our backend listens.
    pub backend: SocketAddr,
    /// The timeout of the hooks in the settings.
    pub hook_timeout: Duration,
    /// Subscribers that ask the backend nothing.
    pub others: usize,
    /// Publications a second to them.
    pub rate: u32,
    /// Clients that ask the slow backend all at once.
    pub crowd: usize,
    /// How long nothing may happen before a measurement fails.
    pub patience: Duration,
}

impl Options {
    /// From the words after the program's name.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, LoadError> {
        let mode = words.next().ok_or_else(|| usage("a mode is missing"))?;
        let mut options = Self::defaults(mode);
        while let Some(name) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| usage(&format!("{name} has no value")))?;
            options.set(&name, value)?;
        }
        options.check()?;
        Ok(options)
    }

    /// What holds in a mode where the command line says nothing.
    fn defaults(mode: String) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let (channels, size, seconds) = match mode.as_str() {
            "kept" => (1_000_000, 16, 4),
            "backend" => (100, 128, 10),
            _ => (100, 128, 4),
        };
        Self {
            mode,
            pid: 0,
            address: loopback,
            key: String::new(),
            kind: Kind::Protocol,
            subscribers: 1,
            history: false,
            batch: 1,
            size,
            connections: 4,
            pipeline: 4,
            seconds: Duration::from_secs(seconds),
            sessions: 1000,
            channels,
            spread: 1,
            group: 10_000,
            ttl: Duration::from_secs(60),
            backend: loopback,
            hook_timeout: Duration::from_secs(5),
            others: 100,
            rate: 50,
            crowd: 400,
            patience: Duration::from_secs(20),
        }
    }

    /// Reads one `--name value`.
    fn set(&mut self, name: &str, value: String) -> Result<(), LoadError> {
        match name {
            "--pid" => self.pid = number(name, &value)?,
            "--port" => self.address.set_port(number(name, &value)?),
            "--key" => self.key = value,
            "--kind" => self.kind = kind(&value)?,
            "--subscribers" => self.subscribers = number(name, &value)?,
            "--history" => self.history = number(name, &value)?,
            "--batch" => self.batch = number(name, &value)?,
            "--size" => self.size = number(name, &value)?,
            "--connections" => self.connections = number(name, &value)?,
            "--pipeline" => self.pipeline = number(name, &value)?,
            "--seconds" => self.seconds = seconds(name, &value)?,
            "--sessions" => self.sessions = number(name, &value)?,
            "--channels" => self.channels = number(name, &value)?,
            "--spread" => self.spread = number(name, &value)?,
            "--group" => self.group = number(name, &value)?,
            "--ttl" => self.ttl = seconds(name, &value)?,
            "--backend-port" => self.backend.set_port(number(name, &value)?),
            "--hook-timeout" => self.hook_timeout = seconds(name, &value)?,
            "--others" => self.others = number(name, &value)?,
            "--rate" => self.rate = number(name, &value)?,
            "--crowd" => self.crowd = number(name, &value)?,
            "--patience" => self.patience = seconds(name, &value)?,
            _ => return Err(usage(&format!("{name} is unknown"))),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), LoadError> {
        let counts = [
            self.batch,
            self.connections,
            self.pipeline,
            self.sessions,
            self.channels,
            self.spread,
            self.group,
        ];
        let complaint = if self.pid == 0 || self.address.port() == 0 || self.key.is_empty() {
            "--pid, --port and --key are needed"
        } else if self.mode == "backend" && self.backend.port() == 0 {
            "--backend-port is needed"
        } else if !(10..=1 << 16).contains(&self.size) || self.mode == "publish" && self.size < 32 {
            "--size must be between 10 (publish: 32) and 65536"
        } else if counts.contains(&0) || self.rate == 0 || self.others < 2 {
            "counts must not be zero, and --others not below 2"
        } else if self.spread > 1 && self.subscribers > 0 {
            "subscribers are of one channel: --spread needs --subscribers 0"
        } else if self.connections > 64 || self.batch > 10_000 || self.group > 10_000 {
            "no more than 64 connections, 10000 publications of a batch and 10000 channels of a broadcast"
        } else {
            return Ok(());
        };
        Err(usage(complaint))
    }
}

/// How a kind is called in the output.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Raw => "raw",
        Kind::Protocol => "protocol",
        Kind::Http => "http",
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

fn seconds(name: &str, value: &str) -> Result<Duration, LoadError> {
    number(name, value).map(Duration::from_secs)
}

fn kind(value: &str) -> Result<Kind, LoadError> {
    match value {
        "raw" => Ok(Kind::Raw),
        "protocol" => Ok(Kind::Protocol),
        _ => Err(usage(&format!("{value} is no kind of subscriber"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, LoadError> {
        Options::parse(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn a_line_gives_options_and_a_misspelt_one_gives_none() {
        let options = parse("publish --pid 1 --port 9 --key k --kind raw --batch 100").unwrap();
        assert_eq!(
            (options.kind, options.batch, options.size),
            (Kind::Raw, 100, 128)
        );
        assert_eq!(
            parse("kept --pid 1 --port 9 --key k").unwrap().channels,
            1_000_000
        );
        for line in [
            "publish",
            "publish --pid 1 --port 9",
            "publish --pid 1 --port 9 --key k --bach 100",
            "publish --pid 1 --port 9 --key k --size 12",
            "publish --pid 1 --port 9 --key k --kind sse",
            "backend --pid 1 --port 9 --key k",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
