//! Why a run gives no figures. `main` prints the sentence and ends with the status.

use std::io;

/// What ended a run before there was anything to report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// No connection came about, or none any more, for too long.
    #[error("{0}")]
    Stalled(String),
    /// A server's process could not be looked at.
    #[error("process {pid}: {what}")]
    Process {
        /// Whose directory in `/proc` was read.
        pid: u32,
        /// Which file or field is missing.
        what: String,
    },
}

impl LoadError {
    /// Wraps an error of the system with what was tried: `.map_err(LoadError::io("connect"))`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            what: what.into(),
            source,
        }
    }

    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Io { .. } | Self::Stalled(_) | Self::Process { .. } => 1,
        }
    }
}
