//! What outlives the process: the records that are kept, and the trait of what keeps them.
//!
//! A [`Store`] is a log of [`Record`]s. Whoever owns a part of the node's state (the memory broker,
//! the revocations, the server's pushes, the polls) appends a record for each change, goes on once
//! it is written, and makes its part again from the records at the next start. The owners hold all
//! of it in memory, so that a store can be made small at any time from what they hold
//! ([`SnapshotSource`]).
//! A record says what is so, never by how much it changes, so that one which is read twice does no
//! harm; of one channel, user or entry the last one counts, but for publications, which count by
//! their offset.
//!
//! `state` is the one implementation. A record knows no file.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use uuid::Uuid;

use crate::{
    broker::Version,
    id::{Epoch, StreamPosition},
    publication::Item,
    registry::ChannelName,
};

/// One change, or a part of a snapshot. Times are Unix milliseconds, since no other clock goes on
/// over a restart.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// What names of streams and keys are made of: drawn once for a directory. Where another one
    /// comes later, every stream that was read until there has the name that the new one gives it.
    Secret(HashSecret),
    /// A publication that is kept, with all that it changes: its channel's top, its key and its
    /// version.
    Publication(PublicationRecord),
    /// The position of a channel, of a snapshot: its items come as [`Record::Item`]s.
    Stream(StreamRecord),
    /// One that is kept, of a snapshot.
    Item(KeptItem),
    /// An idempotency key of its own: of a publication that is not kept, or of a snapshot.
    Key(KeyRecord),
    /// The items of a stream up to an offset were removed, and never come back.
    Removed {
        /// Whose items they are.
        channel: ChannelName,
        /// The last of them.
        until: StreamPosition,
    },
    /// A stream that was published to is forgotten, and with it its epoch.
    Ended {
        /// Whose stream it was.
        channel: ChannelName,
        /// Which of the channel's streams.
        epoch: Epoch,
        /// How many streams have ended in the channel's share with this one; absent in files of
        /// before, where it is one more.
        count: Option<u32>,
    },
    /// How many streams have ended in some shares of the channels at least: in all where any have,
    /// of a snapshot.
    EndedShares(Vec<(u32, u32)>),
    /// A user, a token or several are taken back, or no more.
    Revocation(Box<Revocation>),
    /// How far an entry of `[[push]]` is.
    Push(Box<PushRecord>),
    /// What an entry of `[[poll]]` saw last.
    Poll(Box<PollRecord>),
}

/// Keys of the hashes; 128 bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HashSecret {
    /// Of the names of streams.
    pub(crate) epochs: u128,
    /// Of idempotency keys.
    pub(crate) keys: u128,
}

impl HashSecret {
    /// A new one.
    #[must_use]
    pub(crate) fn random() -> Self {
        // 122 random bits each.
        Self {
            epochs: Uuid::new_v4().as_u128(),
            keys: Uuid::new_v4().as_u128(),
        }
    }
}

/// A publication that has a place in a stream.
#[derive(Clone, Debug)]
pub(crate) struct PublicationRecord {
    /// Where it was published.
    pub(crate) channel: ChannelName,
    /// The stream; the offset is the item's.
    pub(crate) epoch: Epoch,
    /// The message with its offset, as the history has it.
    pub(crate) item: Arc<Item>,
    /// Items before this offset are not kept any more.
    pub(crate) first: u64,
    /// When the item expires.
    pub(crate) expires_ms: u64,
    /// How long the position outlives it (`history_ttl`).
    pub(crate) ttl: Duration,
    /// The publisher's count.
    pub version: Option<Box<Version>>,
    /// The idempotency key that it was published with.
    pub(crate) key: Option<Box<KeyRecord>>,
}

/// A position with what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct StreamRecord {
    /// Whose position it is.
    pub(crate) channel: ChannelName,
    /// Its newest place.
    pub top: StreamPosition,
    /// Items before this offset are not kept any more.
    pub(crate) first: u64,
    /// How long the position is kept when nothing else is (`history_ttl`).
    pub(crate) ttl: Duration,
    /// The publisher's count.
    pub version: Option<Box<Version>>,
}

