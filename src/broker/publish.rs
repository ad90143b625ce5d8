//! What a publisher asks of a broker, and what it is told.

use std::{net::IpAddr, sync::Arc, time::Duration};

use crate::{
    admission::counted_as,
    config::{Channels, Namespace},
    id::{SessionId, StreamPosition},
    protocol::{ClientInfo, Tags},
    publication::{Payload, Target},
    registry::{ChannelName, is_internal},
};

/// What is to be done about a channel's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryOptions {
    /// Publications kept at most.
    pub size: usize,
    /// How long each is kept; the stream's position outlives its last publication by as much.
    pub ttl: Duration,
}

impl HistoryOptions {
    /// What a channel of these rules keeps; absent: nothing.
    #[must_use]
    pub(crate) fn under(rules: &Namespace) -> Option<Self> {
        (rules.history_size > 0).then_some(Self {
            size: rules.history_size,
            ttl: rules.history_ttl,
        })
    }
}

/// A publisher's own count, so that what comes late does not replace what is newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The count; only a greater one is published.
    pub number: u64,
    /// Names the count; another name begins anew.
    pub epoch: String,
}

impl Version {
    /// Whether it comes late behind one of the same count.
    #[must_use]
    pub(crate) fn is_not_newer_than(&self, known: &Self) -> bool {
        known.epoch == self.epoch && self.number <= known.number
    }
}

/// A key that its publisher chose, so that the publication can be made again without being doubled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// What the publisher calls it, within the channel.
    pub text: Box<str>,
    /// The client whose it is, or for whose publication the backend gave it; absent: the API's.
    pub(crate) owner: Option<KeyOwner>,
}

impl<T: Into<Box<str>>> From<T> for IdempotencyKey {
    /// A key of the API's.
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            owner: None,
        }
    }
}

/// Whose share of the room for keys a client's key takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    /// The user of this name, by all its sessions.
    User(Box<str>),
    /// Nobody known, from this address; IPv6 by /64.
    Address(Option<IpAddr>),
}

impl KeyOwner {
    /// Who someone is with this name, which is empty for nobody, and from this address.
    #[must_use]
    pub(crate) fn of(user: &str, address: Option<IpAddr>) -> Self {
        match user {
            "" => Self::Address(address.map(counted_as)),
            user => Self::User(user.into()),
        }
    }
}

/// What is to be published.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    /// Who receives it.
    pub(crate) target: Target,
    /// What they receive.
    pub(crate) payload: Payload,
    /// Sessions that do not receive it.
    pub(crate) exclude: Box<[SessionId]>,
    /// The client that published it.
    pub info: Option<Arc<ClientInfo>>,
    /// The publisher's labels, carried beside the message.
    pub tags: Option<Arc<Tags>>,
    /// History of the channel; absent: none is kept and the publication gets no offset.
    pub history: Option<HistoryOptions>,
    /// Whether the publication before it goes along, for deltas.
    pub(crate) delta: bool,
    /// A publication of the same channel and key within `limits.idempotency_ttl` is published
    /// once.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The publisher's count; what is no newer than the last one published is suppressed.
    pub version: Option<Box<Version>>,
    /// All channels of a message that goes to several.
    pub(crate) group: Option<Arc<[ChannelName]>>,
    /// Plain clients are not told its place, since its channel's window leaves some out.
    pub(crate) hides_place: bool,
}

impl PublishRequest {
    /// A message with nothing else to it.
    #[must_use]
    pub fn new(target: Target, payload: Payload) -> Self {
        Self {
            target,
            payload,
            exclude: Box::default(),
            info: None,
            tags: None,
            history: None,
            delta: false,
            idempotency_key: None,
            version: None,
            group: None,
            hides_place: false,
        }
    }

    /// Has the key, if there is one, charged to a client, by its user's name or else its address.
    pub(crate) fn charge_key(&mut self, user: &str, address: Option<IpAddr>) {
        if let Some(key) = &mut self.idempotency_key {
            key.owner = Some(KeyOwner::of(user, address));
        }
    }

    /// A message for a channel under the channel's rules.
    #[must_use]
    pub(crate) fn under(rules: &Namespace, channel: ChannelName, payload: Payload) -> Self {
        Self {
            history: HistoryOptions::under(rules),
            delta: rules.delta,
            hides_place: rules.conflates(),
            ..Self::new(Target::Channel(channel), payload)
        }
    }

    /// The same for publishers of the settings (relays, pushes, polls), whom nobody asks for a
    /// right: a channel of the server's own, or of a namespace that is not there, keeps no
    /// history.
    #[must_use]
    pub(crate) fn unchecked(channels: &Channels, channel: ChannelName, payload: Payload) -> Self {
        match channels.rules(&channel) {
            Some(rules) if !is_internal(&channel) => Self::under(rules, channel, payload),
            _ => Self::new(Target::Channel(channel), payload),
        }
    }
}

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishResult {
    /// Its place, where the channel keeps history; of what was suppressed, the place that the
    /// channel was at.
    pub(crate) position: Option<StreamPosition>,
    /// Receivers on this node at that moment, as far as it was known here when it was accepted.
    pub(crate) delivered: usize,
    /// It was not sent to anyone: its key was known, or its version was not newer.
    pub(crate) suppressed: bool,
}

impl PublishResult {
    /// Sent to so many, without a place.
    #[must_use]
    pub(crate) fn sent(delivered: usize) -> Self {
        Self {
            position: None,
            delivered,
            suppressed: false,
        }
    }

    /// Not sent, since it was published before.
    #[must_use]
    pub(crate) fn suppressed(position: Option<StreamPosition>) -> Self {
        Self {
            position,
            delivered: 0,
            suppressed: true,
        }
    }
}
