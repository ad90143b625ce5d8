//! How a line of the log is written: as text for people, or as a JSON object for those who collect
//! it. Whatever is in a record, it is one line, of at most [`LINE_BYTES_MAX`] and a little more;
//! this is where that is seen to, so that nobody who logs has to think of it. Pure but for the
//! clock.

use std::{
    fmt::{self, Write as _},
    io::{self, Write},
    time::SystemTime,
};

use env_logger::fmt::style::{AnsiColor, Style};
use log::{
    Level, Record,
    kv::{self, Key, Value, VisitSource},
};
use serde::{Serializer as _, ser::SerializeMap as _};

use super::escape::{self, Escaped};
use crate::config::LogFormat;

/// Bytes that the message of a line may have, and each of its values; what is longer is cut.
const LINE_BYTES_MAX: usize = 4096;

/// In which form lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineFormat {
    pub(super) format: LogFormat,
    /// Whether the level is coloured, as a person at a terminal likes it.
    pub(super) color: bool,
}

impl LineFormat {
    /// Writes a record as one line, with its end.
    pub(super) fn write(self, out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        match self.format {
            LogFormat::Text => self.write_text(out, time, record),
            LogFormat::Json => write_json(out, time, record),
        }
    }

    fn write_text(
        self,
        out: &mut impl Write,
        time: impl fmt::Display,
        record: &Record<'_>,
    ) -> io::Result<()> {
        let level = record.level();
        let style = if self.color {
            style_of(level)
        } else {
            Style::new()
        };
        let mut text = LineText(escape::cut(record.args(), LINE_BYTES_MAX, shown_bytes));
        // `LineText` always goes on.
        let _ = record.key_values().visit(&mut text);
        let target = record.target();
        let text = Escaped(&text.0);
        writeln!(out, "[{time} {style}{level:<5}{style:#} {target}] {text}")
    }
}

/// The colours of env_logger.
fn style_of(level: Level) -> Style {
    match level {
        Level::Error => AnsiColor::Red.on_default().bold(),
        Level::Warn => AnsiColor::Yellow.on_default(),
        Level::Info => AnsiColor::Green.on_default(),
        Level::Debug => AnsiColor::Blue.on_default(),
        Level::Trace => AnsiColor::Cyan.on_default(),
    }
}

/// What a character takes in a text: that of its escape, at most.
fn shown_bytes(character: char) -> usize {
    if escape::is_escaped(character) {
        character.escape_default().len()
    } else {
        character.len_utf8()
    }
}

/// What a character takes in JSON.
fn json_bytes(character: char) -> usize {
    match character {
        '"' | '\\' => 2,
        character if escape::is_escaped(character) => 6,
        character => character.len_utf8(),
    }
}

/// A message with `key=value` behind it.
struct LineText(String);

impl<'kvs> VisitSource<'kvs> for LineText {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let value = escape::cut(&value, LINE_BYTES_MAX, shown_bytes);
        let is_word = |text: &str| {
            let splits = |c: char| c.is_whitespace() || matches!(c, '"' | '=' | '\\');
            !text.is_empty() && !text.contains(splits)
        };
        // Writing into a text cannot fail.
        let _ = if is_word(&value) {
            write!(self.0, " {key}={value}")
        } else {
            write!(self.0, " {key}={value:?}")
        };
        Ok(())
    }
}

fn write_json(
    out: &mut impl Write,
    time: impl fmt::Display,
    record: &Record<'_>,
) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, OneLine);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("time", &time.to_string())?;
    map.serialize_entry("level", &record.level().as_str().to_ascii_lowercase())?;
    map.serialize_entry("target", record.target())?;
    let message = escape::cut(record.args(), LINE_BYTES_MAX, json_bytes);
    map.serialize_entry("message", &message)?;
    let mut fields = FieldWriter(&mut map, Ok(()));
    let _ = record.key_values().visit(&mut fields);
    fields.1?;
    map.end()?;
    out.write_all(b"\n")
}

/// The values of a record as members of its object: numbers as such, all else as text.
struct FieldWriter<'a, M: serde::ser::SerializeMap>(&'a mut M, Result<(), M::Error>);

