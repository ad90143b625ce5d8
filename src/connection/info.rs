//! Who is at the other end of a session, and how much passed: written once, shared by `Arc` between
//! the session, the directory and the routes that list sessions. Texts from the peer are cut to a
//! bound.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{id::SessionId, metrics::Count, protocol::Encoding};

/// Longest text of a peer's that is kept (user agent), in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 256;

/// How a session is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// WebSocket over plain TCP.
    WebSocket,
    /// WebSocket over TLS that ends here.
    WebSocketTls,
    /// WebSocket over a unix socket.
    WebSocketUnix,
    /// The client protocol as a streamed HTTP answer.
    HttpStream,
    /// The client protocol as server-sent events.
    Sse,
    /// One way, over WebSocket.
    UniWebSocket,
    /// One way, as server-sent events.
    UniSse,
    /// One way, as a streamed HTTP answer.
    UniHttpStream,
    /// Plain server-sent events.
    PlainSse,
    /// A long poll that waits.
    Poll,
    /// A message that came by a request of its own.
    Send,
}

impl TransportKind {
    /// The name shown in status and logs.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::WebSocketTls => "websocket+tls",
            Self::WebSocketUnix => "websocket+unix",
            Self::HttpStream => "http_stream",
            Self::Sse => "sse",
            Self::UniWebSocket => "uni_websocket",
            Self::UniSse => "uni_sse",
            Self::UniHttpStream => "uni_http_stream",
            Self::PlainSse => "plain_sse",
            Self::Poll => "poll",
            Self::Send => "send",
        }
    }

    /// Whether its frames are the body of an HTTP answer.
    #[must_use]
    pub(crate) fn is_streamed(self) -> bool {
        match self {
            Self::HttpStream
            | Self::Sse
            | Self::UniSse
            | Self::UniHttpStream
            | Self::PlainSse
            | Self::Poll
            | Self::Send => true,
            Self::WebSocket | Self::WebSocketTls | Self::WebSocketUnix | Self::UniWebSocket => {
                false
            }
        }
    }

    /// The name that hooks and events are told (protocol page, part 14).
    #[must_use]
    pub(crate) fn hook_name(self) -> &'static str {
        match self {
            Self::WebSocket | Self::WebSocketTls | Self::WebSocketUnix => "websocket",
            other => other.as_str(),
        }
    }
}

/// Messages and bytes both ways; each has one writer, the session's thread.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Data messages received.
    pub messages_in: Count,
    /// Data messages written.
    pub messages_out: Count,
    /// Bytes received.
    pub(crate) bytes_in: Count,
    /// Bytes written.
    pub(crate) bytes_out: Count,
}

/// What a client's request said of it, for those who look at the session.
#[derive(Clone, Debug, Default)]
pub struct RequestWords {
    /// The chosen subprotocol.
    pub(crate) subprotocol: Option<Box<str>>,
    /// The `User-Agent` header, cut to [`TEXT_BYTES_MAX`].
    pub(crate) user_agent: Option<Box<str>>,
    /// Headers of its request that the log shows, cut to [`TEXT_BYTES_MAX`].
    pub(crate) logged_headers: Option<Box<str>>,
}

impl RequestWords {
    /// Boxed, unless there are none.
    #[must_use]
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        let is_any = self.subprotocol.is_some()
            || self.user_agent.is_some()
            || self.logged_headers.is_some();
        is_any.then(|| Box::new(self))
    }
}

impl SessionInfo {
    /// The chosen subprotocol.
    #[must_use]
    pub(crate) fn subprotocol(&self) -> Option<&str> {
        self.words.as_ref()?.subprotocol.as_deref()
    }

    /// The `User-Agent` header, cut.
    #[must_use]
    pub(crate) fn user_agent(&self) -> Option<&str> {
        self.words.as_ref()?.user_agent.as_deref()
    }

    /// Headers of its request that the log shows, cut.
    #[must_use]
    pub(crate) fn logged_headers(&self) -> Option<&str> {
        self.words.as_ref()?.logged_headers.as_deref()
    }

    /// How its messages are written, where it speaks the client protocol: `json` or `protobuf`.
    #[must_use]
    pub(crate) fn protocol(&self) -> Option<&'static str> {
        self.protocol.map(Encoding::name)
    }

    /// When it began, by the calendar.
    #[must_use]
    pub(crate) fn since(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.since_ms)
    }

    /// Who it is; absent while that is not known, and for anonymous sessions.
    #[must_use]
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.get().map(|user| &**user)
    }
}

/// One session, as others see it.
#[derive(Debug)]
pub struct SessionInfo {
    /// The session's id.
    pub id: SessionId,
    /// Who it is, where that is known.
    pub user: OnceLock<Box<str>>,
    /// The client's address, as resolved through trusted proxies; absent on a unix socket without
    /// a proxy.
    pub address: Option<IpAddr>,
    /// Path of the endpoint.
    pub endpoint: Arc<str>,
    /// How its messages are written, where it speaks the client protocol.
    pub protocol: Option<Encoding>,
    /// What its request said of it; absent where that is nothing.
    pub words: Option<Box<RequestWords>>,
    /// How it is carried.
    pub transport: TransportKind,
    /// Number of the worker that carries it.
    pub worker: u32,
    /// When it began, by the calendar: milliseconds of Unix time.
    pub since_ms: u64,
    /// When it began, for durations.
    pub started: Instant,
    /// What passed so far.
    pub traffic: Traffic,
}

/// Cuts a text at a character boundary so that it has at most `bytes_max` bytes.
#[must_use]
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("你好", 4), "你");
        assert_eq!(cut("你好", 6), "你好");
        assert_eq!(cut("", 0), "");
    }
}
