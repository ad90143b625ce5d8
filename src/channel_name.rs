//! What a channel may be called: the one place that decides it, for settings, clients, tokens, the
//! backend and the API alike. Pure; it keeps nothing and quotes no name.
//!
//! A name is UTF-8 of 1 to 255 bytes, compared byte for byte and never normalised. Only ASCII `:`,
//! `#` and `,` separate its parts; what looks like them in full width is part of the name.

/// Longest name, in bytes.
pub(crate) const BYTES_MAX: usize = 255;

/// Signs that input methods write in place of `:`, `#` and `,`, with the sign each stands for.
const FULL_WIDTH: [(char, char); 3] = [('：', ':'), ('＃', '#'), ('，', ',')];

/// Why a text is no name of a channel. The sentence is what the client, the caller or the author of
/// the settings reads; it fits into the reason of a Close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChannelNameError {
    /// There is nothing.
    #[error("a channel name is empty, expected 1 to {BYTES_MAX} bytes")]
    Empty,
    /// More bytes than a name has.
    #[error("a channel name has {0} bytes, expected at most {BYTES_MAX} in UTF-8")]
    TooLong(usize),
    /// Bytes that are no text.
    #[error("a channel name is not UTF-8")]
    NotUtf8,
    /// A line break, a tab, an escape.
    #[error("a channel name has a control character (U+{:04X})", u32::from(*.0))]
    Control(char),
    /// A blank of any script, such as U+3000, or a separator of lines.
    #[error("a channel name has white space (U+{:04X})", u32::from(*.0))]
    WhiteSpace(char),
    /// It begins with `$`.
    #[error("channel names that begin with $ are the server's own")]
    Internal,
}

/// Whether a channel may be called so by whoever is not the server itself.
///
/// # Errors
/// It is empty, too long, or has or begins with what no name may.
pub(crate) fn check(name: &str) -> Result<(), ChannelNameError> {
    if name.is_empty() {
        return Err(ChannelNameError::Empty);
    }
    if name.len() > BYTES_MAX {
        return Err(ChannelNameError::TooLong(name.len()));
    }
    if name.starts_with('$') {
        return Err(ChannelNameError::Internal);
    }
    match name.chars().find(|c| c.is_control() || c.is_whitespace()) {
        Some(c) if c.is_control() => Err(ChannelNameError::Control(c)),
        Some(c) => Err(ChannelNameError::WhiteSpace(c)),
        None => Ok(()),
    }
}

/// The first sign in a name that looks as if it separated and does not, with the one that would.
pub(crate) fn look_alike(name: &str) -> Option<(char, char)> {
    let of = |c: char| FULL_WIDTH.into_iter().find(|(wide, _)| *wide == c);
    name.chars().find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Only visible ASCII was a name, so 弹幕 was refused by every route, and a browser saw 1006.
    // What the rule is for is to keep out what cannot be seen or typed, and what would split a log.
    #[test]
    fn names_are_text_of_any_script() {
        let family = "👨\u{200d}👩\u{200d}👧";
        let long = "弹".repeat(85);
        for name in [
            "弹幕",
            "直播间:1",
            "dialog#42,567",
            "a/b",
            "ä",
            "e\u{301}",
            family,
            "：＃，",
            "a$",
            &long,
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        assert_eq!(check(&"x".repeat(255)), Ok(()));
    }

    #[test]
    fn what_is_refused_is_told_why_in_a_sentence_that_fits_a_close() {
        use ChannelNameError::{Control, Empty, Internal, TooLong, WhiteSpace};
        let long = "弹".repeat(85) + "x";
        let nul = "a\0";
        for (name, error) in [
            ("", Empty),
            (&*long, TooLong(256)),
            ("$all", Internal),
            ("a b", WhiteSpace(' ')),
            ("弹\u{3000}幕", WhiteSpace('\u{3000}')),
            ("a\u{2028}b", WhiteSpace('\u{2028}')),
            ("a\u{a0}", WhiteSpace('\u{a0}')),
            ("a\nb", Control('\n')),
            ("a\u{85}", Control('\u{85}')),
            ("\u{7f}", Control('\u{7f}')),
            (nul, Control('\0')),
        ] {
            assert_eq!(check(name), Err(error), "{name:?}");
            let sentence = error.to_string();
            assert!(
                sentence.contains("channel name") && sentence.len() < 110,
                "{sentence}"
            );
            assert!(name.len() < 2 || !sentence.contains(name), "{sentence}");
        }
    }

    #[test]
    fn what_only_looks_like_a_separator_is_found() {
        assert_eq!(look_alike("聊天：1"), Some(('：', ':')));
        assert_eq!(look_alike("dialog#42，567"), Some(('，', ',')));
        assert_eq!(look_alike("聊天:1#2,3"), None);
    }
}
