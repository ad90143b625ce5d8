//! Options of accepted TCP sockets, and the deadlines of connections.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::config::Settings;

/// Options and deadlines of accepted connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketOptions {
    keepalive: Duration,
    user_timeout: Duration,
    /// How long a write may wait (`slow.write_timeout`).
    pub(super) write_timeout: Duration,
    /// How long the end of a connection is awaited (`close.timeout`).
    pub(super) close_timeout: Duration,
    /// How long the head of a request may take (`http.request_timeout`).
    pub(super) request_timeout: Duration,
    /// Bytes of the head of a request (`http.head_bytes`).
    pub(super) head_bytes: usize,
    /// Requests of one connection that are answered before the others of its worker get their turn
    /// (`limits.commands_per_turn`).
    pub(super) requests_per_turn: usize,
    /// How long an idle connection is kept (`http.keep_alive`).
    pub(super) keep_alive: Duration,
    /// How long a TLS handshake may take (`tls.handshake_timeout`); without TLS never asked for.
    pub(super) handshake_timeout: Duration,
}

impl SocketOptions {
    /// As the settings say.
    #[must_use]
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            keepalive: settings.tcp.keepalive,
            user_timeout: settings.tcp.user_timeout,
            write_timeout: settings.slow.write_timeout,
            close_timeout: settings.close.timeout,
            request_timeout: settings.http.request_timeout,
            head_bytes: settings.http.head_bytes,
            requests_per_turn: settings.limits.commands_per_turn,
            keep_alive: settings.http.keep_alive,
            handshake_timeout: settings
                .tls
                .as_ref()
                .map_or(settings.http.request_timeout, |tls| tls.handshake_timeout),
        }
    }

    /// Sets a socket's options: of a connection, or of a listener, from which the connections that
    /// it accepts have them where the system copies the whole socket, as Linux does: that spares
    /// four calls a connection. Failing options are no reason to lose a client.
    pub(super) fn apply<'a>(&self, socket: impl Into<SockRef<'a>>) {
        let socket = socket.into();
        let _ = socket.set_tcp_nodelay(true);
        let _ = match self.keepalive.is_zero() {
            true => socket.set_keepalive(false),
            false => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(self.keepalive)),
        };
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket.set_tcp_user_timeout(Some(self.user_timeout));
    }
}
