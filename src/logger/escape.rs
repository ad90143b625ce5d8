//! What may not stand in a line of text as it is: characters that break it, turn it around or talk
//! to a terminal. The one place that escapes them, for the log and for every text that shows what
//! a peer sent. Pure.

use std::fmt::{self, Write as _};

/// Whether a character is shown escaped: it controls a terminal, ends a line for some reader, or
/// changes the direction of what follows.
#[must_use]
pub(crate) fn is_escaped(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// A text in one line: escapes stand for what [`is_escaped`]. The rest, quotes and backslashes
/// too, stays as it is.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_escaped) {
            let (before, from) = rest.split_at(at);
            f.write_str(before)?;
            let mut characters = from.chars();
            if let Some(character) = characters.next() {
                write!(f, "{}", character.escape_default())?;
            }
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

/// Bytes from outside as text: what is UTF-8 as it is, each other byte as `\xNN`.
pub(crate) struct Lossy<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// The beginning of something shown, so that a text has a bound: at most so many bytes, then `…`.
pub(crate) struct Cut<T>(pub(crate) T, pub(crate) usize);

impl<T: fmt::Display> fmt::Display for Cut<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&cut(&self.0, self.1, |character| character.len_utf8()))
    }
}

/// The beginning of something shown that costs at most `budget`, with `…` behind it if that is not
/// all. `cost` is charged for each character.
pub(super) fn cut(shown: &dyn fmt::Display, budget: usize, cost: fn(char) -> usize) -> String {
    let mut bounded = Bounded {
        text: String::new(),
        left: budget,
        cost,
    };
    // An error is the bound, or a value that cannot be shown; either way this is its beginning.
    if write!(bounded, "{shown}").is_err() {
        bounded.text.push('…');
    }
    bounded.text
}

struct Bounded {
    text: String,
    left: usize,
    cost: fn(char) -> usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (at, character) in text.char_indices() {
            match self.left.checked_sub((self.cost)(character)) {
                Some(left) => self.left = left,
                None => {
                    self.text.push_str(&text[..at]);
                    return Err(fmt::Error);
                }
            }
        }
        self.text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_line_or_turns_it_around_is_escaped_and_all_else_stays() {
        for (text, shown) in [
            ("弹幕 👩‍👧 \"a\\b\"", "弹幕 👩‍👧 \"a\\b\""),
            ("a\nb\r\tc\u{1b}[2J", "a\\nb\\r\\tc\\u{1b}[2J"),
            ("\u{85}\u{2028}\u{202e}", "\\u{85}\\u{2028}\\u{202e}"),
            ("", ""),
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_told_one_by_one() {
        assert_eq!(Lossy(b"a\xff\xfe\xe4\xbd\xa0").to_string(), "a\\xff\\xfe你");
    }

    #[test]
    fn a_cut_text_says_that_there_was_more() {
        assert_eq!(Cut("abcdef", 3).to_string(), "abc…");
        assert_eq!(Cut("你好", 5).to_string(), "你…");
        assert_eq!(Cut("abc", 3).to_string(), "abc");
    }
}
