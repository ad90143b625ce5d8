//! `POST /send`: for those who have no WebSocket. With `path`, what a message on that raw endpoint
//! would do ([`on_endpoint`]); without, a publish under `allow.publish` ([`publish`]).
//!
//! A request is no session: it hears nothing, and everyone else hears it. Bounds:
//! `limits.message_bytes` for the message, one place under `limits.sessions` for as long as it
//! takes, and the rate of its user.

mod on_endpoint;
mod publish;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use bytes::Bytes;

use super::{HttpState, body, cors, plain};
use crate::node::Node;

/// Answers a message.
pub(super) async fn send(
    request: HttpRequest,
    node: web::Data<Node>,
    http: web::Data<HttpState>,
    body: web::Payload,
) -> HttpResponse {
    let work = async {
        let answer = receive(&request, &node, &http, body).await;
        answer.unwrap_or_else(|answer| *answer)
    };
    cors::with_cors(&request, &node, &[Method::POST], work).await
}

async fn receive(
    request: &HttpRequest,
    node: &Arc<Node>,
    http: &HttpState,
    body: web::Payload,
) -> Result<HttpResponse, plain::ErrorResponse> {
    let query = plain::query_of(request, node, &[])?;
    let payload = body::payload(request, read(request, node, body).await?);
    match &query.path {
        Some(path) => {
            let Some(endpoint) = http.endpoint(path) else {
                return Err(Box::new(plain::plain_text(
                    404,
                    "no raw endpoint has this path",
                )));
            };
            on_endpoint::message(request, node, endpoint, &query, payload).await
        }
        None => publish::publish(request, node, &query, payload).await,
    }
}

/// Reads a body up to the bound of a message.
async fn read(
    request: &HttpRequest,
    node: &Node,
    body: web::Payload,
) -> Result<Bytes, plain::ErrorResponse> {
    let limit = node.settings.limits.message_bytes;
    plain::body(request, body, limit, "limits.message_bytes").await
}