/// An item of a stream.
#[derive(Clone, Debug)]
pub(crate) struct KeptItem {
    /// In whose history it is.
    pub(crate) channel: ChannelName,
    /// Which of the channel's streams.
    pub(crate) epoch: Epoch,
    /// The message with its offset.
    pub(crate) item: Arc<Item>,
    /// When it expires.
    pub(crate) expires_ms: u64,
}

/// An idempotency key that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    /// A hash of channel and key.
    pub(crate) id: u128,
    /// A hash of the client whose room it takes; 0: the API's.
    pub(crate) owner: u64,
    /// When its time is over.
    pub(crate) expires_ms: u64,
    /// Place of its publication; absent where the channel keeps no history.
    pub(crate) position: Option<StreamPosition>,
}

/// Whom or what a revocation is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum RevocationSubject {
    /// A user, by its name.
    User(String),
    /// The token with this id (`jti`).
    Token(String),
    /// All tokens of a user.
    TokensOf(String),
    /// A user's subscription tokens of a channel: user, channel.
    SubscriptionsOf(String, String),
}

/// A block or a revocation, in Unix seconds as tokens have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revocation {
    /// Who or what no longer counts.
    pub(crate) subject: RevocationSubject,
    /// Until when it counts, `u64::MAX` without end; absent: it is taken away.
    pub(crate) until: Option<u64>,
    /// Tokens issued before this are meant.
    pub(crate) issued_before: u64,
}

/// An entry of `[[push]]`, known by a hash of its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PushRecord {
    /// The hash of its settings.
    pub(crate) entry: u128,
    /// No `{seq}` up to this one is given again.
    pub(crate) seq: u64,
    /// The text published last, as a hash, with its place.
    pub(crate) last: Option<(u128, StreamPosition)>,
}

/// An entry of `[[poll]]`, known by a hash of its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PollRecord {
    /// The hash of its settings.
    pub(crate) entry: u128,
    /// `ETag` of the last answer.
    pub(crate) etag: Option<String>,
    /// A hash of what was published last, with its place.
    pub(crate) last: Option<(u128, StreamPosition)>,
}

/// Why a record is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// `state.queue` or `state.queue_bytes` is reached. It was not taken.
    #[error("the queue of the state on disk is full")]
    Full,
    /// The disk takes nothing: the record is not in the files.
    #[error("the state cannot be written to disk")]
    NotWritten,
    /// The disk failed and it cannot be said whether the record is in the files.
    #[error("the state may not have been written to disk")]
    Doubtful,
    /// The store was closed.
    #[error("the state on disk is closed")]
    Closed,
}

/// Who is told once what became of a record, on the store's thread and in the order of the appends.
/// It must not wait for anyone, and may append.
pub(crate) enum Written {
    /// Whoever it is, by a call of its own.
    Call(Box<dyn FnOnce(Result<(), StoreError>) + Send>),
    /// The owner of a step that was placed under this one of its locks, together with the others of
    /// the batch.
    Commit(Weak<dyn Committer>, usize),
}

/// Commits what it has placed, once that is written.
pub(crate) trait Committer: Send + Sync {
    /// The records of the next step under each of these locks, in this order, were written
    /// together, or were not.
    fn written(&self, locks: &[usize], outcome: Result<(), StoreError>);
}

impl Written {
    /// Whoever it is, told by this call.
    pub(crate) fn call(call: impl FnOnce(Result<(), StoreError>) + Send + 'static) -> Self {
        Self::Call(Box::new(call))
    }

    /// Tells all of a batch, in order; a committer as seldom as that lets it.
    pub(crate) fn tell(batch: impl Iterator<Item = Self>, outcome: Result<(), StoreError>) {
        let mut together: Option<(Weak<dyn Committer>, Vec<usize>)> = None;
        let commit = |(committer, locks): (Weak<dyn Committer>, Vec<usize>)| {
            if let Some(committer) = committer.upgrade() {
                committer.written(&locks, outcome);
            }
        };
        for written in batch {
            match (written, &mut together) {
                (Self::Commit(committer, lock), Some((known, locks)))
                    if Weak::ptr_eq(known, &committer) =>
                {
                    locks.push(lock);
                }
                (Self::Commit(committer, lock), together) => {
                    together
                        .replace((committer, vec![lock]))
                        .into_iter()
                        .for_each(commit);
                }
                (Self::Call(call), together) => {
                    together.take().into_iter().for_each(commit);
                    call(outcome);
                }
            }
        }
        together.into_iter().for_each(commit);
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(_) => f.write_str("Call"),
            Self::Commit(_, lock) => f.debug_tuple("Commit").field(lock).finish(),
        }
    }
}

