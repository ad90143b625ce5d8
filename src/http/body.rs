//! Bodies of requests: read whole, up to a bound and in time, so that nobody holds a connection
//! with half of one; and what kind of message they are.

use std::{future::poll_fn, pin::Pin, rc::Rc, time::Duration};

use actix_web::{HttpRequest, http::header, web};
use bytes::Bytes;
use futures_core::Stream as _;

use crate::{publication::Payload, transport::pending::PendingConnection};

/// How much of a body is read, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimit {
    /// Bytes at most.
    pub(super) bytes: usize,
    /// The setting that says so, for the answer.
    pub(super) setting: &'static str,
    /// How long the body may take to come.
    pub(super) timeout: Duration,
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// It is larger than it may be.
    #[error("the body has more than {bytes} bytes ({setting})")]
    TooLarge { bytes: usize, setting: &'static str },
    /// Its client went, or its chunks are none.
    #[error("the body broke off")]
    BrokeOff,
    /// It is compressed, which no route takes.
    #[error("the body is encoded as {0} (Content-Encoding); send it as it is")]
    Encoded(&'static str),
    /// It did not come in time.
    #[error("no whole body in {} s", .0.as_secs())]
    Late(Duration),
}

impl BodyError {
    /// The status of the answer.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::BrokeOff => 400,
            Self::Encoded(_) => 415,
            Self::Late(_) => 408,
        }
    }
}

/// Has the bytes of a request's body not counted while they come, since whoever sends it has shown
/// a key.
pub(super) fn vouch_for(request: &HttpRequest) {
    if let Some(connection) = request.conn_data::<Rc<PendingConnection>>() {
        connection.vouch_for_body();
    }
}

/// The whole body of a request.
///
/// # Errors
/// [`BodyError`]: it is encoded, larger than the limit, broke off, or did not come in time.
pub(super) async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    limit: BodyLimit,
) -> Result<Bytes, BodyError> {
    let BodyLimit {
        bytes,
        setting,
        timeout,
    } = limit;
    if let Some(encoding) = encoding(request) {
        return Err(BodyError::Encoded(encoding));
    }
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes as u64) {
        return Err(BodyError::TooLarge { bytes, setting });
    }
    match tokio::time::timeout(timeout, gather(payload, limit)).await {
        Ok(body) => body,
        Err(_) => Err(BodyError::Late(timeout)),
    }
}

/// The Content-Encoding of a body that is not sent as it is: one of the registered names (RFC 9110,
/// section 8.4.1).
fn encoding(request: &HttpRequest) -> Option<&'static str> {
    let value = request.headers().get(header::CONTENT_ENCODING)?.as_bytes();
    let value = value.trim_ascii();
    if value.is_empty() || value.eq_ignore_ascii_case(b"identity") {
        return None;
    }
    let known = ["gzip", "x-gzip", "deflate", "br", "zstd", "compress"];
    let named = known
        .into_iter()
        .find(|name| value.eq_ignore_ascii_case(name.as_bytes()));
    Some(named.unwrap_or("something unknown"))
}

/// What is wrong with what should be JSON, where it is known from its first bytes: it is compressed
/// and no Content-Encoding says so (RFC 1952, section 2.3.1).
pub(super) fn known_fault(body: &[u8]) -> Option<&'static str> {
    let is_gzip = body.starts_with(&[0x1f, 0x8b]);
    is_gzip.then_some("the body is compressed by gzip; send it as it is")
}

/// A body of JSON without the byte order mark that some editors and shells put before it.
pub(super) fn without_mark(body: &Bytes) -> Bytes {
    match body.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => body.slice_ref(rest),
        None => body.clone(),
    }
}

/// The chunks in one allocation of their size, since a history may keep it: neither a part of a
/// buffer that they were read into nor what room was left.
async fn gather(mut chunks: web::Payload, limit: BodyLimit) -> Result<Bytes, BodyError> {
    let BodyLimit { bytes, setting, .. } = limit;
    let mut body = Vec::new();
    while let Some(chunk) = poll_fn(|task| Pin::new(&mut chunks).poll_next(task)).await {
        let chunk = chunk.map_err(|_| BodyError::BrokeOff)?;
        if body.len() + chunk.len() > bytes {
            return Err(BodyError::TooLarge { bytes, setting });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into_boxed_slice().into())
}

/// Whether the sender says that its body is bytes.
pub(super) fn is_binary(request: &HttpRequest) -> bool {
    is_of(request, b"application/octet-stream")
}

/// Whether the sender says that its body is a form.
pub(super) fn is_form(request: &HttpRequest) -> bool {
    is_of(request, b"application/x-www-form-urlencoded")
}

/// A body as a message: bytes where the sender says so or where it is no text, else text.
pub(super) fn payload(request: &HttpRequest, body: Bytes) -> Payload {
    match is_binary(request) {
        true => Payload::Binary(body),
        false => Payload::guess(body),
    }
}

/// Whether the Content-Type is this one, whatever parameters it has.
fn is_of(request: &HttpRequest, media_type: &[u8]) -> bool {
    let Some(content_type) = request.headers().get(header::CONTENT_TYPE) else {
        return false;
    };
    let mut parts = content_type.as_bytes().split(|&byte| byte == b';');
    let said = parts.next().unwrap_or_default().trim_ascii();
    said.eq_ignore_ascii_case(media_type)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_content_type_and_the_bytes_decide_between_text_and_binary() {
        let is_text = |content_type: &str, body: &'static [u8]| {
            let request = TestRequest::post().insert_header(("content-type", content_type));
            let payload = payload(&request.to_http_request(), Bytes::from_static(body));
            matches!(payload, Payload::Text(_))
        };
        for content_type in [
            "",
            "text/plain; charset=utf-8",
            "application/json",
            "application/x-www-form-urlencoded",
        ] {
            assert!(is_text(content_type, b"hi"), "{content_type:?}");
            assert!(!is_text(content_type, &[0xff]), "{content_type:?}");
        }
        assert!(!is_text("Application/Octet-Stream; x=y", b"hi"));
    }
}
