//! Why a session ends: named values with the code and the reason that go on the wire.
//!
//! Codes are those of RFC 6455 §7.4.1 and of the Centrifuge protocol (3000–3999), since client
//! authors know both. 3500–3999 and 4500–4999 mean "do not reconnect"; everything else may come
//! back.

use std::{borrow::Cow, fmt, ops::RangeInclusive};

/// Codes that a library or an application may close with (RFC 6455 §7.4.2).
pub(crate) const APPLICATION_CODES: RangeInclusive<u16> = 3000..=4999;

/// Longest reason: a control frame has 125 bytes, and the code takes two (RFC 6455 §5.5).
pub(crate) const REASON_BYTES_MAX: usize = 123;

/// Why a close cannot be as somebody wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CloseError {
    /// None of [`APPLICATION_CODES`].
    #[error("code is not between 3000 and 4999")]
    Code,
    /// More than [`REASON_BYTES_MAX`].
    #[error("reason has more than {REASON_BYTES_MAX} bytes")]
    Reason,
}

/// A close code with its reason; what a Close frame carries (RFC 6455 §5.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Status code, 1000–4999.
    pub code: u16,
    /// Text for the author of the client, at most 123 bytes on the wire.
    pub(crate) reason: Cow<'static, str>,
}

impl Close {
    /// 1000: a long poll has its answer; never sent, since an answer has no Close.
    pub(crate) const ANSWERED: Self = Self::fixed(1000, "answered");
    /// 1005: a client's Close frame without a code; never sent (RFC 6455 §7.1.5).
    pub(crate) const NO_STATUS: Self = Self::fixed(1005, "");
    /// 1011: a fault of the server's own.
    pub(crate) const INTERNAL: Self = Self::fixed(1011, "internal error");
    /// 1011: the backend gave no usable answer to a message of a raw client.
    pub(crate) const BACKEND_FAILED: Self = Self::fixed(1011, "the backend failed");
    /// 1012: the server restarts; come back, spread out.
    pub(crate) const RESTART: Self = Self::fixed(1012, "server restarts, please reconnect");
    /// 1013: the server has no room for what was sent; come again later.
    pub(crate) const TRY_AGAIN: Self = Self::fixed(1013, "server is busy, please try again later");

    /// 3000: the connection is ended as if the network had done it: without a word.
    pub(crate) const CONNECTION_CLOSED: Self = Self::fixed(3000, "connection closed");
    /// 3001: as [`RESTART`](Self::RESTART), in the client protocol.
    pub(crate) const SHUTDOWN: Self = Self::fixed(3001, "shutdown");
    /// 3004: something that the server needs is away; come back.
    pub(crate) const SERVER_ERROR: Self = Self::fixed(3004, "server error");
    /// 3004: the backend that is to say who the client is does not answer.
    pub(crate) const BACKEND_UNAVAILABLE: Self = Self::fixed(3004, "the backend does not answer");
    /// 3005: the time of the session's credentials is over; come back with new ones.
    pub(crate) const EXPIRED: Self = Self::fixed(3005, "expired");
    /// 3005: the token that was brought is too old; come back with a new one.
    pub(crate) const TOKEN_EXPIRED: Self = Self::fixed(3005, "token expired");
    /// 3008: the client takes less than it is sent.
    pub(crate) const SLOW: Self = Self::fixed(3008, "slow: the client takes less than it is sent");
    /// 3009: nothing could be written for the whole of `slow.write_timeout`.
    pub(crate) const WRITE_TIMEOUT: Self =
        Self::fixed(3009, "write timeout: the client takes nothing");
    /// 3010: a publication is missing; who comes back is told from where.
    pub(crate) const INSUFFICIENT_STATE: Self = Self::fixed(3010, "insufficient state");
    /// 3012: a ping stayed without an answer.
    pub(crate) const NO_PONG: Self =
        Self::fixed(3012, "no pong: nothing came in time after a ping");
    /// 3013: the client sends more than its rate allows.
    pub(crate) const TOO_MANY_REQUESTS: Self = Self::fixed(3013, "too many requests");

