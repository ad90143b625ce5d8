//! What clients ask for, in either encoding. Made by the decoders; owns all its memory, so that a
//! small payload in a channel's history does not keep the frame that it came in.
//!
//! A field that was absent has its zero value. Lengths and values are not judged here beyond their
//! types.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    error::{Malformed, ReplyError},
    json::object::{data, is_present, json_objects, nullable, object, objects, texts},
    payload::Data,
};

/// One command.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// What the reply repeats; 0 for a pong, and for a send, which gets no reply.
    pub(crate) id: u32,
    /// What is asked.
    pub(crate) request: Request,
}

impl Command {
    /// Holds the rule between id and method: both or neither, except that a send needs no id.
    pub(super) fn new(id: u32, request: Option<Request>) -> Result<Self, Malformed> {
        let request = match (id, request) {
            (0, None) => Request::Pong,
            (0, Some(send @ Request::Send { .. })) => send,
            (0, Some(_)) => return Err(Malformed("a command without an id")),
            (_, Some(request)) => request,
            (_, None) => return Err(Malformed("a command without a method")),
        };
        Ok(Self { id, request })
    }
}

/// A command's method with its fields.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The answer to a ping.
    Pong,
    /// The first command of a session.
    Connect(ConnectRequest),
    /// Begins a subscription.
    Subscribe(SubscribeRequest),
    /// Ends a subscription.
    Unsubscribe {
        /// The channel to leave.
        channel: String,
    },
    /// Publishes into a channel.
    Publish {
        /// The channel to publish into.
        channel: String,
        /// The payload.
        data: Data,
    },
    /// Asks who is in a channel.
    Presence {
        /// The channel to look into.
        channel: String,
    },
    /// Asks how many are in a channel.
    PresenceStats {
        /// The channel to count.
        channel: String,
    },
    /// Asks for publications that the channel keeps.
    History(HistoryRequest),
    /// What the protocol has and this server does not: the method `ping`, publications in maps,
    /// keys of shared polls.
    Unavailable,
    /// A message to the application that gets no reply.
    Send {
        /// The payload.
        data: Data,
    },
    /// Calls the application.
    Rpc {
        /// The procedure; may be empty.
        method: String,
        /// The argument.
        data: Data,
    },
    /// A new token for the session.
    Refresh {
        /// A connection token.
        token: String,
    },
    /// A new token for a subscription.
    SubRefresh {
        /// The channel of the subscription.
        channel: String,
        /// A subscription token.
        token: String,
    },
}

json_objects! {
    /// Who connects, and what the session should have at once.
    pub ConnectRequest {
        /// Connection token; empty if there is none.
        pub token: String as "nullable",
        /// Payload for the application.
        pub(crate) data: Data as "data",
        /// The client's name, as `js`.
        pub(crate) name: String as "nullable",
        /// The client's version.
        pub version: String as "nullable",
        /// Headers that a browser cannot set.
        pub(crate) headers: BTreeMap<String, String> as "texts",
        /// Server-side subscriptions that are asked for or resumed, by channel; their own `channel`
        /// is empty.
        pub(crate) subs: BTreeMap<String, SubscribeRequest> as "objects",
        /// Bits for features of the client.
        pub(crate) flag: i64 as "nullable",
    }

    /// A subscription that is asked for.
    pub SubscribeRequest {
        /// The channel; empty inside [`ConnectRequest::subs`].
        pub(crate) channel: String as "nullable",
        /// Subscription token; empty if there is none.
        pub token: String as "nullable",
        /// Payload for the application.
        pub(crate) data: Data as "data",
        /// Asks for what was missed since `offset` and `epoch`.
        pub(crate) recover: bool as "nullable",
        /// The last offset seen.
        pub(crate) offset: u64 as "nullable",
        /// The stream that it was seen in; empty is any.
        pub(crate) epoch: String as "nullable",
        /// Wants the position kept.
        pub(crate) positioned: bool as "nullable",
        /// Wants to be able to recover.
        pub(crate) recoverable: bool as "nullable",
        /// Wants joins and leaves.
        pub(crate) join_leave: bool as "nullable",
        /// The kind of delta that the client takes; `fossil` or empty.
        pub(crate) delta: String as "nullable",
        /// Bit 1 (value 2): answer error 112 rather than `recovered: false`.
        pub(crate) flag: i64 as "nullable",
        /// Wants only publications whose tags pass a filter.
        pub(crate) tf: bool as "is_present",
        /// The kind of the subscription: 0 is a stream.
        pub r#type: i32 as "nullable",
    }

    /// A page of history.
    pub HistoryRequest {
        /// The channel to read.
        pub(crate) channel: String as "nullable",
        /// How many: 0 only the position, -1 all that the server allows.
        pub(crate) limit: i32 as "nullable",
        /// After which publication, or before it when reversed.
        pub(crate) since: Option<WirePosition> as "object",
        /// Newest first.
        pub(crate) reverse: bool as "nullable",
    }

    /// A position in a channel's stream as the client sent it.
    pub WirePosition {
        /// The offset of a publication.
        pub(crate) offset: u64 as "nullable",
        /// The epoch that the offset counts in, as the client sent it; it may be none of ours.
        pub(crate) epoch: String as "nullable",
    }
}

impl SubscribeRequest {
    /// The error for what the protocol has and this server does not: who asks for it must not get
    /// something else.
    #[must_use]
    pub(crate) fn unsupported(&self) -> Option<ReplyError> {
        if self.tf {
            let message = "bad request: there are no filters by tags (tf)".into();
            return Some(ReplyError {
                message,
                ..ReplyError::BAD_REQUEST
            });
        }
        (self.r#type != 0).then(|| ReplyError {
            message: "not available: subscriptions are streams (type 0)".into(),
            ..ReplyError::NOT_AVAILABLE
        })
    }
}

/// The up-link of the transports that stream one way: commands for a session elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmulationRequest {
    /// The session's key, as its connect reply told it.
    pub(crate) session: String,
    /// The node that holds the session.
    pub(crate) node: String,
    /// A frame of commands, in the encoding of the body.
    pub(crate) data: Bytes,
}
