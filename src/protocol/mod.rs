//! The Centrifuge client protocol as pure data: frames into commands, replies and pushes into bytes, in JSON and in Protobuf.
//!
//! Used by the sessions that speak it. Nothing here knows a connection, a clock or a channel's rules, and nothing waits.
//! Bounds: the work for a frame is linear in its length and done command by command as the caller asks; nesting deeper than
//! [`DEPTH_MAX`] is refused; no input panics. It must not decide what a command may do, nor quote what a peer sent.
//!
//! Each message is described once, in `encode`, by the names and numbers of its fields; `json` and `protobuf` write them.

mod command;
mod encode;
mod error;
mod json;
mod payload;
mod protobuf;
mod reply;

#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use self::{
    command::{
        Command, ConnectRequest, Emulation, HistoryRequest, Position, Request, SubscribeRequest,
    },
    error::{Malformed, ReplyError},
    payload::{DEPTH_MAX, Payload, clean_json},
    reply::{ClientInfo, ConnectResult, Outcome, Pub, Push, SubscribeResult},
};

/// A payload as it came: in JSON the text of one value, without raw newlines; in Protobuf any bytes. Empty is absent.
pub type Data = Bytes;

/// How a session's messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Text; one object a line.
    Json,
    /// Bytes; each message behind its length.
    Protobuf,
}

/// Splits a frame, a POST body or a `cf_connect` value into commands, in order.
///
/// The first fault is the last item: what stood before it was yielded. A frame without any command is a fault.
#[must_use]
pub fn commands(encoding: Encoding, frame: &Bytes) -> Commands {
    Commands {
        encoding,
        frame: frame.clone(),
        at: 0,
        state: State::Empty,
    }
}

/// The commands of one frame; see [`commands`]. It shares the frame's memory until it is dropped; the commands do not.
#[derive(Clone, Debug)]
pub struct Commands {
    encoding: Encoding,
    frame: Bytes,
    at: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No command yet.
    Empty,
    Going,
    Ended,
}

impl Iterator for Commands {
    type Item = Result<Command, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Ended {
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
                self.state = State::Going;
                Some(Ok(command))
            }
            Ok(None) => {
                let empty = self.state == State::Empty;
                self.state = State::Ended;
                empty.then_some(Err(Malformed("a frame without a command")))
            }
            Err(fault) => {
                self.state = State::Ended;
                Some(Err(fault))
            }
        }
    }
}

impl std::iter::FusedIterator for Commands {}

/// A connect request alone, as the one-way transports take it. Nothing at all is a request without any field.
///
/// # Errors
/// The bytes are not such a request.
pub fn connect_request(encoding: Encoding, bytes: &[u8]) -> Result<ConnectRequest, Malformed> {
    match encoding {
        Encoding::Json if bytes.trim_ascii().is_empty() => Ok(ConnectRequest::default()),
        Encoding::Json => json::decode::object(bytes),
        Encoding::Protobuf => protobuf::decode::connect_request(bytes),
    }
}

/// The body of a `POST /emulation`.
///
/// # Errors
/// The bytes are not such a body.
pub fn emulation(encoding: Encoding, bytes: &[u8]) -> Result<Emulation, Malformed> {
    match encoding {
        Encoding::Json => json::decode::emulation(bytes),
        Encoding::Protobuf => protobuf::decode::emulation(bytes),
    }
}

/// Appends one reply, without newline or length around it.
pub fn encode_reply(encoding: Encoding, id: u32, outcome: &Outcome<'_>, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Json => json::object(out, |fields| encode::reply(fields, id, outcome)),
        Encoding::Protobuf => {
            encode::reply(&mut protobuf::encode::Message::new(out), id, outcome);
        }
    }
}

/// Appends one push, without newline or length around it. `bare` is the form of the one-way transports, without the `push`
/// wrapper. An empty channel is left out.
pub fn encode_push(
    encoding: Encoding,
    bare: bool,
    channel: &str,
    push: &Push<'_>,
    out: &mut Vec<u8>,
) {
    match encoding {
        Encoding::Json => json::object(out, |fields| encode::push(fields, bare, channel, push)),
        Encoding::Protobuf => {
            encode::push(
                &mut protobuf::encode::Message::new(out),
                bare,
                channel,
                push,
            );
        }
    }
}

/// The server's ping: an empty reply, without framing.
#[must_use]
pub const fn ping(encoding: Encoding) -> &'static [u8] {
    match encoding {
        Encoding::Json => b"{}",
        Encoding::Protobuf => b"",
    }
}

/// Puts a message into a frame: in JSON a newline between any two, in Protobuf the length before each.
pub fn append_message(encoding: Encoding, message: &[u8], frame: &mut Vec<u8>) {
    match encoding {
        Encoding::Json if frame.is_empty() => {}
        Encoding::Json => frame.push(b'\n'),
        Encoding::Protobuf => protobuf::encode::varint(message.len() as u64, frame),
    }
    frame.extend_from_slice(message);
}
