//! What a session of the protocol begins with: how it is carried, and what came with its request.

use bytes::Bytes;

use super::transport::ClientTransport;
use crate::{
    hooks::PassedHeaders,
    protocol::{ConnectRequest, Malformed},
    session::connect_info::ConnectInfo,
};

/// What a session of the protocol begins with.
pub(crate) struct CentrifugeParams {
    /// How it is carried.
    pub(crate) transport: ClientTransport,
    /// A token that came with the request rather than with the connect command.
    pub token: Option<String>,
    /// Headers of its request that the backend is shown.
    pub(crate) headers: PassedHeaders,
    /// Commands that came with the request; absent where they come by the socket.
    pub(crate) commands: Option<Bytes>,
    /// The connect request of a client on a socket that came with its handshake.
    pub(crate) connect: Option<Result<Box<ConnectRequest>, Malformed>>,
    /// They stand in an address.
    pub(crate) from_address: bool,
}

impl CentrifugeParams {
    /// For a session on a socket.
    #[must_use]
    pub(crate) fn new(
        connect_info: &ConnectInfo,
        transport: ClientTransport,
        token: Option<String>,
    ) -> Self {
        Self {
            transport,
            token,
            headers: connect_info.headers.clone(),
            commands: None,
            connect: None,
            from_address: false,
        }
    }

    /// For a session on a streamed body, with the commands that came with its request.
    #[must_use]
    pub(crate) fn with_commands(self, commands: Bytes) -> Self {
        Self {
            commands: Some(commands),
            ..self
        }
    }

    /// With commands that stand in an address: anyone can make someone else's browser open it, with
    /// its cookies, so they do no more than connect and subscribe.
    #[must_use]
    pub(crate) fn with_commands_of_address(self, commands: Bytes) -> Self {
        Self {
            from_address: true,
            ..self.with_commands(commands)
        }
    }
}
