//! The first request line of a connection, made one that actix-http takes: it answers a target with
//! bytes that belong percent-encoded, such as `/ws?name=你好`, with a 400 that says nothing, and some
//! clients encode nothing. Here those bytes are encoded on their way in, once.
//!
//! Pure but for the reading. Bounds: at most three times what one read has room for waits here. It
//! changes nothing behind the first line: where later requests of the connection begin is not known
//! here, and what is in a body is not ours.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct RequestLine {
    phase: Phase,
    /// Encoded bytes that there was no room for.
    waiting: BytesMut,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing came yet.
    #[default]
    New,
    /// The line has begun.
    Inside,
    /// It is over, or there never was one.
    Over,
}

impl RequestLine {
    /// Whether everything from here on passes as it comes.
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over && self.waiting.is_empty()
    }

    /// Reads from the socket.
    pub(super) fn poll_read(
        &mut self,
        socket: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            let before = buf.filled().len();
            ready!(socket.poll_read(cx, buf))?;
            let Some(encoded) = self.encode(&buf.filled()[before..]) else {
                return Poll::Ready(Ok(()));
            };
            buf.set_filled(before);
            self.waiting = encoded;
        }
        let length = self.waiting.len().min(buf.remaining());
        buf.put_slice(&self.waiting.split_to(length));
        Poll::Ready(Ok(()))
    }

    /// What came, with what stands of the line in it encoded; `None` where it may stay as it is.
    fn encode(&mut self, came: &[u8]) -> Option<BytesMut> {
        if self.phase == Phase::New && !came.is_empty() {
            // A method, or something else than HTTP, which is left for others to see.
            let is_method = came[0].is_ascii_uppercase();
            self.phase = if is_method {
                Phase::Inside
            } else {
                Phase::Over
            };
        }
        if self.phase != Phase::Inside {
            return None;
        }
        let end = came.iter().position(|byte| *byte == b'\n');
        if end.is_some() {
            self.phase = Phase::Over;
        }
        let (line, rest) = came.split_at(end.unwrap_or(came.len()));
        if line.iter().copied().all(may_stay) {
            return None;
        }
        let mut encoded = BytesMut::with_capacity(line.len() * 3 + rest.len());
        for byte in line.iter().copied() {
            if may_stay(byte) {
                encoded.extend_from_slice(&[byte]);
            } else {
                encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        }
        encoded.extend_from_slice(rest);
        Some(encoded)
    }
}

/// Whether a byte may stand in a request line as it is; what separates its parts may.
fn may_stay(byte: u8) -> bool {
    byte.is_ascii() && !b"\"<>^`".contains(&byte)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    struct Source<'a> {
        line: RequestLine,
        pieces: std::slice::Iter<'a, &'a [u8]>,
    }

    impl AsyncRead for Source<'_> {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let this = self.get_mut();
            let waits = !this.line.waiting.is_empty();
            let mut piece: &[u8] = match waits {
                true => b"",
                false => this.pieces.next().copied().unwrap_or_default(),
            };
            this.line.poll_read(Pin::new(&mut piece), cx, buf)
        }
    }

    /// What a reader with little room gets of these pieces.
    async fn read(pieces: &[&[u8]]) -> String {
        let mut source = Source {
            line: RequestLine::default(),
            pieces: pieces.iter(),
        };
        let mut whole = Vec::new();
        let mut room = [0; 16];
        loop {
            let n = source.read(&mut room).await.expect("no error");
            if n == 0 {
                return String::from_utf8(whole).expect("text");
            }
            whole.extend_from_slice(&room[..n]);
        }
    }

    /// `/ws?name=你好` was answered with a 400 without a word. Its bytes are encoded, wherever reads
    /// cut it, and nothing behind the line is changed.
    #[tokio::test]
    async fn a_line_is_encoded_and_what_follows_it_is_not() {
        let line = "GET /直?a=\"你\" HTTP/1.1\r\n".as_bytes();
        let encoded = "GET /%E7%9B%B4?a=%22%E4%BD%A0%22 HTTP/1.1\r\n";
        let rest = "X: 好\r\n\r\n\"é\"".as_bytes();
        for cut in 1..line.len() {
            let (first, second) = line.split_at(cut);
            // A reader has room for 16 bytes at a time here, and a piece must fit.
            let mut pieces: Vec<&[u8]> = first.chunks(16).chain(second.chunks(16)).collect();
            pieces.push(rest);
            let whole = read(&pieces).await;
            assert_eq!(whole, format!("{encoded}X: 好\r\n\r\n\"é\""), "{cut}");
        }
    }

    #[test]
    fn what_needs_no_encoding_and_what_is_no_http_passes_as_it_came() {
        for came in [
            &b"GET /ws?a=%E4%BD%A0 HTTP/1.1\r\nX: \xe4\r\n"[..],
            b"\x16\x03\x01\xff\n",
            b"\xe4\xbd\xa0\n",
            b"get /\xe4 HTTP/1.1\n",
        ] {
            let mut line = RequestLine::default();
            assert_eq!(line.encode(came), None);
            assert!(line.is_over());
        }
        let mut line = RequestLine::default();
        assert_eq!(line.encode(b""), None);
        assert_eq!(line.encode(b"GET /"), None);
        assert!(!line.is_over());
    }
}