impl<'kvs, M: serde::ser::SerializeMap> VisitSource<'kvs> for FieldWriter<'_, M> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let key = key.as_str();
        let written = if let Some(number) = value.to_u64() {
            self.0.serialize_entry(key, &number)
        } else if let Some(number) = value.to_i64() {
            self.0.serialize_entry(key, &number)
        } else if let Some(number) = value.to_f64() {
            self.0.serialize_entry(key, &number)
        } else {
            let text = escape::cut(&value, LINE_BYTES_MAX, json_bytes);
            self.0.serialize_entry(key, &text)
        };
        if self.1.is_ok() {
            self.1 = written;
        }
        Ok(())
    }
}

/// JSON without a character that some reader takes for the end of a line, or a terminal for a
/// command: serde_json leaves U+0085 and U+2028 as they are.
struct OneLine;

impl serde_json::ser::Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(escape::is_escaped) {
            let (before, from) = rest.split_at(at);
            out.write_all(before.as_bytes())?;
            let mut characters = from.chars();
            if let Some(character) = characters.next() {
                // All of them are in the basic plane.
                write!(out, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: LogFormat, message: &str, values: &[(&str, Value<'_>)]) -> String {
        let mut out = Vec::new();
        let format = LineFormat {
            format,
            color: false,
        };
        let mut record = Record::builder();
        record.level(Level::Info).target("fanfare::test");
        record.key_values(&values);
        let written = format.write(&mut out, &record.args(format_args!("{message}")).build());
        written.expect("a line");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_newline_in_a_message_or_a_value_begins_no_new_line() {
        // A claim of a token held a line break, and what followed looked like a line of the log.
        // The same goes for what other readers take for the end of a line, or terminals obey.
        let forged = "in\nout\r\u{85}\u{2028}\u{1b}[31m\u{202e}";
        let values = [("user", Value::from(forged))];
        let text = line(LogFormat::Text, forged, &values);
        let end = text.split_once("] ").expect("a head").1;
        assert_eq!(
            end,
            "in\\nout\\r\\u{85}\\u{2028}\\u{1b}[31m\\u{202e} \
             user=\"in\\nout\\r\\u{85}\\u{2028}\\u{1b}[31m\\u{202e}\"\n"
        );
        let json = line(LogFormat::Json, forged, &values);
        let is_escaped = json.trim_end_matches('\n').contains(escape::is_escaped);
        assert!(!is_escaped, "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read["message"], forged);
        assert_eq!(read["user"], forged);
    }

    #[test]
    fn json_has_numbers_as_numbers_and_text_has_quotes_where_they_are_needed() {
        let values = [
            ("sessions", Value::from(3_u64)),
            ("code", Value::from(-1_i32)),
            ("took", Value::from(0.5_f64)),
            ("user", Value::from("弹幕")),
            ("reason", Value::from("a \"b\"")),
            ("info", Value::from("")),
        ];
        let read: serde_json::Value =
            serde_json::from_str(&line(LogFormat::Json, "done", &values)).expect("JSON");
        assert_eq!(
            (&read["level"], &read["target"], &read["message"]),
            (&"info".into(), &"fanfare::test".into(), &"done".into())
        );
        assert_eq!(
            (&read["sessions"], &read["code"]),
            (&3.into(), &(-1).into())
        );
        assert_eq!(
            (&read["took"], &read["user"]),
            (&0.5.into(), &"弹幕".into())
        );
        let text = line(LogFormat::Text, "done", &values);
        let end = text.split_once("] ").expect("a head").1;
        assert_eq!(
            end,
            "done sessions=3 code=-1 took=0.5 user=弹幕 reason=\"a \\\"b\\\"\" info=\"\"\n"
        );
    }

    #[test]
    fn a_line_has_a_bound() {
        // A message was as long as a peer made it. With it, lines that wait had no bound in bytes.
        let long = "\u{1b}".repeat(1 << 20);
        let values = [("user", Value::from(long.as_str()))];
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = line(format, &long, &values);
            // The quotes of a value escape what stands for a control character once more.
            assert!(line.len() < 3 * LINE_BYTES_MAX, "{}", line.len());
        }
    }
}