    /// 3500: the token is none that counts here.
    pub(crate) const INVALID_TOKEN: Self = Self::fixed(3500, "invalid token");
    /// 3500: none came to a raw endpoint, and anonymous sessions are not taken.
    pub(crate) const TOKEN_NEEDED: Self = Self::fixed(3500, "a token is needed");
    /// 3501: what came is not the protocol.
    pub(crate) const BAD_REQUEST: Self = Self::fixed(3501, "bad request");
    /// 3502: nothing that was due came.
    pub(crate) const STALE: Self = Self::fixed(3502, "stale");
    /// 3503: the user is blocked; a new token does not help.
    pub(crate) const BLOCKED: Self = Self::fixed(3503, "the user is blocked");
    /// 3503: an administrator ended the session; do not come back.
    pub(crate) const KICKED: Self = Self::fixed(3503, "disconnected by an administrator");
    /// 3503: the API ended the session and named no code of its own.
    pub(crate) const FORCE_DISCONNECT: Self = Self::fixed(3503, "force disconnect");
    /// 3504: the user has as many sessions as it may.
    pub(crate) const CONNECTION_LIMIT: Self = Self::fixed(3504, "connection limit");
    /// 3505: the session asks for more channels than it may have.
    pub(crate) const CHANNEL_LIMIT: Self = Self::fixed(3505, "channel limit");
    /// 3507: the client may not do what it asks for.
    pub(crate) const PERMISSION_DENIED: Self = Self::fixed(3507, "permission denied");
    /// 3508: what is asked for is not set up on this server.
    pub(crate) const NOT_AVAILABLE: Self = Self::fixed(3508, "not available");

    const fn fixed(code: u16, reason: &'static str) -> Self {
        Self {
            code,
            reason: Cow::Borrowed(reason),
        }
    }

    /// A close whose code comes from outside: the backend, the API, a client's Close frame. Codes
    /// of the server's own are the constants.
    #[must_use]
    pub(crate) fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    /// The close that an administrator or the backend asks for.
    ///
    /// # Errors
    /// It cannot be.
    pub(crate) fn asked_for(
        code: u16,
        reason: impl Into<Cow<'static, str>>,
    ) -> Result<Self, CloseError> {
        let reason = reason.into();
        if !APPLICATION_CODES.contains(&code) {
            Err(CloseError::Code)
        } else if reason.len() > REASON_BYTES_MAX {
            Err(CloseError::Reason)
        } else {
            Ok(Self { code, reason })
        }
    }

    /// How a close is named by which the server refuses a client, which a client can cause as often
    /// as it likes; absent for others.
    #[must_use]
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        Some(match self.code {
            3000 => "3000",
            3004 => "3004",
            3005 => "3005",
            3010 => "3010",
            3013 => "3013",
            3500 => "3500",
            3501 => "3501",
            3502 => "3502",
            3503 => "3503",
            3504 => "3504",
            3505 => "3505",
            3507 => "3507",
            3508 => "3508",
            _ if !self.may_reconnect() => "for good",
            1002..=1011 => "fault",
            _ => return None,
        })
    }

    /// The same with the particulars behind its reason.
    #[must_use]
    pub(crate) fn because(self, detail: impl fmt::Display) -> Self {
        let reason = format!("{}: {detail}", self.reason);
        Self::new(self.code, reason)
    }

    /// The same code in other words.
    #[must_use]
    pub(crate) fn with_reason(self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(self.code, reason)
    }

    /// Whether a client that got this may come back by itself (protocol page, part 9).
    #[must_use]
    pub(crate) fn may_reconnect(&self) -> bool {
        !matches!(self.code, 3500..=3999 | 4500..=4999)
    }
}

