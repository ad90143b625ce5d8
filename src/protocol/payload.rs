//! Payloads: what may stand in a JSON message, checked and made to fit into one line.
//!
//! A payload comes from a client or a backend and goes on as the bytes that came. The check builds
//! no tree and does not recurse. Nesting is bounded here for the sake of those who will read the
//! payload with a parser that does recurse.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use memchr::memchr2;
use serde_json::value::RawValue;

/// A payload as it came: in JSON the text of one value, without raw newlines; in Protobuf any
/// bytes. Empty is absent.
pub type Data = Bytes;

/// How many arrays and objects may be open at once in a payload.
pub const DEPTH_MAX: usize = 128;

/// What was published, and thereby how it becomes JSON. In Protobuf each is its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadRef<'a> {
    /// The text of a JSON value, from [`clean_json`] or a command: stands in JSON as it is. Empty
    /// is absent.
    Json(&'a [u8]),
    /// The same with raw newlines between its tokens or whitespace around it, which it loses on its
    /// way.
    JsonLines(&'a [u8]),
    /// Other text: a JSON string.
    Text(&'a str),
    /// Bytes: a JSON string of base64 (standard, padded).
    Binary(&'a [u8]),
    /// Full data or a patch for a subscription with deltas: a JSON string of this text, of base64
    /// if it is not UTF-8.
    Stringed(&'a [u8]),
}

impl<'a> PayloadRef<'a> {
    /// The bytes, as Protobuf has them.
    #[must_use]
    pub(crate) fn bytes(&self) -> Cow<'a, [u8]> {
        match *self {
            Self::Json(bytes) | Self::Binary(bytes) | Self::Stringed(bytes) => bytes.into(),
            Self::JsonLines(lines) => without_newlines(lines.trim_ascii()),
            Self::Text(text) => text.as_bytes().into(),
        }
    }

    /// Appends it as a JSON value.
    pub(super) fn write_json(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Json(text) => out.extend_from_slice(text),
            Self::JsonLines(_) => out.extend_from_slice(&self.bytes()),
            Self::Text(text) => string(text, out),
            Self::Binary(bytes) => base64_string(bytes, out),
            Self::Stringed(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => string(text, out),
                Err(_) => base64_string(bytes, out),
            },
        }
    }
}

/// The text of one JSON value without the whitespace around it and without raw newlines, or `None`
/// if the bytes are anything else or nest deeper than [`DEPTH_MAX`]. Copies only if there is a
/// newline.
#[must_use]
pub fn clean_json(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let value: &RawValue = serde_json::from_slice(bytes).ok()?;
    clean(value)
}

/// The same for a value that was found inside another.
pub(super) fn clean_value(value: &RawValue) -> Option<Bytes> {
    Some(match clean(value)? {
        Cow::Borrowed(text) => Bytes::copy_from_slice(text),
        Cow::Owned(text) => Bytes::from(text),
    })
}

fn clean(value: &RawValue) -> Option<Cow<'_, [u8]>> {
    let text = value.get().as_bytes();
    // Each level costs a byte to open and one to close, so that short values need no count.
    if text.len() > 2 * DEPTH_MAX && too_deep(text) {
        return None;
    }
    Some(without_newlines(text))
}

/// The text of a valid JSON value on one line. Copies only if there is a newline.
pub(crate) fn without_newlines(json: &[u8]) -> Cow<'_, [u8]> {
    // Strings cannot hold a raw newline, so that each one stands between tokens, none of which it
    // alone keeps apart.
    if memchr2(b'\n', b'\r', json).is_none() {
        return Cow::Borrowed(json);
    }
    // Not grown step by step, since a history may keep what stays unused.
    let mut line = Vec::with_capacity(json.len());
    line.extend(json.iter().copied().filter(|&byte| !is_newline(byte)));
    line.shrink_to_fit();
    Cow::Owned(line)
}

const fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Of the text of a valid value.
fn too_deep(text: &[u8]) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for &byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Appends a JSON string.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    // Neither a text nor a vector gives this a reason to fail.
    let _ = serde_json::to_writer(out, text);
}

fn base64_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
}
