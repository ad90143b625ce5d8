//! How a session of the protocol is carried.

use crate::{
    connection::{ConnectionProfile, Pings, info::SessionInfo},
    hooks::{HookContext, PassedHeaders},
    protocol::Encoding,
    publication::{Delta, Framing, PayloadFormat, WireFormat},
};

/// How a session of the protocol is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientTransport {
    /// JSON or Protobuf.
    pub(crate) encoding: Encoding,
    /// The client only listens: no replies, pushes without their wrapper.
    pub(crate) unidirectional: bool,
    /// What carries the messages.
    pub(crate) framing: Framing,
    /// The client is asked for life by WebSocket's pings instead of the protocol's.
    pub(crate) frame_pings: bool,
}

impl ClientTransport {
    /// How its connection speaks.
    #[must_use]
    pub(crate) fn profile(self) -> ConnectionProfile {
        ConnectionProfile {
            form: WireFormat {
                body: PayloadFormat::Client {
                    encoding: self.encoding,
                    unidirectional: self.unidirectional,
                    delta: Delta::Off,
                },
                framing: self.framing,
            },
            pings: match self.frame_pings {
                true => Pings::Control { text: false },
                false => Pings::Protocol {
                    answered: !self.unidirectional,
                },
            },
        }
    }

    /// The protocol's name for hooks.
    #[must_use]
    pub(crate) fn hook_name(self) -> &'static str {
        self.encoding.name()
    }

    /// The session as the backend is told it, before it is known who the client is.
    #[must_use]
    pub(super) fn hook_context(self, info: &SessionInfo, headers: &PassedHeaders) -> HookContext {
        HookContext {
            client: info.id.to_string(),
            transport: info.transport.hook_name(),
            protocol: self.hook_name(),
            headers: headers.clone(),
        }
    }
}
