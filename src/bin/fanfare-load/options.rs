//! The command line.

use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::{mark::MARK_BYTES, protocol::Protocol};

/// Opens many connections to a push server, publishes through it, and tells what became of each
/// message.
///
/// Exit status: 0 when everything came once and in order, 1 when something was lost, doubled or out
/// of order, a client was refused or cut, or the run could not be finished, 2 when the command line
/// asks for what cannot be.
#[derive(Debug, Parser)]
#[command(name = "fanfare-load", version)]
pub(crate) struct Options {
    /// What to do.
    #[arg(value_enum)]
    pub work: Work,
    /// Where the clients connect to; ws, wss, http or https. `{channel}` stands for a channel's
    /// name. May stand several times: the clients of a channel are spread over the servers in turn,
    /// and each message is published at every one of them.
    #[arg(long, required = true, value_name = "URL")]
    pub url: Vec<String>,
    /// How they speak.
    #[arg(long, value_enum, default_value_t = Protocol::Raw)]
    pub protocol: Protocol,
    /// How many clients.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub conns: usize,
    /// Connections begun in a second, at most; without it, 64 are under way at a time.
    #[arg(long, value_name = "R", value_parser = positive)]
    pub connect_rate: Option<f64>,
    /// Handshakes under way at a time.
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub connecting: usize,
    /// Source addresses on loopback, 127.0.0.1 and those behind it; by default one for each 25,000
    /// connections.
    #[arg(long, value_name = "N")]
    pub sources: Option<usize>,
    /// Channels, over which the clients are spread evenly, one each; 0: none is subscribed to.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub channels: usize,
    /// A channel's name; `{n}` stands for its number.
    #[arg(long, default_value = "load-{n}", value_name = "NAME")]
    pub channel: String,
    /// How to publish: `ws`, by the channel's first client, or the address for a POST, in which
    /// `{channel}` stands for the channel's name.
    #[arg(long, default_value = "ws", value_name = "ws|URL")]
    pub publish_url: String,
    /// A header of each POST, as `Name: value`; may stand several times.
    #[arg(long, value_name = "H")]
    pub publish_header: Vec<String>,
    /// The body of each POST, with `{data}` for the message and `{channel}` for the channel's name.
    #[arg(long, default_value = "{data}", value_name = "BODY")]
    pub publish_body: String,
    /// The server does not send a message back to the client that published it.
    #[arg(long)]
    pub publisher_excluded: bool,
    /// How many messages; of the storm, how many are published while everyone is away.
    #[arg(long, value_name = "M", conflicts_with = "duration")]
    pub messages: Option<u64>,
    /// For how long, such as 10s or 2m.
    #[arg(long, value_name = "D", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Messages before those that are measured.
    #[arg(long, default_value_t = 0, value_name = "M")]
    pub warm_up: u64,
    /// Messages a second, in all. Latency is then counted from the time at which a message was to
    /// leave.
    #[arg(long, value_name = "R", conflicts_with = "in_flight", value_parser = positive)]
    pub rate: Option<f64>,
    /// Messages under way at a time: the next leaves when the oldest has reached everyone (of echo:
    /// of each client; of publish: requests that are not answered). By HTTP, K connections with one
    /// call each. Latency is then closed-loop. [default: 1]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub in_flight: Option<u64>,
    /// Connections for POSTs at a --rate.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub publish_conns: u64,
    /// Bytes of a message's data.
    #[arg(long, default_value_t = 128, value_name = "B", value_parser = size)]
    pub size: usize,
    /// So many of a hundred clients never read anything once they are subscribed.
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT", value_parser = percent)]
    pub never_read: f64,
    /// Ask for permessage-deflate.
    #[arg(long)]
    pub deflate: bool,
    /// Take any certificate.
    #[arg(long)]
    pub insecure: bool,
    /// A connection token of the Centrifuge protocol.
    #[arg(long, value_name = "T")]
    pub token: Option<String>,
    /// A header of each client's handshake, as `Name: value`; may stand several times.
    #[arg(long, value_name = "H")]
    pub header: Vec<String>,
    /// The server's processes, whose CPU time and memory are told.
    #[arg(long, value_name = "P,…", value_delimiter = ',')]
    pub pids: Vec<u32>,
    /// How long something may take before it is given up: a connection, a message, an answer.
    #[arg(long, default_value = "5s", value_name = "D", value_parser = duration)]
    pub patience: Duration,
    /// Print one object of JSON.
    #[arg(long)]
    pub json: bool,
    /// No line of progress.
    #[arg(long)]
    pub quiet: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// Open all clients and let them be: memory.
    Idle,
    /// Open all clients: connections a second.
    Connect,
    /// Publish, and see that every client of the channel gets everything.
    Fanout,
    /// Publish as fast as it is answered: publications a second.
    Publish,
    /// Each client sends, and gets its own message back.
    Echo,
    /// Cut all clients at once, publish meanwhile, and wait until all are back and have everything.
    Storm,
}

impl Options {
    pub(crate) fn publishes_by_http(&self) -> bool {
        self.publish_url != "ws"
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    }
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e9 => Ok(number),
        _ => Err("a number above 0 is needed".to_owned()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..100.0).contains(&number) => Ok(number),
        _ => Err("a number from 0 and below 100 is needed".to_owned()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(size) if (MARK_BYTES..=8 << 20).contains(&size) => Ok(size),
        _ => Err(format!("{MARK_BYTES} to 8388608 bytes are possible")),
    }
}
