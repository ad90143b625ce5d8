//! What a process does with requests that need the state on disk before it has read that: they are
//! held at the [`Gate`](crate::node::gate::Gate) as they came, no byte of a body read, and go on
//! when it opens. A layer around all routes that need it, and the first step of the API; those of
//! people and probes stand outside.
//!
//! Whoever is not held any longer is answered with 503, or with error 100 by the API, which both
//! say to come again. A handshake is answered with 503 too, as in a drain: clients come again by
//! themselves, and one that was accepted only to be closed would count as a session.
//!
//! The process that has handed its state over takes no command of the API and no message by `/send`
//! any more: the other one would not know of it. Its sessions are sent there by their end.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web::Data,
};

use super::{cors, plain, request};
use crate::node::Node;

/// Bytes of a body that are read ahead of whoever wants it: actix-http stops behind 32 KiB, and one
/// read before that may bring as much as its buffer takes.
const BODY_BYTES_MAX: usize = 128 << 10;
/// What a header is charged beside its name and value.
const HEADER_BYTES: usize = 32;

/// Passes a request on when what it needs is there. Around all routes that need it but the API's,
/// which asks for itself.
pub(super) async fn hold(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // Registered with every App by `configure`.
    if let Some(node) = request.app_data::<Data<Node>>().cloned() {
        let is_order = request.path() == "/send";
        if let Err(why) = until_open(request.request(), &node, is_order).await {
            let answer = refuse(request.request(), &node, &why);
            return Ok(request.into_response(answer));
        }
    }
    next.call(request).await
}

/// Waits until what a request needs is there; an order is nothing for a process that has handed its
/// state over.
///
/// # Errors
/// Why it cannot be carried out now, in words for whoever asks.
pub(super) async fn until_open(
    request: &HttpRequest,
    node: &Node,
    is_order: bool,
) -> Result<(), String> {
    if is_order && node.is_handed_over() {
        return Err("another process has taken over; come again".to_string());
    }
    if node.gate.is_open() {
        return Ok(());
    }
    let passed = node.gate.pass(bytes_of(request)).await;
    passed.map_err(|not_passed| not_passed.to_string())
}

/// What a request holds while it waits: its head, and what is read of its body.
fn bytes_of(request: &HttpRequest) -> usize {
    let headers = request.headers();
    let lengths = headers.iter();
    let lengths = lengths.map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES);
    let head = request.uri().to_string().len() + lengths.sum::<usize>();
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok());
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let body = announced.unwrap_or(if is_chunked { BODY_BYTES_MAX } else { 0 });
    head + body.min(BODY_BYTES_MAX)
}

fn refuse(request: &HttpRequest, node: &Node, why: &str) -> HttpResponse {
    let mut answer = plain::plain_text(503, why);
    if request::check_client_origin(request, node).is_ok() {
        // Else a page could not tell this answer from a network that is gone.
        cors::add_headers(request, node, answer.headers_mut());
    }
    answer
}
