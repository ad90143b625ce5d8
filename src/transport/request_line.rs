//! A request line made one that actix-http takes: it answers a target with bytes that belong
//! percent-encoded, such as `/ws?name=你 好`, with a 400 that says nothing, and some clients encode
//! nothing. Here those bytes are encoded on their way in, once; a blank too, unless the version
//! stands behind it.
//!
//! Pure but for the reading. Bounds: at most three times what one read has room for waits here, and
//! a few bytes more. It changes nothing behind the line: who knows that another one begins makes a
//! new one, and what is in a body is not ours.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use memchr::memchr;
use tokio::io::{AsyncRead, ReadBuf};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct RequestLine {
    phase: LinePhase,
    /// How much of [`VERSION`] came last, and is kept back until it is certain what it is.
    held: usize,
    /// Encoded bytes that there was no room for.
    waiting: BytesMut,
}

/// What stands behind the target.
const VERSION: &[u8] = b" HTTP/1.";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LinePhase {
    /// Nothing came yet.
    #[default]
    New,
    /// The method.
    Method,
    /// What is asked for.
    Target,
    /// What stands behind it.
    Version,
    /// It is over, or there never was one.
    Over,
}

impl RequestLine {
    /// Whether everything from here on passes as it comes.
    pub(super) fn is_over(&self) -> bool {
        self.phase == LinePhase::Over && self.waiting.is_empty()
    }

    /// Reads from the socket.
    pub(super) fn poll_read(
        &mut self,
        mut socket: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.waiting.is_empty() {
            let before = buf.filled().len();
            ready!(socket.as_mut().poll_read(cx, buf))?;
            let came = &buf.filled()[before..];
            let is_end = came.is_empty();
            let Some(encoded) = self.encode(came) else {
                return Poll::Ready(Ok(()));
            };
            buf.set_filled(before);
            self.waiting = encoded;
            if is_end {
                break;
            }
        }
        let length = self.waiting.len().min(buf.remaining());
        buf.put_slice(&self.waiting.split_to(length));
        Poll::Ready(Ok(()))
    }

    /// What came, with what stands of the line in it encoded; `None` where it may stay as it is.
    fn encode(&mut self, came: &[u8]) -> Option<BytesMut> {
        if self.phase == LinePhase::New && !came.is_empty() {
            // A method, or something else than HTTP, which is left for others to see.
            let is_method = came[0].is_ascii_uppercase();
            self.phase = if is_method {
                LinePhase::Method
            } else {
                LinePhase::Over
            };
        }
        if matches!(self.phase, LinePhase::New | LinePhase::Over) {
            return None;
        }
        let end = memchr(b'\n', came);
        let (line, rest) = came.split_at(end.unwrap_or(came.len()));
        // Most often it is there whole, and as it must be.
        if self.phase == LinePhase::Method && end.is_some() && is_plain(line) {
            self.phase = LinePhase::Over;
            return None;
        }
        let mut encoded = BytesMut::with_capacity(line.len() * 3 + VERSION.len() + rest.len());
        for byte in line.iter().copied() {
            self.put(byte, &mut encoded);
        }
        if end.is_some() || came.is_empty() {
            self.phase = LinePhase::Over;
            encoded.extend_from_slice(&VERSION[..std::mem::take(&mut self.held)]);
        }
        encoded.extend_from_slice(rest);
        (encoded != came).then_some(encoded)
    }

    /// Takes a byte of the line, and puts out what is certain.
    fn put(&mut self, byte: u8, encoded: &mut BytesMut) {
        match self.phase {
            LinePhase::Method if byte == b' ' => self.phase = LinePhase::Target,
            LinePhase::Target => return self.put_of_target(byte, encoded),
            _ => {}
        }
        encoded.extend_from_slice(&[byte]);
    }

    fn put_of_target(&mut self, byte: u8, encoded: &mut BytesMut) {
        if byte == VERSION[self.held] {
            self.held += 1;
            if self.held == VERSION.len() {
                self.held = 0;
                self.phase = LinePhase::Version;
                encoded.extend_from_slice(VERSION);
            }
            return;
        }
        if let Some((_, letters)) = VERSION[..std::mem::take(&mut self.held)].split_first() {
            encoded.extend_from_slice(b"%20");
            encoded.extend_from_slice(letters);
        }
        match byte {
            b' ' => self.held = 1,
            byte if may_stay(byte) => encoded.extend_from_slice(&[byte]),
            byte => encoded.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
}

/// Whether a whole line has three parts in which nothing is to be encoded.
fn is_plain(line: &[u8]) -> bool {
    let mut blanks = 0;
    for &byte in line {
        match byte {
            b' ' => blanks += 1,
            byte if may_stay(byte) => {}
            _ => return false,
        }
    }
    blanks == 2
}

/// Whether a byte may stand in a target as it is; the end of a line has a carriage return.
const fn may_stay(byte: u8) -> bool {
    match byte {
        b'"' | b'<' | b'>' | b'^' | b'`' => false,
        b'\r' => true,
        byte => byte.is_ascii_graphic(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// Each read gives one piece.
    struct Pieces<'a>(std::slice::Iter<'a, &'a [u8]>);

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buf.put_slice(self.0.next().copied().unwrap_or_default());
            Poll::Ready(Ok(()))
        }
    }

    struct Source<'a> {
        line: RequestLine,
        pieces: Pieces<'a>,
    }

    impl AsyncRead for Source<'_> {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let this = self.get_mut();
            this.line.poll_read(Pin::new(&mut this.pieces), cx, buf)
        }
    }

    /// What a reader with little room gets of these pieces.
    async fn read(pieces: &[&[u8]]) -> String {
        let mut source = Source {
            line: RequestLine::default(),
            pieces: Pieces(pieces.iter()),
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
        let line = "GET /直?a=\"你\"& b= HTTP\tc  HTTP/1.1\r\n".as_bytes();
        let encoded = "GET /%E7%9B%B4?a=%22%E4%BD%A0%22&%20b=%20HTTP%09c%20 HTTP/1.1\r\n";
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
