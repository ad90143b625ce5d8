//! What a plain client is told of its channels beside their messages: where it is in each of them.
//! Pure data, owned by the body of an event stream or by a long poll. Bound: one place a channel of
//! the request (`limits.subscriptions`), and what was missed, which all channels together keep
//! within `limits.recovery_bytes`.

use std::sync::Arc;

use crate::session::channel_request::envelope;
use crate::{
    id::StreamPosition,
    node::recovery::Recovery,
    protocol,
    publication::{Item, data_field, json_string},
    registry::ChannelName,
};

/// What was read of a channel before it goes live.
#[derive(Clone, Debug)]
pub(crate) struct RecoveredChannel {
    /// The channel.
    pub(crate) channel: ChannelName,
    /// What there was.
    pub(crate) recovery: Recovery,
    /// The channel keeps nothing and kept nothing when its client was there: what came meanwhile
    /// is lost, if anything came.
    pub(crate) unknown: bool,
}

impl RecoveredChannel {
    /// Whether the client surely has everything up to where it is now.
    #[must_use]
    pub(crate) fn is_complete(&self) -> bool {
        self.recovery.recovered
    }

    /// Whether there is something to tell that cannot wait: messages, or that some were missed.
    #[must_use]
    pub(crate) fn has_messages(&self) -> bool {
        !self.recovery.items.is_empty() || !(self.recovery.recovered || self.unknown)
    }

    /// Where the client is before it has taken what it missed.
    fn start(&self) -> StreamPosition {
        let top = self.recovery.top;
        match self.recovery.items.first() {
            Some(first) => StreamPosition {
                offset: first.follows,
                ..top
            },
            None => top,
        }
    }
}

/// The client's place in each of its channels, in the order of its request.
#[derive(Debug)]
pub(crate) struct StreamCursor {
    places: Vec<(ChannelName, StreamPosition)>,
}

impl StreamCursor {
    /// The client is where it was: what it missed is not taken yet. `channels` is the order of the
    /// request.
    #[must_use]
    pub(crate) fn before(channels: &[ChannelName], recovered: &[RecoveredChannel]) -> Self {
        let nowhere = Recovery::nothing(true).top;
        let place = |channel: &ChannelName| {
            let found = recovered.iter().find(|one| one.channel == *channel);
            (
                channel.clone(),
                found.map_or(nowhere, RecoveredChannel::start),
            )
        };
        Self {
            places: channels.iter().map(place).collect(),
        }
    }

    /// The client has had this.
    pub(crate) fn advance(&mut self, channel: &str, position: StreamPosition) {
        if position.offset > 0 && !position.epoch.is_none() {
            let mut places = self.places.iter_mut();
            if let Some((_, place)) = places.find(|(name, _)| **name == *channel) {
                *place = position;
            }
        }
    }

    /// Whether a channel is among them.
    #[must_use]
    pub(crate) fn has(&self, channel: &str) -> bool {
        self.places.iter().any(|(name, _)| **name == *channel)
    }

    /// All places in one text, from which the client goes on later.
    #[must_use]
    pub(crate) fn since(&self) -> String {
        let positions: Vec<StreamPosition> = self.places.iter().map(|(_, place)| *place).collect();
        crate::session::query::combined(&positions)
    }

    /// The first event of a stream: channels, position, and whether anything was missed.
    #[must_use]
    pub(crate) fn greeting(&self, recovered: &[RecoveredChannel]) -> Vec<u8> {
        let mut out = b"{\"channels\":[".to_vec();
        for (index, channel) in recovered.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"channel\":");
            json_string(&channel.channel, &mut out);
            out.extend_from_slice(format!(",\"recovered\":{}", channel.is_complete()).as_bytes());
            let start = channel.start();
            if !start.epoch.is_none() {
                out.extend_from_slice(format!(",\"since\":\"{start}\"").as_bytes());
            }
            out.push(b'}');
        }
        let recovered = recovered.iter().all(RecoveredChannel::is_complete);
        let rest = format!(
            "],\"since\":\"{}\",\"recovered\":{recovered}}}",
            self.since()
        );
        out.extend_from_slice(rest.as_bytes());
        out
    }
}

/// One message of a long poll; who published it and its tags stand there as in the client protocol.
pub(crate) fn poll_message(channel: &str, item: &Item, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"channel\":");
    json_string(channel, out);
    if item.offset > 0 {
        out.extend_from_slice(format!(",\"offset\":{}", item.offset).as_bytes());
    }
    out.push(b',');
    data_field(item, out);
    protocol::append_about(item.info.as_deref(), item.tags.as_deref(), out);
    out.push(b'}');
}

