//! The events that the backend's `events` hook is told.
//!
//! Pure. In JSON an event is an object with its `type` first and, last, the id of the process whose
//! event it is (`node`); an absent field has no value. Texts come from clients, within the limits
//! that admitted them.

use std::net::IpAddr;

use bytes::Bytes;
use serde::Serialize;

/// Something that happened, with its time in Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    /// A process began to serve. The first event of its life.
    NodeStarted {
        /// When it happened, in Unix milliseconds.
        time_ms: u64,
        /// The node's name, which its next life has too.
        name: String,
        /// The process before this one still runs, and tells the ends of its sessions itself.
        handover: bool,
    },
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

/// The body of a batch of the process `node`.
pub(super) fn batch(node: &str, events: &[Event]) -> Bytes {
    #[derive(Serialize)]
    struct EventBatch<'a> {
        events: Vec<OfNode<'a>>,
    }
    #[derive(Serialize)]
    struct OfNode<'a> {
        #[serde(flatten)]
        event: &'a Event,
        node: &'a str,
    }
    let events = events.iter().map(|event| OfNode { event, node });
    let batch = EventBatch {
        events: events.collect(),
    };
    // Texts and numbers always serialise.
    serde_json::to_vec(&batch).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_an_object_with_a_list_of_typed_events_of_one_node() {
        let events = [
            Event::NodeStarted {
                time_ms: 1,
                name: "web".into(),
                handover: false,
            },
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
            r#"{"events":[{"type":"node_started","time_ms":1,"name":"web","handover":false,"#,
            r#""node":"n"},{"type":"connected","time_ms":1,"client":"c","user":"u","#,
            r#""transport":"raw","endpoint":"/ws","node":"n"},{"type":"disconnected","time_ms":2,"#,
            r#""client":"c","user":"u","code":3000,"reason":"bye","duration_ms":1,"node":"n"},"#,
            r#"{"type":"channel_occupied","time_ms":3,"channel":"a","node":"n"}]}"#
        );
        assert_eq!(batch("n", &events), expected);
    }
}
