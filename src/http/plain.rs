//! What `/sse`, `/poll` and `/send` have in common: who asks, which channels they get, and what
//! they are told where they may not. Everything is settled before a session begins, so that a
//! refusal is a status that a page can see.

use std::{net::IpAddr, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{ConnectionType, Method, StatusCode, Version, header},
    web,
};
use bytes::Bytes;

use super::{
    access,
    body::{self, BodyLimit},
    refused, request,
};
use crate::{
    broker::BrokerError,
    close::{Close, Ending},
    connection::info::TransportKind,
    node::{
        Node,
        auth::{self, AuthError},
    },
    session::{
        channel_request, connect_info::ConnectInfo, handshake::Refusal, query::Query,
        stream::StreamParams,
    },
};

/// Seconds after which who found no room is to come again.
const RETRY_AFTER_SECS: &str = "1";

/// A refusal on its way out.
pub(super) type ErrorResponse = Box<HttpResponse>;

/// A short answer in words.
#[must_use]
pub(super) fn plain_text(status: u16, text: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    match status {
        // RFC 9110 §11.6.1.
        StatusCode::UNAUTHORIZED => {
            answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            answer.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECS));
        }
        _ => {}
    }
    answer
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/plain; charset=utf-8")
        .body(format!("{text}\n"))
}

