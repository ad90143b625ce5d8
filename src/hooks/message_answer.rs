//! What the `message` hook of raw endpoints takes and gives: the message itself, without any
//! envelope.
//!
//! Pure. Any endpoint that reads a body and answers one can serve it. Bounds: an answer has at most
//! [`MESSAGES_MAX`] messages in at most [`ANSWER_BYTES_MAX`](crate::http_client::ANSWER_BYTES_MAX)
//! bytes.

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::value::RawValue;

use super::{
    envelope::{GZIP, is_gzip, without_mark},
    failure::{CallFault, HookFailure},
};
use crate::{http_client::HttpResponse, publication::Payload};

/// Most messages in one answer.
const MESSAGES_MAX: usize = 4096;

/// `Content-Type` of a message on its way to the backend.
pub(super) fn content_type(payload: &Payload) -> &'static str {
    match payload {
        Payload::Text(_) => "text/plain; charset=utf-8",
        Payload::Binary(_) => "application/octet-stream",
    }
}

/// The body of a message on its way to the backend.
pub(super) fn body(payload: Payload) -> Bytes {
    match payload {
        Payload::Text(text) => text.into_bytes(),
        Payload::Binary(bytes) => bytes,
    }
}

/// What goes back to the sender, in order.
///
/// # Errors
/// What is wrong with the answer and where.
pub(super) fn messages(reply: HttpResponse) -> Result<Vec<Payload>, CallFault> {
    if reply.body.is_empty() {
        return Ok(Vec::new());
    }
    if reply.is_json() {
        if is_gzip(&reply.body) {
            return Err(CallFault::malformed(GZIP));
        }
        let raw: &RawValue =
            serde_json::from_slice(without_mark(&reply.body)).map_err(malformed)?;
        if raw.get().starts_with('[') {
            return list(raw);
        }
    }
    if reply.is_text()
        && let Ok(text) = ByteString::try_from(reply.body.clone())
    {
        return Ok(vec![Payload::Text(text)]);
    }
    if reply.media_type().starts_with("text/") {
        // A WebSocket text message must be UTF-8, and nobody asked for binary.
        return Err(CallFault::malformed("a text that is no UTF-8"));
    }
    Ok(vec![Payload::Binary(reply.body)])
}

/// The entries of a JSON list; a JSON text becomes what it says, everything else its JSON.
fn list(raw: &RawValue) -> Result<Vec<Payload>, CallFault> {
    let entries: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(malformed)?;
    if entries.len() > MESSAGES_MAX {
        return Err(HookFailure::TOO_LARGE.into());
    }
    let text = |entry: &RawValue| {
        let text = if entry.get().starts_with('"') {
            serde_json::from_str::<String>(entry.get()).map_err(malformed)?
        } else {
            entry.get().to_string()
        };
        Ok(Payload::Text(text.into()))
    };
    entries.into_iter().map(text).collect()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the form that map_err asks for"
)]
fn malformed(error: serde_json::Error) -> CallFault {
    CallFault::malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(content_type: &str, body: &'static [u8]) -> Result<Vec<Payload>, HookFailure> {
        let messages = messages(HttpResponse {
            status: 200,
            content_type: content_type.into(),
            etag: None,
            body: Bytes::from_static(body),
        });
        messages.map_err(|fault| fault.failure)
    }

    fn texts(texts: &[&str]) -> Result<Vec<Payload>, HookFailure> {
        let text = |text: &&str| Payload::Text((*text).into());
        Ok(texts.iter().map(text).collect())
    }

    #[test]
    fn text_is_one_message_and_nothing_is_none() {
        assert_eq!(answers("text/plain", b"hi\n[1]"), texts(&["hi\n[1]"]));
        assert_eq!(answers("", b"[1]"), texts(&["[1]"]));
        assert_eq!(answers("text/plain", b""), texts(&[]));
        assert_eq!(answers("application/json", b""), texts(&[]));
    }

    #[test]
    fn a_json_list_is_several_in_order() {
        let body = br#" ["a\u0000\"b", {"x": [1]}, 7, null, ["y"]] "#;
        assert_eq!(
            answers("application/json; charset=utf-8", body),
            texts(&["a\0\"b", r#"{"x": [1]}"#, "7", "null", r#"["y"]"#])
        );
        assert_eq!(answers("application/json", b"[]"), texts(&[]));
        let marked = b"\xef\xbb\xbf[1]";
        assert_eq!(answers("application/json", marked), texts(&["1"]));
    }

    #[test]
    fn other_json_is_one_message_as_it_came() {
        assert_eq!(answers("application/json", b"{ }"), texts(&["{ }"]));
        assert_eq!(
            answers("application/problem+json", b"\"a\""),
            texts(&["\"a\""])
        );
    }

    #[test]
    fn bytes_are_one_binary_message() {
        let binary = |bytes: &'static [u8]| Ok(vec![Payload::Binary(Bytes::from_static(bytes))]);
        assert_eq!(answers("application/octet-stream", b"hi"), binary(b"hi"));
        assert_eq!(answers("", b"\xff"), binary(b"\xff"));
    }

    #[test]
    fn what_says_one_thing_and_is_another_is_malformed() {
        let malformed = Err(HookFailure::MALFORMED);
        assert_eq!(answers("application/json", b"[1,"), malformed);
        assert_eq!(answers("application/json", b"\xff"), malformed);
        assert_eq!(answers("text/plain", b"\xff"), malformed);
    }

    #[test]
    fn a_list_without_end_is_refused() {
        let body = format!("[{}0]", "0,".repeat(MESSAGES_MAX));
        let reply = HttpResponse {
            status: 200,
            content_type: "application/json".into(),
            etag: None,
            body: body.into(),
        };
        let failure = messages(reply).map_err(|fault| fault.failure);
        assert_eq!(failure, Err(HookFailure::TOO_LARGE));
    }
}
