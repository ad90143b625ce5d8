//! What a process that has taken over has the one before it do too, which still has sessions for
//! the time of its drain: commands to sessions, blocks and revocations. A command is one line of
//! JSON with a version; [`queue`] holds those that wait, [`apply`] does what they say.
//!
//! `subscribe` is none of them: it would begin in a process that is told of no publication any
//! more.

mod apply;
pub(crate) mod queue;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::emulation::EmulationRegistry;
use crate::{
    close::Close,
    id::SessionId,
    shard::{Selector, ServerCommand},
};

/// Of the lines. A process that is told of another one does what [`ControlCommand::DisconnectAll`]
/// says.
const VERSION: u32 = 1;

/// Whom a command is for, by the names that the caller has: a user's sessions, one session, or one
/// session if it is that user's. Kept as they came, since each process knows its own sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NamedSelector {
    /// Sessions of this user only.
    pub(crate) user: Option<String>,
    /// The session with this id only.
    pub(crate) client: Option<String>,
    /// The session with this secret name only ([`EmulationRegistry`]).
    pub(crate) session: Option<String>,
    /// Ids of sessions that are left out.
    pub(crate) except: Vec<String>,
}

impl NamedSelector {
    /// All sessions of a user.
    pub(crate) fn user(user: &str) -> Self {
        Self {
            user: Some(user.to_string()),
            ..Self::default()
        }
    }

    /// Selects one session by its id.
    pub(crate) fn session(id: SessionId) -> Self {
        Self {
            client: Some(id.to_string()),
            ..Self::default()
        }
    }

    /// Whether it names anyone at all.
    pub(crate) fn is_named(&self) -> bool {
        self.user.is_some() || self.client.is_some() || self.session.is_some()
    }

    /// The sessions here that it means. `None` where a name is none that could be, so that there is
    /// nobody.
    pub(super) fn resolve(&self, emulation: &EmulationRegistry) -> Option<Selector> {
        let by_name = match &self.session {
            Some(session) => Some(emulation.client_of(session)?),
            None => None,
        };
        let client = match &self.client {
            Some(client) => Some(SessionId::parse(client)?),
            None => by_name,
        };
        // Two names of one session, or nobody.
        if by_name.is_some() && by_name != client {
            return None;
        }
        let except = self.except.iter();
        Some(Selector {
            user: self.user.as_deref().map(Into::into),
            client,
            except: except.filter_map(|id| SessionId::parse(id)).collect(),
        })
    }
}

/// What the process before is to do too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(crate) enum ControlCommand {
    /// Sessions end.
    Disconnect {
        named: NamedSelector,
        code: u16,
        reason: String,
    },
    /// The API takes sessions out of a channel.
    Unsubscribe {
        named: NamedSelector,
        channel: String,
    },
    /// Credentials were renewed or have expired.
    Refresh {
        named: NamedSelector,
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
    /// All sessions end at once and come to the process that has taken over, where every command
    /// holds: what stands for commands that could not be forwarded.
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
struct ControlLine<T> {
    v: u32,
    #[serde(flatten)]
    command: T,
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

impl ControlCommand {
    /// What a command to sessions is to the process before; `None` for what is not forwarded.
    pub(super) fn of(named: &NamedSelector, command: &ServerCommand) -> Option<Self> {
        let named = named.clone();
        match command {
            // All sessions there are older than those here.
            ServerCommand::Disconnect(close) | ServerCommand::DisconnectOlder { close, .. } => {
                let Close { code, reason } = close.clone();
                Some(Self::Disconnect {
                    named,
                    code,
                    reason: reason.into_owned(),
                })
            }
            ServerCommand::Unsubscribe { channel, .. } => Some(Self::Unsubscribe {
                named,
                channel: channel.to_string(),
            }),
            ServerCommand::Refresh {
                expired,
                expire_at,
                info,
            } => Some(Self::Refresh {
                named,
                expired: *expired,
                expire_at: *expire_at,
                info: info.as_ref().map(text),
            }),
            ServerCommand::Subscribe(_) => None,
        }
    }

    /// The command as a line of JSON.
    pub(super) fn line(&self) -> String {
        let line = ControlLine {
            v: VERSION,
            command: self,
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
        let ControlLine { command, .. } = serde_json::from_str(line)?;
        Ok(command)
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

    fn named(user: &str, client: &str, session: &str) -> NamedSelector {
        let given = |name: &str| (!name.is_empty()).then(|| name.to_string());
        NamedSelector {
            user: given(user),
            client: given(client),
            session: given(session),
            except: Vec::new(),
        }
    }

    #[test]
    fn a_command_is_for_a_user_or_a_client_and_never_for_more_than_was_named() {
        let emulation = EmulationRegistry::new(16);
        assert!(!named("", "", "").is_named());
        let unknown = named("42", "", "s").resolve(&emulation);
        assert!(unknown.is_none(), "not all sessions of 42");
        assert!(named("", "", "s").resolve(&emulation).is_none());
        let malformed = named("42", "no id", "").resolve(&emulation);
        assert!(malformed.is_none(), "nor here");
        let id = SessionId::random();
        let both = named("42", &id.to_string(), "").resolve(&emulation);
        let both = both.expect("someone");
        assert_eq!((both.user.as_deref(), both.client), (Some("42"), Some(id)));
    }

    // What a process writes the other one reads, and as the same.
    #[test]
    fn every_command_is_read_as_it_was_written() {
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
        let spared = NamedSelector {
            except: vec![SessionId::random().to_string()],
            ..NamedSelector::user("42")
        };
        let of_sessions = commands
            .iter()
            .map(|command| ControlCommand::of(&spared, command));
        let of_sessions = of_sessions.map(|command| command.expect("forwarded"));
        let (user, until) = ("42".to_string(), Some(9));
        let others = [
            ControlCommand::BlockUser {
                user: user.clone(),
                until,
            },
            ControlCommand::UnblockUser { user: user.clone() },
            ControlCommand::RevokeToken {
                id: "t".to_string(),
                until: None,
            },
            ControlCommand::InvalidateTokens {
                user,
                issued_before: 3,
                channel: Some("news".to_string()),
                until,
            },
            ControlCommand::DisconnectAll,
        ];
        for command in of_sessions.chain(others) {
            let line = command.line();
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert_eq!(ControlCommand::parse(&line).expect("a command"), command);
        }
    }

    // A newer process may say what this one cannot do; it must not be taken for something else.
    #[test]
    fn a_line_of_another_version_and_an_unknown_command_are_errors() {
        let parse = |line: &str| ControlCommand::parse(line);
        assert!(matches!(
            parse("{\"v\":2,\"command\":\"disconnect_all\"}"),
            Err(LineError::Version(2))
        ));
        for line in [
            "",
            "FAILED it\n",
            "{\"v\":1,\"command\":\"other\"}",
            "{\"v\":1}",
        ] {
            assert!(
                matches!(parse(line), Err(LineError::Malformed(_))),
                "{line}"
            );
        }
        let more = parse("{\"v\":1,\"command\":\"unblock_user\",\"user\":\"42\",\"new\":1}");
        assert!(more.is_ok(), "fields that are new change nothing");
    }
}
