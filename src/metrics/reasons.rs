//! Why something was refused, limited or ended, as labels of metrics. Bounds: the words are fixed.

use super::label::label;

label! {
    /// Why a handshake was refused.
    pub enum RefusalReason {
        /// Not a WebSocket request.
        NotWebSocket = "not_websocket",
        /// A WebSocket version other than 13.
        Version = "version",
        /// Key missing or malformed.
        Key = "key",
        /// HTTP/1.0.
        Http10 = "http_1_0",
        /// The origin is not allowed.
        Origin = "origin",
        /// No room, or draining.
        Full = "full",
        /// Too many from one address.
        Address = "address",
        /// Method, body, channel name and other faults of the request.
        BadRequest = "bad_request",
        /// A channel that the client may not have.
        Channel = "channel",
    }
}

label! {
    /// A limit that was reached.
    pub enum Limited {
        /// Messages a second, of a session or a user.
        Messages = "messages",
        /// Messages a second of an address, of those that have no user.
        MessagesPerAddress = "messages_per_address",
        /// Sessions of a user.
        SessionsPerUser = "sessions_per_user",
        /// Channels of a session.
        Subscriptions = "subscriptions",
        /// Publications a second of an API key.
        ApiPublishes = "api_publishes",
        /// Idempotency keys, of all or of one client.
        IdempotencyKeys = "idempotency_keys",
        /// Frames of a streamed session that wait.
        FramesPending = "frames_pending",
        /// Wrong keys of administrators of one address: all of its are refused.
        AdminFailures = "admin_failures",
        /// Logins of administrators: one was ended for another.
        AdminTokens = "admin_tokens",
    }
}

label! {
    /// Why a connection was ended before it was a session.
    pub enum CutReason {
        /// `limits.pending_connections` was reached.
        Total = "total",
        /// `limits.pending_connections_per_address` was reached.
        Address = "address",
        /// Its TLS handshake took longer than `tls.handshake_timeout`.
        TlsTimeout = "tls_timeout",
        /// Its TLS handshake failed.
        TlsFailed = "tls_failed",
        /// The head of its request took longer than `http.request_timeout`.
        HeadTimeout = "head_timeout",
        /// The head of its request had more than `http.head_bytes`.
        HeadTooLarge = "head_too_large",
        /// What it sent was no HTTP.
        NotHttp = "not_http",
        /// `limits.pending_body_bytes` was reached.
        TotalBodyBytes = "total_body_bytes",
        /// `limits.pending_body_bytes_per_address` was reached.
        AddressBodyBytes = "address_body_bytes",
    }
}

impl CutReason {
    /// The setting whose bound it is, where room was made.
    #[must_use]
    pub(crate) fn limit(self) -> &'static str {
        match self {
            Self::Address => "limits.pending_connections_per_address",
            Self::TotalBodyBytes => "limits.pending_body_bytes",
            Self::AddressBodyBytes => "limits.pending_body_bytes_per_address",
            _ => "limits.pending_connections",
        }
    }
}

label! {
    /// What became of a hand-over to a new process.
    pub enum HandoverOutcome {
        /// The new process serves.
        Done = "done",
        /// It could not be started, or ended.
        Failed = "failed",
        /// It took longer than `drain.handover_timeout`.
        Timeout = "timeout",
        /// This process was told to stop meanwhile.
        Stopped = "stopped",
        /// Another one was going on.
        Ignored = "ignored",
    }
}
