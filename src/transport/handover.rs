//! The hand-over: an actix-http `upgrade` service that calls the ordinary `App` and, on 101, takes
//! the socket out of HTTP and gives it to the closure that the handler left in the response.
//!
//! From then on nothing of HTTP stays alive: the dispatcher and its buffers are dropped. Any other
//! answer is written as usual, and the connection is closed so that the client can read it: our
//! direction is shut first, then input is discarded until the client is gone or `close.timeout` has
//! passed.

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
    body::{BodySize, BoxBody, MessageBody},
    h1,
};
use actix_service::{Service, ServiceFactory};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::http_stream::HttpStream;
use crate::connection::socket::Socket;

/// What to do with the socket once 101 is out; left in the response's extensions by the handler.
/// The second argument holds bytes that came behind the request.
pub struct HandOver(RefCell<Option<Taker>>);

type Taker = Box<dyn FnOnce(Socket, BytesMut)>;

impl HandOver {
    /// Wraps the closure.
    pub(crate) fn new(take: impl FnOnce(Socket, BytesMut) + 'static) -> Self {
        Self(RefCell::new(Some(Box::new(take))))
    }
}

/// Marks a request whose connection can be handed over; handlers answer 101 to no other.
#[derive(Clone, Copy, Debug)]
pub struct Upgradable;

/// Makes the upgrade service from the factory of the App.
pub struct UpgradeFactory<F> {
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
pub struct UpgradeService<S> {
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

    fn call(&self, (request, framed): (Request, Framed<HttpStream, h1::Codec>)) -> Self::Future {
        request.extensions_mut().insert(Upgradable);
        let answer = self.app.call(request);
        let close_timeout = self.close_timeout;
        Box::pin(async move {
            let response = match answer.await {
                Ok(response) => response.into(),
                Err(error) => error.into(),
            };
            // A peer that resets during the answer has said all there is to say.
            let _ = respond(response, framed, close_timeout).await;
            Ok(())
        })
    }
}

/// Writes the answer; on 101 the socket goes to whoever the handler left in it.
async fn respond(
    mut response: Response<BoxBody>,
    framed: Framed<HttpStream, h1::Codec>,
    close_timeout: Duration,
) -> std::io::Result<()> {
    let parts = framed.into_parts();
    let (mut io, mut codec, read_buf) = (parts.io, parts.codec, parts.read_buf);
    // Answers to requests that came before this one on the same connection and are not sent yet.
    let mut head = parts.write_buf;
    let take = response
        .extensions_mut()
        .remove::<HandOver>()
        .and_then(|hand_over| hand_over.0.into_inner());
    if let Some(take) = take
        && response.status() == StatusCode::SWITCHING_PROTOCOLS
    {
        let (response, _) = response.into_parts();
        codec.encode(h1::Message::Item((response, BodySize::None)), &mut head)?;
        io.write_all(&head).await?;
        io.flush().await?;
        // A copy of what is there, most often nothing: the dispatcher's buffer has room for 8 KiB,
        // and the session would keep it for life.
        take(io.into_socket(), BytesMut::from(&read_buf[..]));
        return Ok(());
    }
    response
        .head_mut()
        .set_connection_type(ConnectionType::Close);
    let (response, body) = response.into_parts();
    codec.encode(h1::Message::Item((response, body.size())), &mut head)?;
    io.write_all(&head).await?;
    if !body.size().is_eof() {
        write_body(body, &mut io, &mut codec).await?;
    }
    linger(io, close_timeout).await
}

async fn write_body(
    body: BoxBody,
    io: &mut HttpStream,
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
    let discard = async {
        let mut scratch = [0; 1024];
        while io.read(&mut scratch).await? > 0 {}
        Ok(())
    };
    tokio::time::timeout(close_timeout, discard)
        .await
        .unwrap_or(Ok(()))
}