/// A body without an end in HTTP/1.0, as nginx asks for it unless told otherwise: there are no
/// chunks (RFC 9112 §6.1), and the end of the connection is the end of the body.
pub(super) fn without_chunking(request: &HttpRequest, answer: &mut HttpResponse) {
    if request.version() < Version::HTTP_11 {
        let head = answer.head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
}

/// The answer in place of a close.
#[must_use]
pub(super) fn close_response(close: &Close) -> HttpResponse {
    plain_text(auth::status_of(close), &close.reason)
}

/// The answer to who is nobody that may come in, or may not do what it asks for; the log says why.
pub(super) fn turn_away(error: &AuthError) -> ErrorResponse {
    let mut answer = plain_text(error.status(), &error.text());
    refused::because(&mut answer, error);
    Box::new(answer)
}

/// What a client asks for, in its address and, by POST, in a form: names grow threefold in an
/// address.
///
/// # Errors
/// 400, and 415, 413 and 408 for a body that is no form.
pub(super) async fn query(
    request: &HttpRequest,
    node: &Node,
    body: web::Payload,
) -> Result<Query, ErrorResponse> {
    let form = match *request.method() {
        Method::POST => form(request, node, body).await?,
        _ => Bytes::new(),
    };
    query_of(request, node, &form)
}

/// What the address says, and a form beside it.
///
/// # Errors
/// 400.
pub(super) fn query_of(
    request: &HttpRequest,
    node: &Node,
    form: &[u8],
) -> Result<Query, ErrorResponse> {
    let query = request::query(request, node, form);
    query.map_err(|error| Box::new(request::refuse(request, node, &error.into())))
}

/// A body that is a form, or none.
async fn form(
    request: &HttpRequest,
    node: &Node,
    body: web::Payload,
) -> Result<Bytes, ErrorResponse> {
    let limit = node.settings.limits.message_bytes;
    let body = self::body(request, body, limit, "limits.message_bytes").await?;
    if body.is_empty() || body::is_form(request) {
        return Ok(body);
    }
    let text = "the query stands in the address or comes as application/x-www-form-urlencoded";
    Err(Box::new(plain_text(415, text)))
}

/// Takes a place under the limits.
///
/// # Errors
/// 429 or 503.
pub(super) fn connect_info(
    request: &HttpRequest,
    node: &Node,
    endpoint: &str,
    transport: TransportKind,
) -> Result<ConnectInfo, ErrorResponse> {
    let opened = if node.refuses_sessions() {
        Err(Refusal::Draining)
    } else {
        request::connect_info(request, node, Arc::from(endpoint), transport)
    };
    opened.map_err(|refusal| Box::new(request::refuse(request, node, &refusal)))
}

/// Settles everything about a session that listens.
///
/// # Errors
/// 400 without a channel, 401 without an identity, 403 for a channel that it may not have, 404 for
/// one that is unknown, 429 and 503 where there is no room.
pub(super) async fn prepare(
    request: &HttpRequest,
    node: &Node,
    query: &Query,
    endpoint: &str,
    transport: TransportKind,
) -> Result<StreamParams, ErrorResponse> {
    let connect_info = connect_info(request, node, endpoint, transport)?;
    let token = request::token_in(request.headers(), query.token.as_deref());
    let refuse = |error: AuthError| turn_away(&error);
    let asked = access::of_request(&connect_info, token.as_deref(), query);
    let authorized = node.authorize_request(asked).await.map_err(refuse)?;
    // A poll is answered without a session, which would look at it again.
    let confirmed = authorized.confirm().map_err(refuse)?;
    if confirmed.granted.is_empty() {
        let text = "name at least one channel: ?channel=…";
        return Err(Box::new(plain_text(400, text)));
    }
    let admitted = confirmed.admit().map_err(refuse)?;
    Ok(StreamParams {
        connect_info,
        admitted: admitted.map(|granted| channel_request::channel_requests(granted, query, true)),
        envelope: query.envelope,
        comments: transport == TransportKind::PlainSse,
    })
}

/// How long the body of a client's request may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The whole body of a client's request, up to a bound that `setting` names.
///
/// # Errors
/// 413 beyond the bound, 408 when it does not come in time, 400 when it breaks off.
pub(super) async fn body(
    request: &HttpRequest,
    payload: web::Payload,
    bytes: usize,
    setting: &'static str,
) -> Result<Bytes, ErrorResponse> {
    let limit = BodyLimit {
        bytes,
        setting,
        timeout: BODY_TIMEOUT,
    };
    let body = body::read(request, payload, limit).await;
    body.map_err(|error| Box::new(plain_text(error.status(), &error.to_string())))
}

/// The answer to who was to be told what it missed: why its session ended meanwhile, or that the
/// history cannot be read.
pub(super) fn unrecovered(ending: Option<Ending>) -> ErrorResponse {
    Box::new(match ending {
        Some(Ending::ByServer(close)) => close_response(&close),
        _ => plain_text(503, "the history cannot be read, try again"),
    })
}

/// The answer to a publication that the broker did not take: 503, or 429 where the sender has had
/// its share. A doubtful one is not to be repeated by itself.
pub(super) fn unpublished(error: BrokerError) -> ErrorResponse {
    let status = match error {
        BrokerError::TooManyKeys => 429,
        _ => 503,
    };
    let mut answer = plain_text(status, &error.to_string());
    if !error.is_harmless() {
        answer.headers_mut().remove(header::RETRY_AFTER);
    }
    Box::new(answer)
}

/// The methods of what is only read.
const READING: (header::HeaderName, &str) = (header::ALLOW, "GET, HEAD, OPTIONS");

/// 200 for a probe that asks whether a route is there.
pub(super) async fn options() -> HttpResponse {
    HttpResponse::Ok().insert_header(READING).finish()
}

/// 405 for what is only read.
pub(super) async fn only_get() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header(READING)
        .content_type("text/plain; charset=utf-8")
        .body("only GET is answered here\n")
}

/// Takes a message from its user's rate, or from its address's where it has no user.
pub(super) fn charge(
    node: &Node,
    identity: &auth::Identity,
    address: Option<IpAddr>,
) -> Result<(), ErrorResponse> {
    if node.charge_sender(&identity.user, address) {
        return Ok(());
    }
    let whose = if identity.user.is_empty() {
        "address"
    } else {
        "user"
    };
    let text = format!("too many requests: too many messages a second of this {whose}");
    Err(Box::new(plain_text(429, &text)))
}
