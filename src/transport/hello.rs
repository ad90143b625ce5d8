//! What a connection begins with: HTTP, TLS, or something else. Only looked at, nothing is taken
//! from the socket.

use std::io;

use tokio::net::TcpStream;

/// The answer to plain HTTP where TLS is spoken.
pub(super) const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 56\r\nconnection: close\r\n\r\n\
    this port speaks TLS: use https:// or wss:// to reach it";

/// What the first bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    /// A TLS handshake: record type 22, version 3.x.
    Tls,
    /// A method of HTTP.
    Http,
    /// Anything else.
    Other,
}

/// Waits for the first bytes.
///
/// # Errors
/// What the system says; also when the client closed without a byte.
pub(super) async fn of(stream: &TcpStream) -> io::Result<Hello> {
    let mut first = [0; 2];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => Ok(looks_like(&first[..count])),
    }
}

/// What these first bytes look like.
pub(super) fn looks_like(first: &[u8]) -> Hello {
    match first {
        [0x16] | [0x16, 0x03, ..] => Hello::Tls,
        [byte, ..] if byte.is_ascii_uppercase() => Hello::Http,
        _ => Hello::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_tls_from_http() {
        for (first, hello) in [
            (&b"\x16\x03"[..], Hello::Tls),
            (b"\x16", Hello::Tls),
            (b"\x16\x01", Hello::Other),
            (b"GET /", Hello::Http),
            (b"\r\n", Hello::Other),
            (b"\0", Hello::Other),
        ] {
            assert_eq!(looks_like(first), hello, "{first:?}");
        }
    }

    #[test]
    fn the_answer_has_the_length_that_it_names() {
        let text = std::str::from_utf8(SPEAK_TLS).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    }
}
