//! Refusals of a browser's `EventSource`. It ends for good at any answer but 200 (HTML, 9.2.3),
//! also at one that says to come again, and comes again by itself when a stream is over. So
//! whatever has `Retry-After` becomes a stream that is over, with `retry` and without an `id`, so
//! that it keeps the one that it has. Everyone else gets the refusal as it is.
//!
//! An `EventSource` is known by `Accept: text/event-stream`, on the paths of streams that it goes
//! on with by itself. `/connection/sse` is none: its clients speak a protocol and come again when
//! refused.

use actix_web::{
    HttpRequest,
    body::{BoxBody, MessageBody as _},
    dev::ServiceResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
    web::Data,
};

use super::event_stream::{self, STREAM_HEADERS};
use crate::{close::Close, id::SessionId, node::Node};

/// What a browser's `EventSource` opens.
const PATHS: [&str; 2] = ["/sse", "/connection/uni_sse"];
/// However soon the refusal says: there is no count of attempts by which a browser waits longer.
const RETRY_SECS_MIN: u32 = 2;
/// Longest reason that it is told; the log has all of it.
const REASON_BYTES_MAX: usize = 300;

/// An answer as its client comes back from it.
pub(super) fn or_come_back(answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let Some(seconds) = retry_after(&answer).filter(|_| is_event_source(answer.request())) else {
        return answer;
    };
    let (request, response) = answer.into_parts();
    // Registered with every App by `configure`.
    let node = request.app_data::<Data<Node>>();
    let is_ending = node.is_some_and(|node| node.refuses_sessions());
    let (mut response, words) = response.into_parts();
    let words = words.try_into_bytes().unwrap_or_default();
    let close = if is_ending {
        Close::RESTART
    } else {
        Close::TRY_AGAIN
    };
    let close = close.with_reason(said(&words));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.remove(header::RETRY_AFTER);
    for (name, value) in STREAM_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Not all of them at once.
    let times = 1.0 + SessionId::random().fraction();
    let retry_ms = times * 1000.0 * f64::from(seconds.max(RETRY_SECS_MIN));
    let body = event_stream::over(retry_ms as u64, &close).freeze();
    ServiceResponse::new(request, response.set_body(BoxBody::new(body)))
}

/// After how many seconds the client is to come again, if it is.
fn retry_after(answer: &ServiceResponse<BoxBody>) -> Option<u32> {
    let value = answer.headers().get(header::RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok()
}

fn is_event_source(request: &HttpRequest) -> bool {
    let accepts = request.headers().get(header::ACCEPT);
    request.method() == Method::GET
        && PATHS.contains(&request.path())
        && accepts.is_some_and(|value| value == "text/event-stream")
}

fn said(words: &[u8]) -> String {
    let words = &words[..words.len().min(REASON_BYTES_MAX)];
    String::from_utf8_lossy(words).trim().to_string()
}
