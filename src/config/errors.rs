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

/// Why settings were not taken, and what is odd with them beside it, so that a single look tells
/// all there is to mend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadError {
    /// What is wrong; at least one.
    pub errors: Errors,
    /// What is only odd.
    pub warnings: Vec<Warning>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.errors)?;
        for warning in &self.warnings {
            write!(f, "\nwarning: {}", warning.0)?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

impl Errors {
    /// Adds what is wrong with the setting `path`, which was written at `origin`.
    pub(super) fn add(&mut self, origin: &Origin, path: &str, what: impl fmt::Display) {
        self.0.push(format!("{origin}: {path}: {what}"));
    }
}
