//! Agreeing on permessage-deflate: the offers of `Sec-WebSocket-Extensions` and the answer to them
//! (RFC 7692 §5, §7.1).
//!
//! Called once for each handshake. Bounds: linear in the header, whose size HTTP bounds; nothing is
//! kept. It declines what it does not understand and never fails a handshake: without an agreement
//! messages travel uncompressed.

use std::borrow::Cow;

use super::SERVER_WINDOW_BITS;

/// What was agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The server's compression window in bits, one of [`SERVER_WINDOW_BITS`].
    pub window_bits: u8,
    /// The value of the answer's `Sec-WebSocket-Extensions`.
    pub response: String,
}

/// Answers the offers of a request: all values of its `Sec-WebSocket-Extensions` headers, in order,
/// since RFC 6455 §9.1 makes them one list. The first acceptable offer wins; `None` if there is
/// none.
pub fn negotiate<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Agreed> {
    headers
        .flat_map(|header| split(header, b','))
        .find_map(answer)
}

/// The answer to one offer, if it is an acceptable one.
fn answer(offer: &str) -> Option<Agreed> {
    let mut parts = split(offer, b';');
    if trim(parts.next()?) != "permessage-deflate" {
        return None;
    }
    let mut seen = [false; 4];
    let mut server_bits = None;
    for part in parts {
        let (name, value) = parameter(part)?;
        // RFC 7692 §7: an unknown name, a name twice or a value that is not legal declines the
        // offer.
        let index = match (name, value.as_deref()) {
            ("server_no_context_takeover", None) => 0,
            ("client_no_context_takeover", None) => 1,
            ("server_max_window_bits", Some(value)) => {
                // What is asked for is the most that the client takes, and the answer may name less
                // (RFC 7692 §7.1.2.1). zlib cannot compress with a window of 8 bits, so that
                // promise cannot be made.
                let asked = window_bits(value)?;
                let mut ours = SERVER_WINDOW_BITS.into_iter();
                server_bits = Some(ours.find(|bits| *bits <= asked)?);
                2
            }
            // A hint, or a promise of a smaller window. Inflating works with either, and the
            // inflater belongs to a thread, not to a connection: a smaller window would save
            // nothing here, so the answer does not ask for one.
            ("client_max_window_bits", None) => 3,
            ("client_max_window_bits", Some(value)) => {
                window_bits(value)?;
                3
            }
            _ => return None,
        };
        if std::mem::replace(&mut seen[index], true) {
            return None;
        }
    }
    let mut response =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
    if let Some(bits) = server_bits {
        response.push_str(&format!("; server_max_window_bits={bits}"));
    }
    Some(Agreed {
        window_bits: server_bits.unwrap_or(15),
        response,
    })
}

/// `name`, `name=token` or `name="token"` (RFC 6455 §9.1).
fn parameter(part: &str) -> Option<(&str, Option<Cow<'_, str>>)> {
    match part.split_once('=') {
        None => Some((trim(part), None)),
        Some((name, value)) => Some((trim(name), Some(unquote(trim(value))?))),
    }
}

/// The value without its quotes; what is left has to be a token, quoted or not (RFC 6455 §9.1).
fn unquote(value: &str) -> Option<Cow<'_, str>> {
    let plain = match value.strip_prefix('"') {
        None => Cow::Borrowed(value),
        Some(inner) => {
            let inner = inner.strip_suffix('"')?;
            let mut plain = String::with_capacity(inner.len());
            let mut chars = inner.chars();
            while let Some(c) = chars.next() {
                match c {
                    '"' => return None,
                    // A backslash takes away the next character's meaning; at the end it would take
                    // the closing quote's.
                    '\\' => plain.push(chars.next()?),
                    c => plain.push(c),
                }
            }
            Cow::Owned(plain)
        }
    };
    (!plain.is_empty()).then_some(plain)
}

/// A decimal number without leading zeros, 8 to 15 (RFC 7692 §7.1.2.1).
fn window_bits(value: &str) -> Option<u8> {
    match value.as_bytes() {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// Cuts at each `separator` that does not stand in quotes.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let mut escaped = false;
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                // An ASCII byte is a character of its own, so the cuts are at boundaries.
                byte if byte == separator && !quoted => {
                    rest = Some(&text[at + 1..]);
                    return Some(&text[..at]);
                }
                _ => {}
            }
        }
        rest = None;
        Some(text)
    })
}

/// Optional white space of HTTP: spaces and tabs.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests;
