//! The hand-over: an actix-http `upgrade` service that calls the ordinary `App` and, on 101, takes
//! the socket out of HTTP and gives it to the closure that the handler left in the response. The
//! head of the 101 goes along unwritten: who sees it is in all tables already, and gets what
//! another client sends right behind it.
//!
//! From then on nothing of HTTP stays alive: the dispatcher and its buffers are dropped. Any other
//! answer is written as usual, and the connection is closed so that the client can read it: our
//! direction is shut first, then input is discarded until the client is gone or `close.timeout` has
//! passed. A client that goes before it is answered, or while a body without an end is written,
//! ends the work for it at once, as actix-http does for ordinary requests.

mod input;

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_codec::{Encoder, Framed};
use actix_http::{
    ConnectionType, HttpMessage, Request, Response, StatusCode,
    body::{BoxBody, MessageBody},
    h1,
    header::{self, HeaderMap},
};
use actix_service::{Service, ServiceFactory};
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use self::input::HandoverInput;
use super::http_stream::HttpStream;
use crate::connection::socket::Upgraded;

/// What to do with the connection on a 101; left in the response's extensions by the handler.
pub(crate) struct HandOver(RefCell<Option<Taker>>);

type Taker = Box<dyn FnOnce(Upgraded)>;

impl HandOver {
    /// Wraps the closure.
    pub(crate) fn new(take: impl FnOnce(Upgraded) + 'static) -> Self {
        Self(RefCell::new(Some(Box::new(take))))
    }
}

/// Marks a request whose connection can be handed over; handlers answer 101 to no other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upgradable;

/// Makes the upgrade service from the factory of the App.
pub(crate) struct UpgradeFactory<F> {
    app: F,
    close_timeout: Duration,
}

impl<F> UpgradeFactory<F> {
    /// `app` is called for each upgrade request; `close_timeout` bounds the wait after a refusal.
    pub(crate) fn new(app: F, close_timeout: Duration) -> Self {
        Self { app, close_timeout }
    }
}

type LocalFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>>>>;

impl<F, S> ServiceFactory<(Request, Framed<HttpStream, h1::Codec>)> for UpgradeFactory<F>
where
    F: ServiceFactory<Request, Config = (), Service = S, InitError = ()>,
    F::Future: 'static,
    S: Service<Request> + 'static,
    S::Response: Into<Response<BoxBody>>,
    S::Error: Into<Response<BoxBody>>,
    S::Future: 'static,
{
    type Response = ();
    type Error = actix_http::Error;
    type Config = ();
    type Service = UpgradeService<S>;
    type InitError = ();
    type Future = LocalFuture<Self::Service, ()>;

    fn new_service(&self, (): ()) -> Self::Future {
        let app = self.app.new_service(());
        let close_timeout = self.close_timeout;
        Box::pin(async move {
            Ok(UpgradeService {
                app: Rc::new(app.await?),
                close_timeout,
            })
        })
    }
}

/// The upgrade service of one worker.
pub(crate) struct UpgradeService<S> {
    app: Rc<S>,
    close_timeout: Duration,
}

impl<S> Service<(Request, Framed<HttpStream, h1::Codec>)> for UpgradeService<S>
where
    S: Service<Request> + 'static,
    S::Response: Into<Response<BoxBody>>,
    S::Error: Into<Response<BoxBody>>,
    S::Future: 'static,
{
    type Response = ();
    type Error = actix_http::Error;
    type Future = LocalFuture<(), actix_http::Error>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // An App is always ready; its failures are answers.
        Poll::Ready(Ok(()))
    }

    fn call(
        &self,
        (mut request, framed): (Request, Framed<HttpStream, h1::Codec>),
    ) -> Self::Future {
        let parts = framed.into_parts();
        let mut exchange = Exchange {
            io: parts.io,
            codec: parts.codec,
            expects_continue: request.head().expect(),
            input: HandoverInput::of(&mut request, parts.read_buf),
            close_timeout: self.close_timeout,
        };
        request.extensions_mut().insert(Upgradable);
        let answer = self.app.call(request);
        Box::pin(async move {
            let answer = async move {
                match answer.await {
                    Ok(response) => response.into(),
                    Err(error) => error.into(),
                }
            };
            // A peer that resets during the answer has said all there is to say.
            if let Ok(Some(response)) = exchange.wait(&parts.write_buf, answer).await {
                let _ = exchange.respond(response).await;
            }
            Ok(())
        })
    }
}

/// One upgrade request and its answer.
struct Exchange {
    io: HttpStream,
    codec: h1::Codec,
    expects_continue: bool,
    input: HandoverInput,
    close_timeout: Duration,
}

