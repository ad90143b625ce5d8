//! Whether a connection stays open behind an answer (RFC 9112 §9.3), where actix-http would not say.
//!
//! It takes a request with `Connection: Upgrade` for the last of its connection and answers with
//! `connection: upgrade`, which promises nothing: a proxy that keeps connections sends the next
//! request there and meets the end. Here every such answer but a 101 says `close`.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{ConnectionType, StatusCode},
    middleware::Next,
};

/// Passes a request on; its answer says what becomes of the connection.
pub(crate) async fn settle<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let asks_for_upgrade = request.head().connection_type() == ConnectionType::Upgrade;
    let mut answer = next.call(request).await?;
    if asks_for_upgrade && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let head = answer.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(answer)
}
