//! The Centrifuge client protocol as pure data: frames into commands, replies and pushes into
//! bytes, in JSON and in Protobuf.
//!
//! Used by the sessions that speak it. Nothing here knows a connection, a clock or a channel's
//! rules, and nothing waits. Bounds: the work for a frame is linear in its length and done command
//! by command as the caller asks; nesting deeper than [`DEPTH_MAX`] is refused; no input panics. It
//! must not decide what a command may do, nor quote what a peer sent.
//!
//! Each message is described once, in `encode`, by the names and numbers of its fields; `json` and
//! `protobuf` write them.

mod command;
mod encode;
mod error;
mod json;
mod payload;
mod protobuf;
mod reply;
mod tags;

#[cfg(test)]
mod tests;

use bytes::Bytes;

pub(crate) use self::payload::without_newlines;
pub use self::{
    command::{
        Command, ConnectRequest, EmulationRequest, HistoryRequest, Request, SubscribeRequest,
        WirePosition,
    },
    error::{Malformed, ReplyError},
    payload::{DEPTH_MAX, Data, PayloadRef, clean_json},
    reply::{ClientInfo, ConnectResult, Pub, Push, Reply, SubscribeResult},
    tags::Tags,
};

/// How a session's messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Text; one object a line.
    Json,
    /// Bytes; each message behind its length.
    Protobuf,
}

impl Encoding {
    /// The name for hooks and for whoever looks at sessions.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
        }
    }
}

/// Splits a frame, a POST body or a `cf_connect` value into commands, in order.
///
/// The first fault is the last item: what stood before it was yielded. A frame without any command
/// is a fault.
#[must_use]
pub(crate) fn decode_commands(encoding: Encoding, frame: &Bytes) -> CommandDecoder {
    CommandDecoder {
        encoding,
        frame: frame.clone(),
        at: 0,
        progress: Progress::Empty,
    }
}

/// The commands of one frame; see [`decode_commands`]. It shares the frame's memory until it is
/// dropped; the commands do not.
#[derive(Clone, Debug)]
pub(crate) struct CommandDecoder {
    encoding: Encoding,
    frame: Bytes,
    at: usize,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// No command yet.
    Empty,
    /// A command was read, and more may follow.
    Going,
    /// The frame is used up, or a fault ended it.
    Ended,
}

impl Iterator for CommandDecoder {
    type Item = Result<Command, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.progress == Progress::Ended {
            return None;
        }
        let rest = self.frame.get(self.at..).unwrap_or_default();
        let found = match self.encoding {
            Encoding::Json => json::decode::next_command(rest),
            Encoding::Protobuf => protobuf::decode::next_command(rest),
        };
        match found {
            Ok(Some((command, used))) => {
                self.at += used;
                self.progress = Progress::Going;
                Some(Ok(command))
            }
            Ok(None) => {
                let empty = self.progress == Progress::Empty;
                self.progress = Progress::Ended;
                empty.then_some(Err(Malformed("a frame without a command")))
            }
            Err(fault) => {
                self.progress = Progress::Ended;
                Some(Err(fault))
            }
        }
    }
}

impl std::iter::FusedIterator for CommandDecoder {}

/// A connect request alone, as the unidirectional transports take it. Nothing at all is a request
/// without any field.
///
/// # Errors
/// The bytes are not such a request.
pub(crate) fn connect_request(
    encoding: Encoding,
    bytes: &[u8],
) -> Result<ConnectRequest, Malformed> {
    match encoding {
        Encoding::Json if bytes.trim_ascii().is_empty() => Ok(ConnectRequest::default()),
        Encoding::Json => json::decode::connect_request(bytes),
        Encoding::Protobuf => protobuf::decode::connect_request(bytes),
    }
}

/// The body of a `POST /emulation`.
///
/// # Errors
/// The bytes are not such a body.
pub(crate) fn emulation(encoding: Encoding, bytes: &[u8]) -> Result<EmulationRequest, Malformed> {
    match encoding {
        Encoding::Json => json::decode::emulation(bytes),
        Encoding::Protobuf => protobuf::decode::emulation(bytes),
    }
}

/// Appends one reply, without newline or length around it.
pub(crate) fn encode_reply(encoding: Encoding, id: u32, reply: &Reply<'_>, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Json => json::encode::object(out, |fields| encode::reply(fields, id, reply)),
        Encoding::Protobuf => {
            encode::reply(&mut protobuf::encode::ProtobufEncoder::new(out), id, reply);
        }
    }
}

/// Appends one push, without newline or length around it. `unidirectional` leaves the `push`
/// wrapper out. An empty channel is left out.
pub(crate) fn encode_push(
    encoding: Encoding,
    unidirectional: bool,
    channel: &str,
    push: &Push<'_>,
    out: &mut Vec<u8>,
) {
    match encoding {
        Encoding::Json => json::encode::object(out, |fields| {
            encode::push(fields, unidirectional, channel, push)
        }),
        Encoding::Protobuf => {
            encode::push(
                &mut protobuf::encode::ProtobufEncoder::new(out),
                unidirectional,
                channel,
                push,
            );
        }
    }
}

/// The server's ping: an empty reply, without framing.
#[must_use]
pub(crate) const fn ping(encoding: Encoding) -> &'static [u8] {
    match encoding {
        Encoding::Json => b"{}",
        Encoding::Protobuf => b"",
    }
}

/// Appends the fields `info` and `tags` to an object in JSON that stands open and has others, as a
/// publication of the protocol has them.
pub(crate) fn append_about(info: Option<&ClientInfo>, tags: Option<&Tags>, out: &mut Vec<u8>) {
    json::encode::more(out, |fields| encode::publisher(fields, info, tags));
}

/// Puts a message into a frame: in JSON a newline between any two, in Protobuf the length before
/// each.
pub(crate) fn append_message(encoding: Encoding, message: &[u8], frame: &mut Vec<u8>) {
    match encoding {
        Encoding::Json if frame.is_empty() => {}
        Encoding::Json => frame.push(b'\n'),
        Encoding::Protobuf => protobuf::encode::varint(message.len() as u64, frame),
    }
    frame.extend_from_slice(message);
}
