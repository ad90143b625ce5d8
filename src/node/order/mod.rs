//! Orders to sessions and about users, as a process that has taken over passes them on to the one
//! before it ([`OrderQueue`](queue::OrderQueue)), which still has sessions for the time of its drain.
//! An order is one line of JSON with a version. Pure data; [`carry_out`] does what it says.
//!
//! `subscribe` is none of them: it would begin in a process that is told of no publication any more.

mod carry_out;
pub(crate) mod queue;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::emulation::EmulationRegistry;
use crate::{
    close::Close,
    id::SessionId,
    shard::{Selector, ServerCommand},
};

/// Of the lines. A process that is told of another one does what [`Order::DisconnectAll`] says.
const VERSION: u32 = 1;

/// Whom a command is for, by the names that the caller has: a user's sessions, one session, or one
/// session if it is that user's. Kept as they came, since each process knows its own sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Whom {
    /// Sessions of this user; empty: whoever's.
    pub(crate) user: String,
    /// The session with this id; empty: any.
    pub(crate) client: String,
    /// The session with this secret name ([`EmulationRegistry`]); empty: any.
    pub(crate) session: String,
    /// Ids of sessions that are spared.
    pub(crate) except: Vec<String>,
}

impl Whom {
    /// All sessions of a user.
    pub(crate) fn user(user: &str) -> Self {
        Self {
            user: user.to_string(),
            ..Self::default()
        }
    }

    /// One session.
    pub(crate) fn session(id: SessionId) -> Self {
        Self {
            client: id.to_string(),
            ..Self::default()
        }
    }

    /// Whether it names anyone at all.
    pub(crate) fn is_named(&self) -> bool {
        !(self.user.is_empty() && self.client.is_empty() && self.session.is_empty())
    }

    /// The sessions here. `None` where a session's name is none that could be, so that there is
    /// nobody.
    pub(super) fn selector(&self, emulation: &EmulationRegistry) -> Option<Selector> {
        let named = emulation.client_of(&self.session);
        if !self.session.is_empty() && named.is_none() {
            return None;
        }
        let client = match self.client.as_str() {
            "" => named,
            client => Some(SessionId::parse(client)?),
        };
        // Two names of one session, or nobody.
        if named.is_some() && named != client {
            return None;
        }
        Some(Selector {
            user: (!self.user.is_empty()).then(|| self.user.as_str().into()),
            client,
            except: self
                .except
                .iter()
                .filter_map(|id| SessionId::parse(id))
                .collect(),
        })
    }
}

/// What the process before is to do too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// Sessions end.
    Disconnect {
        whom: Whom,
        code: u16,
        reason: String,
    },
    /// The API takes sessions out of a channel.
    Unsubscribe { whom: Whom, channel: String },
    /// Credentials were renewed or have expired.
    Refresh {
        whom: Whom,
        expired: bool,
        expire_at: Option<u64>,
        info: Option<String>,
    },
    /// A user is blocked.
    BlockUser { user: String, until: Option<u64> },
    /// A block has ended.
    UnblockUser { user: String },
    /// A token is revoked.
    RevokeToken { id: String, until: Option<u64> },
    /// Tokens of a user are.
    InvalidateTokens {
        user: String,
        issued_before: u64,
        channel: Option<String>,
        until: Option<u64>,
    },
    /// All sessions end at once and come to the process that has taken over, where every order
    /// holds: what stands for orders that could not be passed on.
    DisconnectAll,
}

/// Why a line is not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("it is not one that is known here: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("it is of version {0}, and {VERSION} is known here")]
    Version(u32),
}

#[derive(Serialize, Deserialize)]
struct Line<T> {
    v: u32,
    #[serde(flatten)]
    order: T,
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

impl Order {
    /// What a command to sessions is to the process before; `None` for what is not passed on.
    pub(super) fn of(whom: &Whom, command: &ServerCommand) -> Option<Self> {
        let whom = whom.clone();
        match command {
            // All sessions there are older than those here.
            ServerCommand::Disconnect(close) | ServerCommand::DisconnectOlder { close, .. } => {
                let Close { code, reason } = close.clone();
                Some(Self::Disconnect {
                    whom,
                    code,
                    reason: reason.into_owned(),
                })
            }
            ServerCommand::Unsubscribe { channel, .. } => Some(Self::Unsubscribe {
                whom,
                channel: channel.to_string(),
            }),
            ServerCommand::Refresh {
                expired,
                expire_at,
                info,
            } => Some(Self::Refresh {
                whom,
                expired: *expired,
                expire_at: *expire_at,
                info: info.as_ref().map(text),
            }),
            ServerCommand::Subscribe(_) => None,
        }
    }

