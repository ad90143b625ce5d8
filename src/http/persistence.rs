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
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, StatusCode,
        header::{HeaderValue, RETRY_AFTER},
    },
    middleware::Next,
    web::Data,
};

use crate::node::{Node, phase::Phase};

/// Passes a request on; its answer says what becomes of the connection.
pub(crate) async fn settle<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let asks_for_upgrade = request.head().connection_type() == ConnectionType::Upgrade;
    let mut answer = next.call(request).await?;
    let status = answer.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(answer);
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
    Ok(answer)
}
