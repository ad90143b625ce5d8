//! The protocols that clients speak: what they ask for, what they are told, how they publish.
//!
//! Pure: bytes in, bytes out. Messages are found by their mark, so a protocol looks only at the
//! rest: whether the client is subscribed, pings, refusals, and, where clients are to come back,
//! positions.

mod centrifuge_json;
mod centrifuge_protobuf;
mod events;
mod kind;
mod position;
mod raw;
mod session;
mod socket_io;

use std::fmt::Write as _;

use reqwest::Url;

pub(crate) use kind::Protocol;
pub(crate) use position::Position;
pub(crate) use session::{Context, Session, Terms};

use crate::frame;

impl Protocol {
    /// What the handshake offers.
    pub(crate) fn subprotocol(self, keeps_positions: bool) -> Option<&'static str> {
        match self {
            Self::CentrifugeProtobuf => Some("centrifuge-protobuf"),
            // Each message with its id in front of it.
            Self::Nchan if keeps_positions => Some("ws+meta.nchan"),
            _ => None,
        }
    }

    /// What is asked for in the first line.
    pub(crate) fn target(self, url: &Url) -> String {
        let mut target = url.path().to_owned();
        if self == Self::Socketio && target == "/" {
            target.push_str("socket.io/");
        }
        if let Some(query) = url.query() {
            let _ = write!(target, "?{query}");
        }
        if self == Self::Socketio && !target.contains("EIO=") {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str("EIO=4&transport=websocket");
        }
        target
    }

    /// Asks to go on from a position, where that is done in the handshake.
    pub(crate) fn resume(self, position: &Position, target: &mut String, headers: &mut String) {
        match self {
            Self::Raw => raw::resume(position, target),
            Self::Sse | Self::Nchan => events::resume(position, headers),
            Self::CentrifugeJson | Self::CentrifugeProtobuf | Self::Socketio => (),
        }
    }

    /// The WebSocket is open: sends what follows.
    pub(crate) fn open(self, terms: &Terms, session: &mut Session, out: &mut Vec<u8>) {
        match self {
            Self::Raw | Self::Sse | Self::Nchan => session.is_joined = true,
            Self::CentrifugeJson => centrifuge_json::open(terms, session, out),
            Self::CentrifugeProtobuf => centrifuge_protobuf::open(terms, session, out),
            // The server speaks first.
            Self::Socketio => (),
        }
    }

    /// Looks at one message of a WebSocket. An error ends the client.
    pub(crate) fn receive(
        self,
        context: &mut Context<'_>,
        session: &mut Session,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        match self {
            Self::Raw | Self::Sse => raw::receive(context, session, payload),
            Self::Nchan => events::receive(context, session, payload),
            Self::CentrifugeJson => {
                return centrifuge_json::receive(context, session, payload, out);
            }
            Self::CentrifugeProtobuf => {
                return centrifuge_protobuf::receive(context, session, payload, out);
            }
            Self::Socketio => return socket_io::receive(context, session, payload, out),
        }
        Ok(())
    }

    /// Looks at whole lines of a stream of events.
    pub(crate) fn receive_lines(
        self,
        context: &mut Context<'_>,
        session: &mut Session,
        lines: &[u8],
    ) {
        events::receive(context, session, lines);
    }

    /// Appends the frame with which a client publishes `data` into its channel.
    pub(crate) fn publish(
        self,
        terms: &Terms,
        session: &mut Session,
        data: &[u8],
        out: &mut Vec<u8>,
    ) {
        match self {
            Self::Raw | Self::Sse | Self::Nchan => frame::put(out, frame::TEXT, data),
            Self::CentrifugeJson => centrifuge_json::publish(terms, session, data, out),
            Self::CentrifugeProtobuf => centrifuge_protobuf::publish(terms, session, data, out),
            Self::Socketio => socket_io::publish(data, out),
        }
    }
}
