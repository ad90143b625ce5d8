//! `POST /api/channels/{channel}`: the body is the message, for shells and for what has no JSON.
//!
//! Text where the content type or the bytes say so, else binary. Bound: `api.body_bytes`. Errors
//! have their statuses here, since a shell looks at nothing else.

use std::borrow::Cow;

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use bytes::Bytes;
use percent_encoding::percent_decode_str;

use super::{answer, call::ApiCall, message, request::InChannel};
use crate::{channel_name::ChannelNameError, http::body};

/// Answers it: 200, or 202 when nobody on this node listened.
pub(super) async fn publish(call: &ApiCall<'_>, body: Bytes) -> HttpResponse {
    let request = call.request;
    let idempotency_key = match request
        .headers()
        .get("idempotency-key")
        .map(header::HeaderValue::to_str)
    {
        None => None,
        Some(Ok(key)) => Some(key),
        Some(Err(_)) => {
            let error = answer::bad_request("bad request: Idempotency-Key is no ASCII".to_string());
            return answer::with_status(request, StatusCode::BAD_REQUEST, &error);
        }
    };
    let payload = body::payload(request, body);
    let channel = match channel_of(request.uri().path()) {
        Ok(channel) => channel,
        Err(error) => {
            return answer::with_status(request, StatusCode::BAD_REQUEST, &error.into());
        }
    };
    call.tell(
        "publish",
        &InChannel {
            channel: channel.to_string(),
        },
    );
    match message::publish_raw(call, &channel, payload, idempotency_key).await {
        Ok((receipt, delivered)) => {
            let status = if delivered > 0 {
                StatusCode::OK
            } else {
                StatusCode::ACCEPTED
            };
            HttpResponse::build(status)
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .json(receipt)
        }
        Err(error) => answer::with_status(request, answer::status_of(&error), &error),
    }
}

/// The channel, which is all of the path behind `/api/channels/`. The framework's own reading makes
/// one sign of all bytes that are no text, so that different bytes would be one channel.
fn channel_of(path: &str) -> Result<Cow<'_, str>, ChannelNameError> {
    let name = path.splitn(4, '/').nth(3).unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8();
    name.map_err(|_| ChannelNameError::NotUtf8)
}
