//! Why a session ends: named values with the code and the reason that go on the wire.
//!
//! Codes are those of RFC 6455 §7.4.1 and of the Centrifuge protocol (3000–3999), since client authors know
//! both. 3500–3999 and 4500–4999 mean "do not reconnect"; everything else may come back.

use std::{borrow::Cow, fmt};

/// A close code with its reason; what a Close frame carries (RFC 6455 §5.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Status code, 1000–4999.
    pub code: u16,
    /// Text for the author of the client, at most 123 bytes on the wire.
    pub reason: Cow<'static, str>,
}

impl Close {
    /// 1000: the other side said good-bye and we answer.
    pub const NORMAL: Self = Self::fixed(1000, "");
    /// 1011: a fault of the server's own.
    pub const INTERNAL: Self = Self::fixed(1011, "internal error");
    /// 1012: the server restarts; come back, spread out.
    pub const RESTART: Self = Self::fixed(1012, "server restarts, please reconnect");
    /// 1013: the server has no room for what was sent; come again later.
    pub const TRY_AGAIN: Self = Self::fixed(1013, "server is busy, please try again later");
    /// 3001: the same in the client protocol: the server goes away; come back.
    pub const SHUTDOWN: Self = Self::fixed(3001, "shutdown");
    /// 3008: the client takes less than it is sent.
    pub const SLOW: Self = Self::fixed(3008, "slow: the client takes less than it is sent");
    /// 3009: nothing could be written for the whole of `slow.write_timeout`.
    pub const WRITE_TIMEOUT: Self = Self::fixed(3009, "write timeout: the client takes nothing");
    /// 3012: a ping stayed without an answer.
    pub const NO_PONG: Self = Self::fixed(3012, "no pong: nothing came in time after a ping");

    /// 3010: a publication is missing; who comes back is told from where.
    pub const INSUFFICIENT_STATE: Self = Self::fixed(3010, "insufficient state");
    /// 3501: what came is not the protocol.
    pub const BAD_REQUEST: Self = Self::fixed(3501, "bad request");
    /// 3502: nothing that was due came.
    pub const STALE: Self = Self::fixed(3502, "stale");
    /// 3503: the user is blocked; a new token does not help.
    pub const BLOCKED: Self = Self::fixed(3503, "the user is blocked");
    /// 3503: an administrator ended the session; do not come back.
    pub const KICKED: Self = Self::fixed(3503, "disconnected by an administrator");

    const fn fixed(code: u16, reason: &'static str) -> Self {
        Self {
            code,
            reason: Cow::Borrowed(reason),
        }
    }

    /// A close of any code and reason.
    #[must_use]
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }
}

/// How a session came to its end; what the log line and the directory tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client sent a Close frame; code 1005 stands for a frame without a code (RFC 6455 §7.1.5).
    ByPeer(Close),
    /// The server closed.
    ByServer(Close),
    /// The connection was lost without a Close frame: reset or end of input.
    Lost,
}

impl Ending {
    /// The code to show: 1006 stands for a lost connection, which no frame can carry (RFC 6455 §7.4.1).
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::ByPeer(close) | Self::ByServer(close) => close.code,
            Self::Lost => 1006,
        }
    }

    /// The reason as given; `none` where there is none.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::ByPeer(close) | Self::ByServer(close) if !close.reason.is_empty() => {
                &close.reason
            }
            _ => "none",
        }
    }

    /// Who ended it, as one word.
    #[must_use]
    pub fn by(&self) -> &'static str {
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
        ] {
            assert!(close.reason.len() <= 123, "{close:?}");
        }
    }
}
