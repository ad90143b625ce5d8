//! What others tell a session, whatever its kind: sent by the shard and by the server's API, obeyed
//! by the session's actor.

use std::{sync::Arc, time::Instant};

use actix::Message;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    close::{Close, Unsubscribe},
    id::SessionId,
    registry::ChannelName,
    subscription::ServerSubscription,
};

/// What a session's actor hears beside its socket.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum SessionMessage {
    /// A subscription that counts offsets has missed a publication.
    Missed(ChannelName),
    /// The connection's other half is gone: the body of its HTTP answer was dropped.
    Gone,
    /// What the server wants of it.
    Command(Arc<ServerCommand>),
    /// A frame of commands of its client's, which came by a request of its own.
    Frame(CommandFrame),
}

/// A frame of commands that came by a request of its own.
#[derive(Debug)]
pub struct CommandFrame {
    /// The commands, in the client's encoding.
    pub(crate) commands: Bytes,
    /// Its place among the frames of its session that wait, given back once all of it is done;
    /// what came with the session's own request takes none.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl From<Bytes> for CommandFrame {
    fn from(commands: Bytes) -> Self {
        Self {
            commands,
            room: None,
        }
    }
}

/// What the server's API wants of sessions.
#[derive(Clone, Debug)]
pub enum ServerCommand {
    /// Close the connection with this.
    Disconnect(Close),
    /// End, if its user was known before another session was that user's. So of several that come
    /// together one stays, whoever is heard first.
    DisconnectOlder {
        /// When the other session's user was known.
        than: Instant,
        /// What the older session is closed with.
        close: Close,
    },
    /// Enter a channel that the client has not asked for.
    Subscribe(ServerSubscription),
    /// Leave a channel.
    Unsubscribe {
        /// The channel that it leaves, whoever had it enter.
        channel: ChannelName,
        /// What the client is told.
        why: Unsubscribe,
    },
    /// Credentials were renewed or have expired.
    Refresh {
        /// Whether they are over, so that the session ends.
        expired: bool,
        /// When they will, in Unix seconds.
        expire_at: Option<u64>,
        /// New public information, as JSON.
        info: Option<Bytes>,
    },
}

/// Which sessions a command is for. Everything that is set must fit.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// Sessions of this user.
    pub(crate) user: Option<Arc<str>>,
    /// The session of this id.
    pub(crate) client: Option<SessionId>,
    /// Sessions that it is not for, though they fit.
    pub(crate) except: Arc<[SessionId]>,
}
