//! What is wrong or odd with settings, and where it was written: collected while they are read and
//! checked, so that all of it can be mended at once.

use std::{fmt, path::PathBuf};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A line of the file, counted from 1.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// The built-in demonstration or a default.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

/// A sentence about something that is odd but does not stop the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub String);

/// Everything that is wrong with the settings, a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(pub Vec<String>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Errors {}

impl Errors {
    /// Adds what is wrong with the setting `path`, which was written at `origin`.
    pub(super) fn add(&mut self, origin: &Origin, path: &str, what: impl fmt::Display) {
        self.0.push(format!("{origin}: {path}: {what}"));
    }
}