/// Why the server ends one subscription of the client protocol; the session goes on (protocol page,
/// part 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// 2000–2499: the client is not to subscribe again; 2500–2999: it is.
    pub code: u32,
    /// Text for the author of the client.
    pub(crate) reason: &'static str,
}

impl Unsubscribe {
    /// 2000: the API took the session out of the channel.
    pub(crate) const SERVER: Self = Self::fixed(2000, "server unsubscribe");
    /// 2500: a publication is missing; who subscribes again recovers.
    pub(crate) const INSUFFICIENT_STATE: Self = Self::fixed(2500, "insufficient state");
    /// 2501: the time of the subscription is over; subscribe again with a new token.
    pub(crate) const EXPIRED: Self = Self::fixed(2501, "subscription expired");
    /// 2501: tokens of the channel were taken back.
    pub(crate) const TOKEN_EXPIRED: Self = Self::fixed(2501, "expired");

    const fn fixed(code: u32, reason: &'static str) -> Self {
        Self { code, reason }
    }
}

/// How a session came to its end; what the log line and the directory tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client sent a Close frame; code 1005 stands for a frame without a code (RFC 6455
    /// §7.1.5).
    ByPeer(Close),
    /// The server closed.
    ByServer(Close),
    /// The connection was lost without a Close frame: reset or end of input.
    Lost,
}

impl Ending {
    /// The code to show: 1006 stands for a lost connection, which no frame can carry (RFC 6455
    /// §7.4.1).
    #[must_use]
    pub(crate) fn code(&self) -> u16 {
        match self {
            Self::ByPeer(close) | Self::ByServer(close) => close.code,
            Self::Lost => 1006,
        }
    }

    /// The reason as given; `none` where there is none.
    #[must_use]
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::ByPeer(close) | Self::ByServer(close) if !close.reason.is_empty() => {
                &close.reason
            }
            _ => "none",
        }
    }

    /// Who ended it, as one word.
    #[must_use]
    pub(crate) fn by(&self) -> &'static str {
        match self {
            Self::ByPeer(_) => "client",
            Self::ByServer(_) => "server",
            Self::Lost => "network",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A peer's reason may hold anything that is UTF-8; debug form keeps a log line one line.
        write!(f, "code={} reason=", self.code())?;
        match self.reason() {
            "none" => f.write_str("none")?,
            reason => write!(f, "{reason:?}")?,
        }
        write!(f, " by={}", self.by())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_to_come_back_is_in_the_code() {
        for close in [
            Close::RESTART,
            Close::SLOW,
            Close::EXPIRED,
            Close::new(4000, ""),
        ] {
            assert!(close.may_reconnect(), "{close:?}");
        }
        for close in [Close::BAD_REQUEST, Close::BLOCKED, Close::new(4500, "")] {
            assert!(!close.may_reconnect(), "{close:?}");
        }
        let detailed = Close::INVALID_TOKEN.because("another user's");
        assert_eq!(detailed, Close::new(3500, "invalid token: another user's"));
    }

    #[test]
    fn an_ending_without_a_reason_says_none() {
        let ending = Ending::ByPeer(Close::new(1000, ""));
        assert_eq!(ending.to_string(), "code=1000 reason=none by=client");
        assert_eq!(Ending::Lost.to_string(), "code=1006 reason=none by=network");
    }

    #[test]
    fn a_reason_with_a_newline_cannot_forge_a_log_line() {
        let ending = Ending::ByPeer(Close::new(4000, "bye\nINFO fake"));
        assert!(!ending.to_string().contains('\n'));
    }

    #[test]
    fn fixed_reasons_fit_a_close_frame() {
        for close in [
            Close::RESTART,
            Close::SHUTDOWN,
            Close::INSUFFICIENT_STATE,
            Close::TRY_AGAIN,
            Close::SLOW,
            Close::WRITE_TIMEOUT,
            Close::NO_PONG,
            Close::BAD_REQUEST.because("JSON comes as text, Protobuf as binary"),
        ] {
            assert!(close.reason.len() <= 123, "{close:?}");
        }
    }
}
