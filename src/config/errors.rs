//! What is wrong or odd with settings, and where it was written: collected while they are read and
//! checked, so that all of it can be mended at once.

use std::{cmp::Reverse, collections::HashMap, fmt, path::PathBuf};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SettingOrigin {
    /// A line of the file, counted from 1.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// The built-in demonstration or a default.
    BuiltIn,
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

/// A sentence about something that is odd but does not stop the server, and where that was written,
/// if it is about one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub String, pub(super) Option<String>);

impl Warning {
    /// One without a place.
    pub(super) fn of(text: String) -> Self {
        Self(text, None)
    }

    /// The same with the place of the setting that it names first, if that was written.
    pub(super) fn placed(self, origins: &HashMap<String, SettingOrigin>) -> Self {
        let named = origins.iter().filter_map(|(path, origin)| {
            let at = names(&self.0, &without_index(path))?;
            Some((at, Reverse(path.len()), path, origin))
        });
        let mut named: Vec<_> = named.collect();
        named.sort_by(|a, b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
        let place = match named.as_slice() {
            // Which of several elements it is about, its text says.
            [first, second, ..] if without_index(first.2) == without_index(second.2) => None,
            [first, ..] => Some(first.3.to_string()),
            [] => None,
        };
        Self(self.0, place)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)?;
        match &self.1 {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

/// A path of the settings as texts have it: `push.data` of `push.0.data`.
fn without_index(path: &str) -> String {
    let parts = path.split('.');
    let parts = parts.filter(|part| part.parse::<usize>().is_err());
    parts.collect::<Vec<_>>().join(".")
}

/// Where a text names a setting, a dotted path as a word of its own.
fn names(text: &str, path: &str) -> Option<usize> {
    let in_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let mut found = text
        .match_indices(path)
        .filter(|_| path.contains(['.', '_']));
    let is_whole = |at: usize| {
        let (before, behind) = (&text[..at], &text[at + path.len()..]);
        !before.ends_with(in_path) && !behind.trim_start_matches('.').starts_with(in_path)
    };
    found.find(|(at, _)| is_whole(*at)).map(|(at, _)| at)
}

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
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

impl Errors {
    /// Adds what is wrong with the setting `path`, which was written at `origin`.
    pub(super) fn add(&mut self, origin: &SettingOrigin, path: &str, what: impl fmt::Display) {
        self.0.push(format!("{origin}: {path}: {what}"));
    }
}
