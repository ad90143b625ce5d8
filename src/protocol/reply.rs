//! What the server says: replies to commands, and pushes. They borrow, since they live only until
//! they are encoded.
//!
//! A zero value is left out of the message unless the field says otherwise.

use super::{
    error::ReplyError,
    payload::{Data, PayloadRef},
    tags::Tags,
};

/// Who a session is, as others see it. `user` and `client` always appear.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientInfo {
    /// The user; empty is anonymous.
    pub user: String,
    /// Id of the session.
    pub client: String,
    /// Public information of the connection. In a JSON message, bytes that are not JSON become a
    /// base64 string.
    pub conn_info: Data,
    /// Public information of the subscription, written like `conn_info`.
    pub chan_info: Data,
}

/// A publication as clients see it.
#[derive(Clone, Copy, Debug)]
pub struct Pub<'a> {
    /// What was published.
    pub(crate) data: PayloadRef<'a>,
    /// Its offset in the channel's stream; 0 without history.
    pub(crate) offset: u64,
    /// Who published, if a client did.
    pub info: Option<&'a ClientInfo>,
    /// Tags that the publisher gave.
    pub tags: Option<&'a Tags>,
    /// `data` is a patch against the publication before.
    pub(crate) delta: bool,
    /// When it was published, in Unix milliseconds; 0 is absent.
    pub(crate) time: i64,
    /// The channel, where it is not the subscription's; empty is absent.
    pub(crate) channel: &'a str,
}

/// The result of a subscribe.
#[derive(Clone, Debug, Default)]
pub struct SubscribeResult<'a> {
    /// The client must refresh within `ttl`.
    pub(crate) expires: bool,
    /// Seconds until the refresh is due; 0 if it does not expire.
    pub(crate) ttl: u32,
    /// The client can recover after a lost connection.
    pub(crate) recoverable: bool,
    /// The session watches that no publication is missed.
    pub(crate) positioned: bool,
    /// The epoch that `offset` counts in.
    pub(crate) epoch: &'a str,
    /// The offset of the newest publication, or the request's when it recovered.
    pub(crate) offset: u64,
    /// The publications that were missed, oldest first.
    pub(crate) publications: Vec<Pub<'a>>,
    /// Nothing is missing: `publications` closes the gap.
    pub(crate) recovered: bool,
    /// The client had asked to recover.
    pub(crate) was_recovering: bool,
    /// Payload from the application.
    pub(crate) data: Data,
    /// Publications may come as deltas.
    pub(crate) delta: bool,
}

/// The result of a connect.
#[derive(Clone, Debug, Default)]
pub struct ConnectResult<'a> {
    /// The session's id.
    pub(crate) client: String,
    /// The server's version.
    pub version: String,
    /// The client must refresh within `ttl`.
    pub(crate) expires: bool,
    /// Seconds until the refresh is due; 0 if it does not expire.
    pub(crate) ttl: u32,
    /// Payload from the application.
    pub(crate) data: Data,
    /// Server-side subscriptions by channel.
    pub(crate) subs: Vec<(String, SubscribeResult<'a>)>,
    /// Seconds between pings.
    pub(crate) ping: u32,
    /// The client must answer pings.
    pub(crate) pong: bool,
    /// The session's key in an emulation request.
    pub(crate) session: String,
    /// The node's name in an emulation request.
    pub(crate) node: String,
    /// The server's clock, in Unix milliseconds; 0 is absent.
    pub(crate) time: i64,
}

/// What a reply says, beside the id of its command.
#[derive(Clone, Debug)]
pub enum Reply<'a> {
    /// The command was refused.
    Error(&'a ReplyError),
    /// The session is connected.
    Connect(ConnectResult<'a>),
    /// The subscription began.
    Subscribe(SubscribeResult<'a>),
    /// The subscription ended, or there was none.
    Unsubscribe,
    /// It was published.
    Publish,
    /// Who is in the channel, by session.
    Presence(&'a [(String, ClientInfo)]),
    /// How many are in the channel; both always appear.
    PresenceStats {
        /// Subscribed sessions.
        num_clients: u32,
        /// Different users.
        num_users: u32,
    },
    /// A page of history; all fields always appear.
    History {
        /// The publications, in the order that was asked for.
        publications: Vec<Pub<'a>>,
        /// The epoch that `offset` counts in.
        epoch: &'a str,
        /// The offset of the newest publication.
        offset: u64,
    },
    /// What the application answered.
    Rpc {
        /// The answer's payload.
        data: Data,
    },
    /// The session was extended.
    Refresh {
        /// The session's id.
        client: String,
        /// The server's version.
        version: String,
        /// A next refresh is due within `ttl`.
        expires: bool,
        /// Seconds until the next refresh is due.
        ttl: u32,
    },
    /// The subscription was extended.
    SubRefresh {
        /// A next refresh is due within `ttl`.
        expires: bool,
        /// Seconds until the next refresh is due.
        ttl: u32,
    },
}

/// A message that answers no command.
#[derive(Clone, Debug)]
pub enum Push<'a> {
    /// A publication.
    Pub(Pub<'a>),
    /// A session joined the channel.
    Join(&'a ClientInfo),
    /// A session left the channel.
    Leave(&'a ClientInfo),
    /// The server ended a subscription.
    Unsubscribe {
        /// 2500 and above: the SDK subscribes again.
        code: u32,
        /// The reason, for people.
        reason: &'a str,
    },
    /// The server began a subscription.
    Subscribe {
        /// The client can recover after a lost connection.
        recoverable: bool,
        /// The epoch that `offset` counts in.
        epoch: &'a str,
        /// The offset of the newest publication.
        offset: u64,
        /// The session watches that no publication is missed.
        positioned: bool,
        /// Payload from the application.
        data: Data,
    },
    /// A message without a channel.
    Message {
        /// The payload.
        data: PayloadRef<'a>,
    },
    /// The end of the session, on transports without a Close frame.
    Disconnect {
        /// 3500–3999 and 4500–4999: do not come back.
        code: u32,
        /// The reason, for people.
        reason: &'a str,
    },
    /// The session is connected (unidirectional transports).
    Connect(ConnectResult<'a>),
    /// The session was extended (unidirectional transports).
    Refresh {
        /// A next refresh is due within `ttl`.
        expires: bool,
        /// Seconds until the next refresh is due.
        ttl: u32,
    },
}
