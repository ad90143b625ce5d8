//! What a protocol works on: one client's state, the terms that all clients of a run share, and the
//! counts.

use super::{kind::Protocol, position::Position};
use crate::{mark::marks, tally::Tally};

/// What every client of a run asks for.
#[derive(Debug)]
pub(crate) struct Terms {
    pub protocol: Protocol,
    /// A WebSocket; else a stream of events.
    pub is_web_socket: bool,
    /// Clients keep their place, to go on from it.
    pub keeps_positions: bool,
    /// A connection token of the Centrifuge protocol.
    pub token: Option<String>,
    /// Whether clients subscribe at all.
    pub subscribes: bool,
    /// A channel's name, with its number as `{n}`.
    pub channel: String,
    pub channels: usize,
}

impl Terms {
    /// The channel of a client.
    pub(crate) fn channel_of(&self, client: usize) -> usize {
        client % self.channels
    }

    pub(crate) fn channel_name(&self, number: usize) -> String {
        self.channel.replace("{n}", &number.to_string())
    }

    pub(crate) fn channel_name_of(&self, client: usize) -> String {
        self.channel_name(self.channel_of(client))
    }
}

/// One client's state in its protocol.
#[derive(Debug)]
pub(crate) struct Session {
    /// Which client, counted from 0.
    pub number: usize,
    /// It is subscribed and gets messages.
    pub is_joined: bool,
    /// Where it is, if it is to go on from there.
    pub position: Option<Box<Position>>,
    /// The id of its last command.
    pub last_command: u32,
    /// When its publications that are not answered left, the oldest first.
    pub asked: std::collections::VecDeque<u64>,
}

impl Session {
    pub(crate) fn new(number: usize, position: Option<Box<Position>>) -> Self {
        Self {
            number,
            is_joined: false,
            position,
            last_command: 0,
            asked: std::collections::VecDeque::new(),
        }
    }
}

/// What a protocol may ask and change while it looks at what came.
pub(crate) struct Context<'a> {
    pub terms: &'a Terms,
    pub tally: &'a mut Tally,
    /// The time at which it was read.
    pub now: u64,
}

impl Context<'_> {
    /// Books all messages in some bytes and says whether there was one.
    pub(super) fn deliver(&mut self, client: usize, bytes: &[u8]) -> bool {
        let mut any = false;
        for mark in marks(bytes) {
            self.tally.message(client, &mark, self.now);
            any = true;
        }
        any
    }
}
