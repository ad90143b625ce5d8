//! The HTTP service of a worker: actix-http with its deadlines, our upgrade service, and around the
//! App what says when a connection is pending and when it is being answered.
//!
//! A connection is pending until the body of its request is there, then it is being answered until
//! the answer is there, or, where the answer is a stream, until that has ended.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_http::{
    ConnectionType, HttpService, KeepAlive, Payload, Request, Response, StatusCode,
    body::{BodySize, BoxBody, MessageBody},
    error::{DispatchError, PayloadError},
};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, map_config,
};
use actix_web::dev::AppConfig;
use bytes::Bytes;
use futures_core::Stream;

use super::{
    handover::UpgradeFactory,
    http_stream::HttpStream,
    listener::Door,
    pending::{Answering, PendingConnection, RequestBody},
    request_turn::RequestTurn,
    socket_options::SocketOptions,
    worker::OpenedSocket,
};
use crate::connection::info::TransportKind;

/// The service of a worker. `make_app` is called twice: once for ordinary requests, once for those
/// that may be upgraded.
pub(crate) fn http_service<A, I, S>(
    options: SocketOptions,
    make_app: A,
) -> impl ServiceFactory<
    OpenedSocket,
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
    Service: 'static,
>
where
    A: Fn() -> I,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, InitError = ()> + 'static,
    S::Future: 'static,
    S::Service: 'static,
    S::Error: Into<actix_web::Error>,
    S::Response: Into<Response<BoxBody>>,
    <S::Service as Service<Request>>::Future: 'static,
{
    let app = || counted(map_config(make_app(), |(): ()| AppConfig::default()));
    let upgrade = UpgradeFactory::new(app(), options.close_timeout);
    HttpService::build()
        .keep_alive(KeepAlive::Timeout(options.keep_alive))
        .client_request_timeout(options.request_timeout)
        .client_disconnect_timeout(options.close_timeout)
        // A long-poll whose client has gone must end now, not when it would have answered.
        .h1_allow_half_closed(false)
        .on_connect_ext(|stream: &HttpStream, data: &mut actix_http::Extensions| {
            data.insert::<Door>(stream.door());
            data.insert::<TransportKind>(stream.transport());
            data.insert::<Rc<PendingConnection>>(stream.place().clone());
            data.insert::<Rc<RequestTurn>>(stream.turn().clone());
        })
        .upgrade(upgrade)
        .finish::<_, BoxBody>(app())
}

/// The App, which says of each connection when a request of it is being answered.
fn counted<F>(
    app: F,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Response<BoxBody>,
    Error = Response<BoxBody>,
    InitError = (),
    Service: Service<Request, Future: 'static>,
    Future: 'static,
>
where
    F: ServiceFactory<Request, Config = (), InitError = ()> + 'static,
    F::Service: 'static,
    F::Future: 'static,
    F::Error: Into<actix_web::Error>,
    F::Response: Into<Response<BoxBody>>,
    <F::Service as Service<Request>>::Future: 'static,
{
    let app = app.map_err(|error: F::Error| {
        let error: actix_web::Error = error.into();
        Response::<BoxBody>::from(error)
    });
    apply_fn_factory(app, |mut request: Request, app: &_| {
        let connection = ConnectionData::of(&request);
        let is_last = request.head().connection_type() == ConnectionType::Close;
        let answer = match &connection {
            Some(connection) if connection.place.has_said_close() => Err(connection.place.clone()),
            _ => {
                let answering = begin(&mut request, connection.as_ref());
                Ok((Service::call(app, request), answering))
            }
        };
        async move {
            let (answer, answering) = match answer {
                Ok(begun) => begun,
                Err(place) => match hang_up(&place).await {},
            };
            let response = match answer.await {
                Ok(response) => response.into(),
                Err(response) => response,
            };
            if let Some(connection) = connection {
                connection.settle(&response, is_last).await;
            }
            Ok(finish(response, answering))
        }
    })
}

/// What the requests of one connection share.
struct ConnectionData {
    place: Rc<PendingConnection>,
    turn: Rc<RequestTurn>,
}

impl ConnectionData {
    /// That of a request; absent in a test without one.
    fn of(request: &Request) -> Option<Self> {
        Some(Self {
            place: request.conn_data::<Rc<PendingConnection>>()?.clone(),
            turn: request.conn_data::<Rc<RequestTurn>>()?.clone(),
        })
    }

    /// Behind the work for an answer: whether another may follow (RFC 9112 §9.6), and when.
    async fn settle(&self, response: &Response<BoxBody>, is_last: bool) {
        if is_last || response.head().connection_type() == ConnectionType::Close {
            self.place.say_close();
        }
        self.turn.spend(1);
        self.turn.rest_if_spent().await;
    }
}

/// After how many polls a connection that is hung up is dropped where it stands. It ends by itself
/// at the second, unless so much came behind the last answer that actix-http no longer reads.
const HANG_UP_POLLS: u32 = 8;

/// Ends a connection that brings a request behind the last answer: actix-http would answer it, and
/// keep the connection open against its own word. The answer that came before is written first.
async fn hang_up(place: &PendingConnection) -> Infallible {
    let mut polls = 0;
    poll_fn(|cx| {
        place.end_input();
        polls += 1;
        if polls < HANG_UP_POLLS {
            // It is to read the end.
            cx.waker().wake_by_ref();
        } else {
            place.drop_connection();
        }
        Poll::Pending
    })
    .await
}

/// Notes that a route has a request, and when its body will be there.
fn begin(request: &mut Request, connection: Option<&ConnectionData>) -> Option<Answering> {
    let place = &connection?.place;
    if request.head().connection_type() != ConnectionType::KeepAlive {
        place.set_ending();
    }
    let (answering, mut body) = Answering::begin(place);
    if !matches!(request.payload(), Payload::None) {
        body.set_whole(false);
        let payload = CountedPayload {
            payload: request.take_payload(),
            body: Some(body),
        };
        *request.payload() = Payload::Stream {
            payload: Box::pin(payload),
        };
    }
    Some(answering)
}

/// Notes what becomes of a connection with this answer.
fn finish(response: Response<BoxBody>, answering: Option<Answering>) -> Response<BoxBody> {
    let Some(answering) = answering else {
        return response;
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        answering.place().become_session();
        return response;
    }
    if !response.head().keep_alive() {
        answering.place().set_ending();
    }
    match response.body().size() {
        BodySize::Stream => {
            answering.place().be_served();
            response.map_body(|_, body| {
                BoxBody::new(CountedBody {
                    body,
                    _answering: answering,
                })
            })
        }
        _ => response,
    }
}

/// The body of a request, which ends its time as a pending connection when it is there.
struct CountedPayload {
    payload: Payload,
    body: Option<RequestBody>,
}

impl Stream for CountedPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.payload).poll_next(cx);
        if let Some(body) = &mut self.body {
            match &next {
                Poll::Ready(Some(Ok(chunk))) => body.came(chunk.len()),
                Poll::Ready(_) => {}
                Poll::Pending => body.wait(),
            }
        }
        if let Poll::Ready(None | Some(Err(_))) = next
            && let Some(mut body) = self.body.take()
        {
            body.set_whole(matches!(next, Poll::Ready(None)));
        }
        next
    }
}

/// A streamed answer; with it ends the answering of its request.
struct CountedBody {
    body: BoxBody,
    _answering: Answering,
}

impl MessageBody for CountedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