impl Exchange {
    /// Waits for the answer; `None` when the client has gone, for whom nothing is to go on. `owed`
    /// are answers to requests that came before on the same connection.
    async fn wait(
        &mut self,
        owed: &[u8],
        answer: impl Future<Output = Response<BoxBody>>,
    ) -> std::io::Result<Option<Response<BoxBody>>> {
        self.io.write_all(owed).await?;
        if self.expects_continue && self.input.has_body() {
            self.io.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        self.io.flush().await?;
        tokio::select! {
            biased;
            response = answer => Ok(Some(response)),
            () = self.input.until_gone(&mut self.io) => Ok(None),
        }
    }

    /// Writes the answer; on 101 the socket goes to whoever the handler left in it.
    async fn respond(mut self, mut response: Response<BoxBody>) -> std::io::Result<()> {
        let take = response
            .extensions_mut()
            .remove::<HandOver>()
            .and_then(|hand_over| hand_over.0.into_inner());
        if let Some(take) = take
            && response.status() == StatusCode::SWITCHING_PROTOCOLS
        {
            take(Upgraded {
                head: switching_protocols(response.headers()).into(),
                socket: self.io.into_socket(),
                // A copy of what is there, most often nothing: the dispatcher's buffer has room for
                // 8 KiB, and the session would keep it for life.
                read_buf: BytesMut::from(self.input.ahead()),
            });
            return Ok(());
        }
        let (mut reader, mut writer) = tokio::io::split(self.io);
        tokio::select! {
            biased;
            written = write_answer(response, &mut writer, &mut self.codec) => written?,
            // Nobody reads it.
            _ = discard(&mut reader) => return Ok(()),
        }
        linger(reader.unsplit(writer), self.close_timeout).await
    }
}

/// The head of a 101, its names written as RFC 6455 does: parsers on small devices compare them
/// byte for byte.
fn switching_protocols(headers: &HeaderMap) -> Vec<u8> {
    const FIRST: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
        Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let mut head = FIRST.to_vec();
    for (name, value) in headers {
        if [header::UPGRADE, header::CONNECTION].contains(name) {
            continue;
        }
        push_name(&mut head, name.as_str());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// `sec-websocket-accept` as `Sec-WebSocket-Accept`.
fn push_name(head: &mut Vec<u8>, name: &str) {
    for (index, word) in name.split('-').enumerate() {
        if index > 0 {
            head.push(b'-');
        }
        match (word, word.split_at_checked(1)) {
            ("websocket", _) => head.extend_from_slice(b"WebSocket"),
            (_, Some((first, rest))) => {
                head.extend_from_slice(first.to_ascii_uppercase().as_bytes());
                head.extend_from_slice(rest.as_bytes());
            }
            _ => {}
        }
    }
}

/// Writes an answer that is no 101, with the word that the connection ends behind it.
async fn write_answer(
    mut response: Response<BoxBody>,
    io: &mut (impl AsyncWrite + Unpin),
    codec: &mut h1::Codec,
) -> std::io::Result<()> {
    response
        .head_mut()
        .set_connection_type(ConnectionType::Close);
    let (response, body) = response.into_parts();
    let mut head = BytesMut::new();
    codec.encode(h1::Message::Item((response, body.size())), &mut head)?;
    io.write_all(&head).await?;
    if !body.size().is_eof() {
        write_body(body, io, codec).await?;
    }
    Ok(())
}

async fn write_body(
    body: BoxBody,
    io: &mut (impl AsyncWrite + Unpin),
    codec: &mut h1::Codec,
) -> std::io::Result<()> {
    let mut body = pin!(body);
    loop {
        let chunk = poll_fn(|cx| body.as_mut().poll_next(cx)).await;
        let last = chunk.is_none();
        let chunk = chunk
            .transpose()
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        let mut wire = BytesMut::new();
        codec.encode(h1::Message::Chunk(chunk), &mut wire)?;
        io.write_all(&wire).await?;
        io.flush().await?;
        if last {
            return Ok(());
        }
    }
}

/// Shuts our direction and discards input, so that a reset does not overtake the answer.
async fn linger(mut io: HttpStream, close_timeout: Duration) -> std::io::Result<()> {
    io.shutdown().await?;
    tokio::time::timeout(close_timeout, discard(&mut io))
        .await
        .unwrap_or(Ok(()))
}

/// Reads until the client has gone.
async fn discard(io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut scratch = [0; 1024];
    while io.read(&mut scratch).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names came in lower case, at which parsers of small devices fail (esp-idf).
    #[test]
    fn the_head_of_a_101_is_written_as_the_rfc_does() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("x-node", "n1"),
        ] {
            headers.insert(
                header::HeaderName::from_static(name),
                header::HeaderValue::from_static(value),
            );
        }
        let head = String::from_utf8(switching_protocols(&headers)).expect("text");
        let mut lines: Vec<&str> = head.split("\r\n").collect();
        assert_eq!(lines[0], "HTTP/1.1 101 Switching Protocols");
        lines[1..].sort_unstable();
        assert_eq!(
            lines[1..],
            [
                "",
                "",
                "Connection: Upgrade",
                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                "Upgrade: websocket",
                "X-Node: n1"
            ]
        );
    }
}
