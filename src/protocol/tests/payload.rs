//! What is JSON, and what it looks like in one line.

use std::borrow::Cow;

use proptest::prelude::*;

use super::super::{DEPTH_MAX, clean_json};

#[test]
fn values_pass_as_they_are() {
    for text in ["1", "null", "\"\"", "[1, 2]", "{\"a\":\"\\n\"}", "1e999999"] {
        let found = clean_json(text.as_bytes());
        assert!(matches!(found, Some(Cow::Borrowed(it)) if it == text.as_bytes()));
    }
    assert_eq!(
        clean_json(b" \n[1] \r\n").as_deref(),
        Some(b"[1]".as_slice())
    );
    let cleaned = clean_json(b"[\r\n1,\n\"\\r\\n\"\n]");
    assert_eq!(cleaned.as_deref(), Some(b"[1,\"\\r\\n\"]".as_slice()));
}

#[test]
fn anything_else_does_not() {
    for bytes in [
        b"".as_slice(),
        b" ",
        b"{} {}",
        b"{",
        b"01",
        b"1.",
        b"+1",
        b"nul",
        b"'a'",
        b"[1,]",
        b"{\"a\"}",
        b"\"\n\"",
        b"\"\xff\"",
        b"\"\\x\"",
        b"\xef\xbb\xbf1",
    ] {
        assert_eq!(clean_json(bytes), None, "{bytes:?}");
    }
}

#[test]
fn depth_is_counted_outside_strings() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(clean_json(nested(DEPTH_MAX).as_bytes()).is_some());
    assert_eq!(clean_json(nested(DEPTH_MAX + 1).as_bytes()), None);
    assert_eq!(clean_json(nested(1_000_000).as_bytes()), None);
    let quoted = format!("[\"{}\\\"{}\"]", "[".repeat(300), "{".repeat(300));
    assert!(clean_json(quoted.as_bytes()).is_some());
    let wide = format!("[{}1]", "[],{},".repeat(300));
    assert!(clean_json(wide.as_bytes()).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cleaned_value_is_the_same_value_in_one_line(text in "[\\[\\]{}:,\"\\\\a1 \n\r]{0,12}") {
        if let Some(line) = clean_json(text.as_bytes()) {
            prop_assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
            let value = |bytes| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
            prop_assert_eq!(value(&line), value(text.as_bytes()));
        }
    }
}
