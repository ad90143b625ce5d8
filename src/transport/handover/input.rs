//! What a client sends while the answer to its upgrade request is made: the body of the request,
//! which the handler reads, and what comes behind it, which the session gets.
//!
//! actix-http gives a request with `Upgrade: websocket` no body, whatever its `Content-Length`
//! says, and no longer looks at its socket. Owned by the upgrade service. Bounds: one chunk waits
//! for the handler, and at most [`AHEAD_BYTES_MAX`] are read behind the request.

use std::{
    future::pending,
    pin::Pin,
    task::{Context, Poll},
};

use actix_http::{HttpMessage as _, Payload, Request, error::PayloadError, header};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    sync::mpsc,
};

/// Bytes that one read has room for.
const READ_BYTES: usize = 8 << 10;

/// Bytes that are taken from a client before its handshake is answered, which it is to wait for
/// (RFC 6455 §4.1). What is beyond waits in the system, and its end is not seen.
const AHEAD_BYTES_MAX: usize = 64 << 10;

/// See the module.
pub(super) struct HandoverInput {
    body_left: u64,
    /// To the handler; absent once the body is whole, or there is none.
    body: Option<mpsc::Sender<Bytes>>,
    read_buf: BytesMut,
}

impl HandoverInput {
    /// The input behind a request's head; gives the request its body.
    pub(super) fn of(request: &mut Request, read_buf: BytesMut) -> Self {
        // actix-http has refused a length that is no number, and several. Chunked bodies never
        // come here, since it takes their requests for ordinary ones.
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok());
        let body_left = length.and_then(|length| length.trim().parse().ok());
        let mut input = Self {
            body_left: body_left.unwrap_or(0),
            body: None,
            read_buf,
        };
        if input.body_left > 0 {
            let (sender, chunks) = mpsc::channel(1);
            input.body = Some(sender);
            let body = RequestPayload {
                chunks,
                is_whole: false,
                bytes_left: input.body_left,
            };
            *request.payload() = Payload::Stream {
                payload: Box::pin(body),
            };
        }
        input
    }

    /// Whether the request has a body.
    pub(super) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Feeds the handler until the client has gone. Loses nothing when it is dropped.
    pub(super) async fn until_gone(&mut self, io: &mut (impl AsyncRead + Unpin)) {
        loop {
            self.feed().await;
            if self.read_buf.len() >= AHEAD_BYTES_MAX {
                return pending().await;
            }
            self.read_buf.reserve(READ_BYTES);
            if matches!(io.read_buf(&mut self.read_buf).await, Ok(0) | Err(_)) {
                return;
            }
        }
    }

    /// Gives the handler what is there of the body; what it does not want is discarded.
    async fn feed(&mut self) {
        while self.body_left > 0 && !self.read_buf.is_empty() {
            let room = match &self.body {
                Some(body) => body.reserve().await.ok(),
                None => None,
            };
            let length = usize::try_from(self.body_left).unwrap_or(usize::MAX);
            let length = length.min(self.read_buf.len());
            let chunk = self.read_buf.split_to(length).freeze();
            self.body_left -= length as u64;
            if let Some(room) = room {
                room.send(chunk);
            }
        }
        if self.body_left == 0 {
            self.body = None;
        }
    }

    /// What came behind the request.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.read_buf
    }
}

/// The body as the handler reads it; one that ends early is an error.
struct RequestPayload {
    chunks: mpsc::Receiver<Bytes>,
    bytes_left: u64,
    is_whole: bool,
}

impl Stream for RequestPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.is_whole {
            return Poll::Ready(None);
        }
        let chunk = std::task::ready!(this.chunks.poll_recv(cx));
        let length = chunk.as_ref().map_or(0, Bytes::len) as u64;
        this.bytes_left = this.bytes_left.saturating_sub(length);
        this.is_whole = chunk.is_none() || this.bytes_left == 0;
        Poll::Ready(Some(chunk.ok_or(PayloadError::Incomplete(None))))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn request(length: &str) -> Request {
        let mut request = Request::new();
        let value = header::HeaderValue::from_str(length).expect("a value");
        let headers = &mut request.head_mut().headers;
        headers.insert(header::CONTENT_LENGTH, value);
        request
    }

    async fn next(request: &mut Request) -> Option<Result<Bytes, PayloadError>> {
        let mut payload = request.take_payload();
        let chunk = poll_fn(|cx| Pin::new(&mut payload).poll_next(cx)).await;
        *request.payload() = payload;
        chunk
    }

    /// The body of a POST with `Upgrade: websocket` was thrown away. Here it reaches the handler to
    /// its last byte, and what comes behind it stays for the session.
    #[tokio::test]
    async fn a_body_is_told_from_what_comes_behind_it() {
        let mut request = request("6");
        let mut input = HandoverInput::of(&mut request, BytesMut::from("abc"));
        assert!(input.has_body());
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        theirs.write_all(b"defgh").await.expect("sent");
        drop(theirs);
        let handler = async {
            let mut body = Vec::new();
            while let Some(chunk) = next(&mut request).await {
                body.extend_from_slice(&chunk.expect("whole"));
            }
            body
        };
        let (body, ()) = tokio::join!(handler, input.until_gone(&mut ours));
        assert_eq!(body, b"abcdef");
        assert_eq!(input.ahead(), b"gh");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error_and_one_that_nobody_reads_is_discarded() {
        let mut broken = request("6");
        let mut input = HandoverInput::of(&mut broken, BytesMut::from("abc"));
        input.until_gone(&mut tokio::io::empty()).await;
        drop(input);
        assert!(next(&mut broken).await.is_some_and(|chunk| chunk.is_ok()));
        assert!(next(&mut broken).await.is_some_and(|chunk| chunk.is_err()));

        let mut unread = request("4");
        let mut input = HandoverInput::of(&mut unread, BytesMut::from("abcdefg"));
        drop(unread);
        input.until_gone(&mut tokio::io::empty()).await;
        assert_eq!(input.ahead(), b"efg");
    }
}
