//! What ends a measurement early. Any of these makes its figures worthless, so nothing here is
//! retried: `main` prints the sentence, names the mode and ends with status 1.

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
    /// Something else arrived than the measurement allows: a lost or doubled publication, an error,
    /// an end.
    #[error("client {client}: {fault}")]
    Unexpected {
        /// Which client, counted from 0.
        client: usize,
        /// What arrived.
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

    /// A client that got something it should not have.
    pub fn unexpected(client: usize, fault: impl Into<String>) -> Self {
        Self::Unexpected {
            client,
            fault: fault.into(),
        }
    }
}
