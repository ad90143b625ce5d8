//! `POST /api/channels/{channel}`: the body is the message, for shells and for what has no JSON.
//!
//! Text where the content type or the bytes say so, else binary. Bound: `api.body_bytes`. Errors have their statuses here, since a
//! shell looks at nothing else.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use bytes::Bytes;

use super::{ApiCall, answer, message, read_body};
use crate::{http::HttpState, node::Node, publication::Payload};

/// Answers it: 200, or 202 when nobody on this node listened.
pub(super) async fn publish(
    request: HttpRequest,
    node: web::Data<Node>,
    http: web::Data<HttpState>,
    channel: web::Path<String>,
    payload: web::Payload,
) -> HttpResponse {
    let key = match http.api.admit(&request) {
        Ok(key) => key,
        Err(denied) => return answer::denied(denied),
    };
    let body = match read_body(&request, &node, payload).await {
        Ok(body) => body,
        Err(response) => return *response,
    };
    let call = ApiCall {
        node: &node,
        http: &http,
        key,
    };
    let idempotency_key = match request
        .headers()
        .get("idempotency-key")
        .map(header::HeaderValue::to_str)
    {
        None => None,
        Some(Ok(key)) => Some(key),
        Some(Err(_)) => {
            let error = answer::bad_request("bad request: Idempotency-Key is no ASCII".to_string());
            return answer::with_status(StatusCode::BAD_REQUEST, error);
        }
    };
    let payload = payload_of(content_type(&request), body);
    match message::publish_raw(&call, &channel, payload, idempotency_key).await {
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
        Err(error) => answer::with_status(answer::status_of(&error), error),
    }
}

fn content_type(request: &HttpRequest) -> &[u8] {
    let value = request.headers().get(header::CONTENT_TYPE);
    value.map_or(&[], |value| value.as_bytes())
}

/// Bytes that are said to be bytes are; anything else is text where it is UTF-8, which is what a text frame needs.
fn payload_of(content_type: &[u8], body: Bytes) -> Payload {
    let essence = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    if essence
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/octet-stream")
    {
        Payload::Binary(body)
    } else {
        Payload::guess(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_and_the_bytes_decide_between_text_and_binary() {
        let text = || Bytes::from_static(b"hi");
        let is_text =
            |content_type: &[u8], body| matches!(payload_of(content_type, body), Payload::Text(_));
        for content_type in [
            &b""[..],
            b"text/plain; charset=utf-8",
            b"application/json",
            b"application/x-www-form-urlencoded",
        ] {
            assert!(is_text(content_type, text()), "{content_type:?}");
            assert!(
                !is_text(content_type, Bytes::from_static(&[0xff])),
                "{content_type:?}"
            );
        }
        assert!(!is_text(b"Application/Octet-Stream; x=y", text()));
    }
}