/// What the files can be made again from: asked when they have grown too large, on the store's
/// thread. Each step of the iterator looks at what is committed when it comes there, under one
/// lock, and gives the records that belong together: a channel's position with its items. Between
/// two steps what was appended meanwhile is written, so nothing of a step may be older than the
/// step.
pub(crate) trait SnapshotSource: Send + Sync {
    /// All that is to be kept, in groups that are written without anything between.
    fn snapshot(&self) -> Box<dyn Iterator<Item = Vec<Record>> + Send + '_>;

    /// Bytes of memory that are charged for it now, where that is more than nothing and not less
    /// than it takes in the files: their bound goes by it.
    fn charged_bytes(&self) -> usize {
        0
    }

    /// Throws out of memory what may be, those first that expire first, until so many charged bytes
    /// are gone: all that is kept does not fit into the files. In the files it is until they are
    /// made again.
    /// How many went, which may be a few more or less; absent where there is nothing to throw out.
    fn evict(&self, bytes: usize) -> Option<usize> {
        let _ = bytes;
        None
    }
}

/// What was read at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadReport {
    /// Something that was acknowledged may be missing: every stream needs a new epoch, and keys and
    /// names a new [`HashSecret`].
    pub(crate) may_have_lost: bool,
    /// The newest time in the files, in Unix milliseconds: what expires is judged by no earlier
    /// now.
    pub(crate) newest_ms: u64,
}

/// A log of records that survives the process.
pub(crate) trait Store: Send + Sync {
    /// Hands over a record to be written. Records reach the files in the order of the appends: what
    /// is called under a lock is written in the order of that lock. Never waits, and never calls
    /// `written` itself. Where one is not written, all that were appended behind it are not either,
    /// and each was told so before another one is taken.
    ///
    /// # Errors
    /// It was not taken, and `written` will not be called.
    fn append(&self, record: Record, written: Written) -> Result<(), StoreError>;

    /// The same for records that nobody waits for; what finds no room is left out.
    fn note(&self, record: Record) {
        let _ = self.append(record, Written::call(|_| {}));
    }
}

impl Record {
    /// Bytes that it holds while it waits, for `state.queue_bytes`.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        let version = |version: &Option<Box<Version>>| {
            version.as_deref().map_or(0, |version| version.epoch.len())
        };
        let more = match self {
            Self::Publication(one) => {
                let key = one.key.as_ref().map_or(0, |_| size_of::<KeyRecord>());
                one.channel.len() + one.item.weight() + version(&one.version) + key
            }
            Self::Stream(one) => one.channel.len() + version(&one.version),
            Self::Item(one) => one.channel.len() + one.item.weight(),
            Self::Removed { channel, .. } | Self::Ended { channel, .. } => channel.len(),
            Self::EndedShares(shares) => size_of_val(&**shares),
            Self::Revocation(one) => one.subject.len(),
            Self::Poll(one) => one.etag.as_ref().map_or(0, String::len),
            Self::Secret(_) | Self::Key(_) | Self::Push(_) => 0,
        };
        // Its place in a queue, with the room that this keeps free, and what its owner keeps of it.
        3 * size_of::<Self>() + more
    }
}

impl RevocationSubject {
    /// The user or token, and the channel or nothing.
    #[must_use]
    pub(crate) fn names(&self) -> (&str, &str) {
        match self {
            Self::User(name) | Self::Token(name) | Self::TokensOf(name) => (name, ""),
            Self::SubscriptionsOf(user, channel) => (user, channel),
        }
    }

    fn len(&self) -> usize {
        let (name, channel) = self.names();
        name.len() + channel.len()
    }
}
