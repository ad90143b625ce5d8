//! What ends a measurement early. Any of these makes its figures worthless, so nothing here is retried:
//! `main` prints the sentence, names the mode and ends with status 1.

use std::io;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The server's answer to the handshake was not the 101 that RFC 6455 asks for.
    #[error("client {client}: handshake answered with {answer:?}")]
    Handshake {
        /// Which client, counted from 0.
        client: usize,
        /// The first line.
        answer: String,
    },
    /// The server sent what this program does not take.
    #[error("bad frame: {0}")]
    Frame(&'static str),
    /// The server ended a session that was to stay.
    #[error("client {client}: the server ended the session ({end})")]
    Ended {
        /// Which client, counted from 0.
        client: usize,
        /// Close code, end of stream, or reset.
        end: String,
    },
    /// A client got something else than the next message.
    #[error("client {client}: {fault}")]
    Delivery {
        /// Which client, counted from 0.
        client: usize,
        /// What arrived instead.
        fault: String,
    },
    /// Nothing arrived for too long.
    #[error("no progress for {seconds} s: {state}")]
    Stalled {
        /// The patience that ran out.
        seconds: u64,
        /// How far it had come.
        state: String,
    },
    /// The measurement's own time was not enough for its work.
    #[error("{seconds} s were not enough: {state}")]
    OutOfTime {
        /// The time it had.
        seconds: u64,
        /// How far it had come.
        state: String,
    },
    /// The server's process could not be looked at.
    #[error("process {pid}: {what}")]
    Process {
        /// Whose `/proc` directory was read.
        pid: u32,
        /// Which file or field is missing.
        what: String,
    },
}

impl LoadError {
    /// Wraps a system error with what was tried: `.map_err(LoadError::io("connect"))`.
    pub fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
