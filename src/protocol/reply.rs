//! What the server says: the outcome of a command, and pushes. They borrow, since they live only until they are encoded.
//!
//! A zero value is left out of the message unless the field says otherwise.

use std::collections::BTreeMap;

use super::{Data, Payload, ReplyError};

/// Who a session is, as others see it. `user` and `client` always appear.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientInfo {
    /// The user; empty is anonymous.
    pub user: String,
    /// The session.
    pub client: String,
    /// What the connection says of itself. In a JSON message, bytes that are not JSON become a base64 string.
    pub conn_info: Data,
    /// What the subscription says of itself; the same.
    pub chan_info: Data,
}

/// A publication as clients see it.
#[derive(Clone, Copy, Debug)]
pub struct Pub<'a> {
    /// What was published.
    pub data: Payload<'a>,
    /// Its number in the channel's stream; 0 without history.
    pub offset: u64,
    /// Who published, if a client did.
    pub info: Option<&'a ClientInfo>,
    /// Labels that the publisher gave.
    pub tags: &'a BTreeMap<String, String>,
    /// `data` is a patch against the publication before.
    pub delta: bool,
    /// When, in ms of Unix time; 0 is absent.
    pub time: i64,
    /// The channel, where it is not the subscription's; empty is absent.
    pub channel: &'a str,
}

/// What a subscription got.
#[derive(Clone, Debug, Default)]
pub struct SubscribeResult<'a> {
    /// The client must refresh within `ttl`.
    pub expires: bool,
    /// Seconds.
    pub ttl: u32,
    /// Can be recovered after a cut.
    pub recoverable: bool,
    /// The position is kept.
    pub positioned: bool,
    /// Which life of the channel `offset` counts in.
    pub epoch: &'a str,
    /// The newest publication, or the request's when it recovered.
    pub offset: u64,
    /// What was missed, oldest first.
    pub publications: Vec<Pub<'a>>,
    /// Nothing is missing.
    pub recovered: bool,
    /// The client had asked to recover.
    pub was_recovering: bool,
    /// From the application.
    pub data: Data,
    /// Deltas were agreed.
    pub delta: bool,
}

/// What a session got.
#[derive(Clone, Debug, Default)]
pub struct ConnectResult<'a> {
    /// The session's id.
    pub client: String,
    /// The server's version.
    pub version: String,
    /// The client must refresh within `ttl`.
    pub expires: bool,
    /// Seconds.
    pub ttl: u32,
    /// From the application.
    pub data: Data,
    /// Server-side subscriptions by channel.
    pub subs: Vec<(String, SubscribeResult<'a>)>,
    /// Seconds between pings.
    pub ping: u32,
    /// The client must answer pings.
    pub pong: bool,
    /// What the up-link names the session by.
    pub session: String,
    /// What the up-link names the node by.
    pub node: String,
    /// The server's clock, in ms of Unix time.
    pub time: i64,
}

/// What a reply says.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// It was refused.
    Error(&'a ReplyError),
    /// The session is there.
    Connect(ConnectResult<'a>),
    /// The subscription is there.
    Subscribe(SubscribeResult<'a>),
    /// The subscription is gone, or was never there.
    Unsubscribe,
    /// It was published.
    Publish,
    /// Who is there, by session.
    Presence(&'a [(String, ClientInfo)]),
    /// How many are there; both always appear.
    PresenceStats {
        /// Sessions.
        num_clients: u32,
        /// Different users.
        num_users: u32,
    },
    /// A page of history; all fields always appear.
    History {
        /// In the order that was asked for.
        publications: Vec<Pub<'a>>,
        /// Which life of the channel `offset` counts in.
        epoch: &'a str,
        /// The newest publication.
        offset: u64,
    },
    /// What the application answered.
    Rpc {
        /// Its answer.
        data: Data,
    },
    /// The session goes on.
    Refresh {
        /// The session's id.
        client: String,
        /// The server's version.
        version: String,
        /// There is a next time.
        expires: bool,
        /// In this many seconds.
        ttl: u32,
    },
    /// The subscription goes on.
    SubRefresh {
        /// There is a next time.
        expires: bool,
        /// In this many seconds.
        ttl: u32,
    },
}

/// What the server says unasked.
#[derive(Clone, Debug)]
pub enum Push<'a> {
    /// A publication.
    Pub(Pub<'a>),
    /// Someone came.
    Join(&'a ClientInfo),
    /// Someone left.
    Leave(&'a ClientInfo),
    /// The server ended a subscription.
    Unsubscribe {
        /// 2500 and above: the SDK subscribes again.
        code: u32,
        /// For people.
        reason: &'a str,
    },
    /// The server began a subscription.
    Subscribe {
        /// Can be recovered after a cut.
        recoverable: bool,
        /// Which life of the channel `offset` counts in.
        epoch: &'a str,
        /// The newest publication.
        offset: u64,
        /// The position is kept.
        positioned: bool,
        /// From the application.
        data: Data,
    },
    /// A message without a channel.
    Message {
        /// What it says.
        data: Payload<'a>,
    },
    /// The end of the session, where no Close frame can tell it.
    Disconnect {
        /// 3500–3999 and 4500–4999: do not come back.
        code: u32,
        /// For people.
        reason: &'a str,
    },
    /// The session is there (one-way transports).
    Connect(ConnectResult<'a>),
    /// The session goes on (one-way transports).
    Refresh {
        /// There is a next time.
        expires: bool,
        /// In this many seconds.
        ttl: u32,
    },
}