/// A publication that was missed.
pub(crate) struct MissedPublication {
    /// The channel.
    pub(crate) channel: ChannelName,
    /// The place behind it.
    pub(crate) position: StreamPosition,
    /// What was published.
    pub(crate) item: Arc<Item>,
}

/// What was missed, in the order in which it is taken.
pub(crate) fn missed(recovered: Vec<RecoveredChannel>) -> impl Iterator<Item = MissedPublication> {
    recovered.into_iter().flat_map(
        |RecoveredChannel {
             channel, recovery, ..
         }| {
            let epoch = recovery.top.epoch;
            recovery.items.into_iter().map(move |item| {
                let offset = item.offset;
                MissedPublication {
                    channel: channel.clone(),
                    position: StreamPosition { offset, epoch },
                    item,
                }
            })
        },
    )
}

/// A kept publication as an event's data: in its envelope, or as it was published with binary as
/// base64.
#[must_use]
pub(crate) fn event_data(
    channel: &str,
    position: StreamPosition,
    item: &Arc<Item>,
    in_envelope: bool,
) -> Vec<u8> {
    if in_envelope {
        return envelope(channel, item, position.epoch);
    }
    plain_data(item)
}

/// A publication's payload as text.
#[must_use]
pub(crate) fn plain_data(item: &Item) -> Vec<u8> {
    use base64::Engine as _;
    match &item.payload {
        crate::publication::Payload::Text(text) => text.as_bytes().to_vec(),
        crate::publication::Payload::Binary(bytes) => base64::engine::general_purpose::STANDARD
            .encode(bytes)
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Epoch, publication::Payload};

    fn recovered(
        channel: &str,
        offsets: std::ops::RangeInclusive<u64>,
        epoch: Epoch,
    ) -> RecoveredChannel {
        let top = StreamPosition {
            offset: *offsets.end(),
            epoch,
        };
        let item = |offset| Arc::new(Item::new(Payload::Text("x".into()), offset));
        RecoveredChannel {
            channel: channel.into(),
            recovery: Recovery {
                items: offsets.map(item).collect(),
                top,
                recovered: true,
            },
            unknown: false,
        }
    }

    #[test]
    fn a_place_is_behind_what_was_taken_and_never_before_it() {
        let (a, b) = (Epoch::random(), Epoch::random());
        let recovered = vec![recovered("a", 4..=5, a), recovered("b", 8..=8, b)];
        let channels: Vec<ChannelName> = vec!["b".into(), "a".into()];
        let mut cursor = StreamCursor::before(&channels, &recovered);
        assert_eq!(cursor.since(), format!("7@{b},3@{a}"));
        let seen: Vec<String> = missed(recovered)
            .map(|missed| {
                cursor.advance(&missed.channel, missed.position);
                cursor.since()
            })
            .collect();
        assert_eq!(
            seen,
            [
                format!("7@{b},4@{a}"),
                format!("7@{b},5@{a}"),
                format!("8@{b},5@{a}")
            ]
        );
    }

    #[test]
    fn where_something_is_lost_the_client_begins_where_the_channel_is_and_is_told() {
        let epoch = Epoch::random();
        let mut recovered = vec![
            recovered("a", 1..=2, epoch),
            recovered("b", 1..=9, epoch),
            recovered("c", 3..=3, epoch),
        ];
        recovered[1].recovery.items.clear();
        recovered[1].recovery.recovered = false;
        let channels: Vec<ChannelName> = vec!["a".into(), "b".into(), "c".into()];
        let cursor = StreamCursor::before(&channels, &recovered);
        assert_eq!(cursor.since(), format!("0@{epoch},9@{epoch},2@{epoch}"));
        let told: serde_json::Value = serde_json::from_slice(&cursor.greeting(&recovered)).unwrap();
        assert_eq!(told["recovered"], false);
        assert_eq!(told["channels"][0]["recovered"], true);
        assert_eq!(told["channels"][1]["recovered"], false);
        assert_eq!(told["since"], cursor.since());
    }

    #[test]
    fn a_channel_without_history_has_no_place() {
        let lost = RecoveredChannel {
            channel: "a".into(),
            recovery: Recovery::nothing(false),
            unknown: true,
        };
        let mut cursor = StreamCursor::before(&["a".into()], std::slice::from_ref(&lost));
        cursor.advance(
            "a",
            StreamPosition {
                offset: 0,
                epoch: Epoch::NONE,
            },
        );
        assert_eq!(cursor.since(), "-");
        assert!(
            !lost.is_complete() && !lost.has_messages(),
            "nobody knows, and nobody need be told again and again"
        );
        assert!(
            RecoveredChannel {
                unknown: false,
                ..lost
            }
            .has_messages()
        );
    }
}
