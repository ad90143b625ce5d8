//! The events that the backend's `events` hook is told.
//!
//! Pure. In JSON an event is an object with its `type` first; an absent field has no value. Texts
//! come from clients, within the limits that admitted them.

use std::net::IpAddr;

use bytes::Bytes;
use serde::Serialize;

/// Something that happened, with its time in Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    /// A session began.
    Connected {
        /// When it happened, in Unix milliseconds.
        time_ms: u64,
        /// Id of the session.
        client: String,
        /// User of the session; empty if anonymous.
        user: String,
        /// The transport, as `HookContext` names it.
        transport: &'static str,
        /// Path of the endpoint.
        endpoint: String,
        /// Address of the client; absent on unix sockets.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<IpAddr>,
    },
    /// A session ended.
    Disconnected {
        /// When it happened, in Unix milliseconds.
        time_ms: u64,
        /// Id of the session.
        client: String,
        /// User of the session; empty if anonymous.
        user: String,
        /// Close code.
        code: u16,
        /// Close reason.
        reason: String,
        /// How long the session lasted, in milliseconds.
        duration_ms: u64,
    },
    /// A subscription began.
    Subscribed {
        /// When it happened, in Unix milliseconds.
        time_ms: u64,
        /// Id of the session.
        client: String,
        /// User of the session; empty if anonymous.
        user: String,
        /// The channel.
        channel: String,
    },
    /// A subscription ended.
    Unsubscribed {
        /// When it happened, in Unix milliseconds.
        time_ms: u64,
        /// Id of the session.
        client: String,
        /// User of the session; empty if anonymous.
        user: String,
        /// The channel.
        channel: String,
    },
    /// A channel got its first subscriber.
    ChannelOccupied {
        /// When it happened, in Unix milliseconds.
        time_ms: u64,
        /// The channel.
        channel: String,
    },
    /// A channel lost its last subscriber.
    ChannelVacated {
        /// When it happened, in Unix milliseconds.
        time_ms: u64,
        /// The channel.
        channel: String,
    },
}

/// The body of a batch.
pub(super) fn batch(events: &[Event]) -> Bytes {
    #[derive(Serialize)]
    struct Batch<'a> {
        events: &'a [Event],
    }
    // Texts and numbers always serialise.
    serde_json::to_vec(&Batch { events })
        .unwrap_or_default()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_an_object_with_a_list_of_typed_events() {
        let events = [
            Event::Connected {
                time_ms: 1,
                client: "c".into(),
                user: "u".into(),
                transport: "raw",
                endpoint: "/ws".into(),
                address: None,
            },
            Event::Disconnected {
                time_ms: 2,
                client: "c".into(),
                user: "u".into(),
                code: 3000,
                reason: "bye".into(),
                duration_ms: 1,
            },
            Event::ChannelOccupied {
                time_ms: 3,
                channel: "a".into(),
            },
        ];
        let expected = concat!(
            r#"{"events":[{"type":"connected","time_ms":1,"client":"c","user":"u","#,
            r#""transport":"raw","endpoint":"/ws"},{"type":"disconnected","time_ms":2,"#,
            r#""client":"c","user":"u","code":3000,"reason":"bye","duration_ms":1},"#,
            r#"{"type":"channel_occupied","time_ms":3,"channel":"a"}]}"#
        );
        assert_eq!(batch(&events), expected);
    }
}