    /// Its line.
    pub(super) fn line(&self) -> String {
        let line = Line {
            v: VERSION,
            order: self,
        };
        // Only maps with keys that are no texts, and types that refuse, cannot be written.
        let mut line = serde_json::to_string(&line).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Reads a line.
    ///
    /// # Errors
    /// It is of a process that knows more.
    pub(super) fn parse(line: &str) -> Result<Self, LineError> {
        let Versioned { v } = serde_json::from_str(line)?;
        if v != VERSION {
            return Err(LineError::Version(v));
        }
        let Line { order, .. } = serde_json::from_str(line)?;
        Ok(order)
    }
}

/// JSON, which was looked at where it came in.
fn text(json: &Bytes) -> String {
    String::from_utf8_lossy(json).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::close::Unsubscribe;

    fn whom(user: &str, client: &str, session: &str) -> Whom {
        Whom {
            user: user.to_string(),
            client: client.to_string(),
            session: session.to_string(),
            except: Vec::new(),
        }
    }

    #[test]
    fn an_order_is_for_a_user_or_a_client_and_never_for_more_than_was_named() {
        let emulation = EmulationRegistry::new(16);
        assert!(!whom("", "", "").is_named());
        let unknown = whom("42", "", "s").selector(&emulation);
        assert!(unknown.is_none(), "not all sessions of 42");
        assert!(whom("", "", "s").selector(&emulation).is_none());
        let malformed = whom("42", "no id", "").selector(&emulation);
        assert!(malformed.is_none(), "nor here");
        let id = SessionId::random();
        let both = whom("42", &id.to_string(), "").selector(&emulation);
        let both = both.expect("someone");
        assert_eq!((both.user.as_deref(), both.client), (Some("42"), Some(id)));
    }

    // What a process writes the other one reads, and as the same.
    #[test]
    fn every_order_is_read_as_it_was_written() {
        let commands = [
            ServerCommand::Disconnect(Close::new(4001, "so \"it\" is\n")),
            ServerCommand::Unsubscribe {
                channel: "news".into(),
                why: Unsubscribe::SERVER,
            },
            ServerCommand::Refresh {
                expired: true,
                expire_at: Some(7),
                info: Some(Bytes::from_static(b"{\"a\":[1]}")),
            },
        ];
        let whom = Whom {
            except: vec![SessionId::random().to_string()],
            ..Whom::user("42")
        };
        let of_sessions = commands.iter().map(|command| Order::of(&whom, command));
        let of_sessions = of_sessions.map(|order| order.expect("passed on"));
        let (user, until) = ("42".to_string(), Some(9));
        let others = [
            Order::BlockUser {
                user: user.clone(),
                until,
            },
            Order::UnblockUser { user: user.clone() },
            Order::RevokeToken {
                id: "t".to_string(),
                until: None,
            },
            Order::InvalidateTokens {
                user,
                issued_before: 3,
                channel: Some("news".to_string()),
                until,
            },
            Order::DisconnectAll,
        ];
        for order in of_sessions.chain(others) {
            let line = order.line();
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert_eq!(Order::parse(&line).expect("an order"), order);
        }
    }

    // A newer process may say what this one cannot do; it must not be taken for something else.
    #[test]
    fn a_line_of_another_version_and_an_unknown_order_are_errors() {
        let parse = |line: &str| Order::parse(line);
        assert!(matches!(
            parse("{\"v\":2,\"order\":\"disconnect_all\"}"),
            Err(LineError::Version(2))
        ));
        for line in [
            "",
            "FAILED it\n",
            "{\"v\":1,\"order\":\"other\"}",
            "{\"v\":1}",
        ] {
            assert!(
                matches!(parse(line), Err(LineError::Malformed(_))),
                "{line}"
            );
        }
        let more = parse("{\"v\":1,\"order\":\"unblock_user\",\"user\":\"42\",\"new\":1}");
        assert!(more.is_ok(), "fields that are new change nothing");
    }
}
