//! Whether a connection stays open behind an answer (RFC 9112 §9.3), and when to come again.
//!
//! A node that takes no sessions any more, or hands over, lets no connection stay: the next request
//! is another node's. Where that is the process that takes over from this one, it is there already,
//! and who is refused need not wait.
//!
//! actix-http takes a request with `Connection: Upgrade` for the last of its connection, and
//! answers with `connection: upgrade`, which promises nothing: a proxy that keeps connections sends
//! the next request there and meets the end. Here every such answer but a 101 says `close`.

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, StatusCode,
        header::{HeaderValue, RETRY_AFTER},
    },
    web::Data,
};

use crate::node::{Node, phase::Phase};

/// Whether a request is one that actix-http takes for the last of its connection.
pub(super) fn asks_for_upgrade(request: &ServiceRequest) -> bool {
    request.head().connection_type() == ConnectionType::Upgrade
}

/// Has an answer say what becomes of the connection.
pub(super) fn settle<B: MessageBody>(answer: &mut ServiceResponse<B>, asks_for_upgrade: bool) {
    let status = answer.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    let node = answer.request().app_data::<Data<Node>>();
    let phase = node.map_or(Phase::Running, |node| node.phase());
    let head = answer.response_mut().head_mut();
    if asks_for_upgrade || phase >= Phase::HandingOver {
        head.set_connection_type(ConnectionType::Close);
    }
    let is_served_elsewhere = matches!(phase, Phase::HandingOver | Phase::HandedOver);
    if is_served_elsewhere && status == StatusCode::SERVICE_UNAVAILABLE {
        head.headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("0"));
    }
}
