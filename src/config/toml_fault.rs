//! What is said of a file that is no TOML: the place, the parser's words, and what most often was
//! meant. No value is repeated, since it may be a secret. Pure.

use std::fmt;

use super::raw_settings::ARRAYS;

/// A fault of the syntax.
pub(super) struct TomlFault<'a> {
    /// Counted from 1, in characters.
    column: usize,
    /// The key of the line, where it has one.
    key: Option<&'a str>,
    message: &'a str,
    hint: Option<String>,
}

impl<'a> TomlFault<'a> {
    /// What the parser says of this place.
    pub(super) fn at(text: &'a str, at: usize, message: &'a str) -> Self {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[begin..].lines().next().unwrap_or_default();
        Self {
            column: text[begin..at].chars().count() + 1,
            key: key_of(line).map(|(key, _)| key),
            message,
            hint: hint(text, line, message),
        }
    }
}

impl fmt::Display for TomlFault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = self.key {
            write!(f, "{key}: ")?;
        }
        write!(f, "not TOML at column {}: {}", self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// The bare key of a line, and what stands behind its `=`.
fn key_of(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    let in_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!key.is_empty() && key.chars().all(in_key)).then(|| (key, value.trim()))
}

/// What most often was meant.
fn hint(text: &str, line: &str, message: &str) -> Option<String> {
    if text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('{')
    {
        return Some(
            "this looks like JSON, and settings are TOML; docs/centrifugo.md has those of \
             Centrifugo side by side"
                .to_string(),
        );
    }
    let is_duplicate = message.contains("duplicate");
    if let Some((key, value)) = key_of(line) {
        let begins_well = value.starts_with(['"', '\'', '[', '{']);
        return match (is_duplicate, value.is_empty()) {
            (true, _) => Some(format!("{key} is set before; each setting is written once")),
            (false, true) => Some(format!("{key} has no value")),
            (false, false) if !begins_well => Some(format!("texts need quotes: {key} = \"…\"")),
            _ => None,
        };
    }
    let table = line.trim().trim_start_matches('[');
    let table = table.split(']').next().unwrap_or_default().trim();
    match is_duplicate && line.trim_start().starts_with('[') {
        true if ARRAYS.contains(&table) => Some(format!(
            "write each as [[{table}]], with two brackets, as there can be several"
        )),
        true => Some(format!("[{table}] is written before; put both together")),
        false if line.contains(':') => Some("settings are written key = value".to_string()),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_syntax_names_its_key_and_what_was_meant() {
        // "invalid float, expected nothing" was said of an address without quotes, and "expected
        // key" of a file in JSON.
        for (text, expected) in [
            (
                "listen = 127.0.0.1:8080\n",
                "listen: not TOML at column 10: m; texts need quotes: listen = \"…\"",
            ),
            (
                "{\"http\": 1}",
                "not TOML at column 1: m; this looks like JSON",
            ),
            (
                "workers =\n",
                "workers: not TOML at column 10: m; workers has no value",
            ),
            (
                "listen: 1\n",
                "not TOML at column 10: m; settings are written key = value",
            ),
            ("x = \"a\n", "x: not TOML at column 7: m"),
        ] {
            let end = text.find('\n').filter(|_| !text.contains("= 127"));
            let at = match text.as_bytes()[0] {
                b'{' => 0,
                _ => end.unwrap_or(9),
            };
            let told = TomlFault::at(text, at, "m").to_string();
            assert!(told.starts_with(expected), "{told}");
        }
        let twice = "[[raw]]\n[raw]\n";
        let told = TomlFault::at(twice, 8, "duplicate key").to_string();
        assert!(
            told.ends_with("write each as [[raw]], with two brackets, as there can be several")
        );
        let twice = "[api]\n[api]\n";
        let told = TomlFault::at(twice, 6, "duplicate key").to_string();
        assert!(
            told.ends_with("[api] is written before; put both together"),
            "{told}"
        );
    }

    #[test]
    fn no_value_is_repeated() {
        // The value may be a key, and the words go into logs.
        let text = "[api]\nkey = s3cr3t-key\n";
        let told = TomlFault::at(text, 12, "m").to_string();
        assert!(
            told.contains("key = \"…\"") && !told.contains("s3cr3t"),
            "{told}"
        );
    }
}
