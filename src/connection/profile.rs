//! How one kind of session speaks: the form of its publications, what its pings are, and how it
//! says good-bye.

use bytes::Bytes;

use crate::{
    close::Close,
    codec::{self, Opcode},
    connection::outbox::FrameKind,
    heartbeat::HeartbeatConfig,
    protocol::{self, Encoding, Push},
    publication::{Compression, Framing, PayloadFormat, WireFormat, frame_message},
};

/// What asks a client for life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pings {
    /// A WebSocket ping (RFC 6455 §5.5.2), with a text `{}` before it where the client asked for
    /// that.
    Control {
        /// `?heartbeat=1`.
        text: bool,
    },
    /// The protocol's own ping; answered where the connection goes both ways.
    Protocol {
        /// Whether an answer is expected.
        answered: bool,
    },
    /// A comment line of an event stream, which nobody answers.
    Comment,
    /// None: the connection is short.
    None,
}

/// How a session speaks.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionProfile {
    /// The form of its publications.
    pub form: WireFormat,
    /// What asks it for life.
    pub pings: Pings,
}

impl ConnectionProfile {
    /// A raw WebSocket session.
    #[must_use]
    pub(crate) fn raw(window_bits: Option<u8>, envelope: bool, text: bool) -> Self {
        let mut form = WireFormat::raw(window_bits.unwrap_or(0));
        if envelope {
            form.body = PayloadFormat::Envelope;
        }
        Self {
            form,
            pings: Pings::Control { text },
        }
    }

    /// A plain event stream, kept alive by comment lines, or a poll without them.
    #[must_use]
    pub(crate) fn stream(envelope: bool, comments: bool) -> Self {
        let body = match envelope {
            true => PayloadFormat::Envelope,
            false => PayloadFormat::Raw,
        };
        Self {
            form: WireFormat {
                body,
                framing: Framing::None,
            },
            pings: match comments {
                true => Pings::Comment,
                false => Pings::None,
            },
        }
    }

    /// Whether messages that wait leave in one frame, and what stands between them there: the
    /// client protocol allows several messages a frame (protocol page, part 1), raw clients get
    /// a frame a message.
    #[must_use]
    pub(super) fn separator(&self) -> Option<&'static [u8]> {
        match (self.form.body, self.form.framing) {
            (
                PayloadFormat::Client {
                    encoding: Encoding::Json,
                    ..
                },
                Framing::WebSocket { .. },
            ) => Some(b"\n"),
            (PayloadFormat::Client { .. }, Framing::WebSocket { .. }) => Some(b""),
            _ => None,
        }
    }

    /// Whether anything is to come back after a ping.
    #[must_use]
    pub(super) fn expects_life(&self) -> bool {
        matches!(
            self.pings,
            Pings::Control { .. } | Pings::Protocol { answered: true }
        )
    }

    /// When to ping: comment lines have an interval of their own, since some proxies cut streams
    /// after 30 s of silence.
    #[must_use]
    pub(super) fn heartbeat(&self, config: HeartbeatConfig) -> HeartbeatConfig {
        match self.pings {
            Pings::Comment => HeartbeatConfig {
                ping_interval: COMMENT_INTERVAL.min(config.ping_interval),
                ..config
            },
            _ => config,
        }
    }

    /// The frames of a ping, the one that counts last.
    pub(super) fn ping(&self, mut push: impl FnMut(Bytes, FrameKind)) {
        match self.pings {
            Pings::Control { text } => {
                if text {
                    push(codec::encode(Opcode::Text, b"{}"), FrameKind::Reply);
                }
                push(codec::encode(Opcode::Ping, b""), FrameKind::Ping);
            }
            Pings::Protocol { .. } => {
                if let PayloadFormat::Client { encoding, .. } = self.form.body {
                    push(
                        self.frame_own(protocol::ping(encoding), NEVER_DEFLATED),
                        FrameKind::Ping,
                    );
                }
            }
            Pings::Comment => push(Bytes::from_static(b":\n\n"), FrameKind::Ping),
            Pings::None => {}
        }
    }

    /// One message of the client protocol in this session's framing.
    #[must_use]
    pub(crate) fn frame_own(&self, message: &[u8], compression: &Compression) -> Bytes {
        match self.form.body {
            PayloadFormat::Client {
                encoding: Encoding::Protobuf,
                ..
            } => {
                let mut delimited = Vec::with_capacity(message.len() + 3);
                protocol::append_message(Encoding::Protobuf, message, &mut delimited);
                frame_message(self.form.framing, Opcode::Binary, &delimited, compression)
            }
            _ => frame_message(self.form.framing, Opcode::Text, message, compression),
        }
    }

    /// A close in the codes that this kind of session knows: the client protocol has 3001 where
    /// WebSocket has 1012 (protocol page, part 9).
    #[must_use]
    pub(super) fn translate_close(&self, close: Close) -> Close {
        match self.form.body {
            PayloadFormat::Client { .. } if close == Close::RESTART => Close::SHUTDOWN,
            _ => close,
        }
    }

    /// Whether a close goes without a Close frame: in the client protocol 3000 stands for a
    /// connection that is gone, as the client tells itself where it finds one so.
    #[must_use]
    pub(super) fn is_silent(&self, close: &Close) -> bool {
        let is_client = matches!(self.form.body, PayloadFormat::Client { .. });
        is_client && close.code == Close::CONNECTION_CLOSED.code
    }

    /// What stands where a WebSocket has its Close frame.
    #[must_use]
    pub(super) fn close_message(&self, close: &Close) -> Bytes {
        match (self.form.body, self.form.framing) {
            (_, Framing::WebSocket { .. }) => codec::encode_close(close.code, &close.reason),
            (
                PayloadFormat::Client {
                    encoding,
                    unidirectional,
                    ..
                },
                _,
            ) => {
                let mut message = Vec::new();
                let push = Push::Disconnect {
                    code: close.code.into(),
                    reason: &close.reason,
                };
                protocol::encode_push(encoding, unidirectional, "", &push, &mut message);
                self.frame_own(&message, NEVER_DEFLATED)
            }
            (_, Framing::Event) => {
                let text = serde_json::json!({ "code": close.code, "reason": close.reason });
                format!("event: close\ndata: {text}\n\n").into()
            }
            _ => Bytes::new(),
        }
    }
}

/// From one comment line to the next.
const COMMENT_INTERVAL: std::time::Duration = std::time::Duration::from_secs(15);

/// For messages that are too short to gain.
const NEVER_DEFLATED: &Compression = &Compression {
    min_bytes: usize::MAX,
    level: 1,
};
