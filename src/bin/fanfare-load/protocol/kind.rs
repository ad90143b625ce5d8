//! Which protocols there are.

use clap::ValueEnum;

/// How clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// Messages as they are, over WebSocket.
    Raw,
    /// The Centrifuge protocol in JSON, over WebSocket.
    CentrifugeJson,
    /// The Centrifuge protocol in Protobuf, over WebSocket.
    CentrifugeProtobuf,
    /// Server-sent events.
    Sse,
    /// Socket.IO over WebSocket; messages are the event `message`.
    Socketio,
    /// nchan, by WebSocket or by server-sent events, as the address says.
    Nchan,
}

impl Protocol {
    pub(crate) fn is_centrifuge(self) -> bool {
        matches!(self, Self::CentrifugeJson | Self::CentrifugeProtobuf)
    }
}
