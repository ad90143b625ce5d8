//! An event stream (HTML, 9.2) as bytes: its headers, its events, and one that is over at once.

use actix_web::http::header::{self, HeaderName};
use bytes::BytesMut;

use crate::{
    close::Close,
    codec::Opcode,
    publication::{Compression, Framing, frame_message},
};

/// What an event stream says of itself.
pub(super) const STREAM_HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/event-stream"),
    (header::CACHE_CONTROL, "no-cache, no-transform"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

/// All of a stream that is over at once.
pub(super) fn over(retry_ms: u64, close: &Close) -> BytesMut {
    let mut body = BytesMut::from(format!("retry: {retry_ms}\n").as_bytes());
    close_event(&mut body, close);
    body
}

/// The event that says how a stream ends.
pub(super) fn close_event(chunk: &mut BytesMut, close: &Close) {
    let said = serde_json::json!({ "code": close.code, "reason": close.reason });
    chunk.extend_from_slice(b"event: close\n");
    event(chunk, None, said.to_string().as_bytes());
}

/// The fields of an event behind its name.
pub(super) fn event(chunk: &mut BytesMut, id: Option<&str>, data: &[u8]) {
    const PLAIN: &Compression = &Compression {
        min_bytes: usize::MAX,
        level: 1,
    };
    if let Some(id) = id {
        chunk.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    chunk.extend_from_slice(&frame_message(Framing::Event, Opcode::Text, data, PLAIN));
}
