//! What administrators look for among the sessions. The `Server` actor looks at
//! [`SLICE`] sessions at a time, so that nobody waits for a long list.

use std::{net::IpAddr, sync::Arc};

use actix::Message;

use crate::{connection::info::SessionInfo, id::SessionId};

/// Sessions that are looked at in one turn.
pub(super) const SLICE: usize = 1000;

/// Which sessions; everything that is set must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionSearch {
    /// Part of the id, the user, the address, the endpoint or the user agent, in any case of ASCII.
    pub(crate) text: Option<String>,
    /// The user's name, whole.
    pub(crate) user: Option<String>,
    /// The session's id, whole.
    pub(crate) client: Option<SessionId>,
    /// The client's address, as trusted proxies tell it.
    pub(crate) address: Option<IpAddr>,
    /// The path of the endpoint.
    pub(crate) endpoint: Option<String>,
    /// Part of the user agent, in any case of ASCII.
    pub(crate) user_agent: Option<String>,
    /// How it is carried, as it is shown.
    pub(crate) transport: Option<String>,
}

/// Whether a text has a part, in any case of ASCII.
pub(crate) fn contains(text: &str, part: &str) -> bool {
    part.is_empty()
        || text
            .as_bytes()
            .windows(part.len())
            .any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

impl SessionSearch {
    /// Whether a session fits.
    #[must_use]
    pub(crate) fn admits(&self, info: &SessionInfo) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == found
        };
        let agent = info.user_agent().unwrap_or_default();
        let agent_fits = self.user_agent.as_deref();
        is(&self.user, info.user())
            && self.client.is_none_or(|client| client == info.id)
            && self
                .address
                .is_none_or(|address| info.address == Some(address))
            && is(&self.endpoint, Some(&info.endpoint))
            && is(&self.transport, Some(info.transport.as_str()))
            && agent_fits.is_none_or(|part| contains(agent, part))
            && self.text.as_deref().is_none_or(|part| has_text(info, part))
    }
}

/// Whether a session shows a text somewhere. Ids and addresses are written out only for what could
/// be a part of one.
fn has_text(info: &SessionInfo, part: &str) -> bool {
    let user = info.user().unwrap_or_default();
    let agent = info.user_agent().unwrap_or_default();
    if [user, agent, &info.endpoint]
        .iter()
        .any(|text| contains(text, part))
    {
        return true;
    }
    let could_be = |signs: &[u8]| {
        let mut bytes = part.bytes();
        bytes.all(|byte| byte.is_ascii_hexdigit() || signs.contains(&byte))
    };
    let address = info.address.filter(|_| could_be(b".:"));
    address.is_some_and(|address| contains(&address.to_string(), part))
        || (could_be(b"-") && contains(&info.id.to_string(), part))
}

/// Asks which of the next [`SLICE`] sessions fit.
#[derive(Message)]
#[rtype(result = "SessionSlice")]
pub(crate) struct ScanSessions {
    /// What they must fit.
    pub(crate) search: Arc<SessionSearch>,
    /// Behind this place; 0 begins at the oldest.
    pub(crate) after: u64,
}

/// Those that fit.
#[derive(Debug, Default)]
pub(crate) struct SessionSlice {
    /// With their places, oldest first.
    pub(crate) sessions: Vec<(u64, Arc<SessionInfo>)>,
    /// Where the next ones begin (`after`); absent behind the last.
    pub(crate) next: Option<u64>,
}

#[cfg(test)]
mod tests {
    use std::{sync::OnceLock, time::Instant};

    use super::*;
    use crate::connection::info::{RequestWords, Traffic, TransportKind};

    fn session() -> SessionInfo {
        SessionInfo {
            id: SessionId::random(),
            user: OnceLock::from(Box::from("Anna Müller")),
            protocol: None,
            address: "2001:db8::beef".parse().ok(),
            endpoint: "/ws".into(),
            words: RequestWords {
                user_agent: Some("Mozilla/5.0 (微信)".into()),
                ..RequestWords::default()
            }
            .boxed(),
            transport: TransportKind::WebSocket,
            worker: 0,
            since_ms: 0,
            started: Instant::now(),
            traffic: Traffic::default(),
        }
    }

    #[test]
    fn a_text_is_looked_for_wherever_a_session_shows_one() {
        let session = session();
        let id = session.id.to_string();
        let text = |text: &str| SessionSearch {
            text: Some(text.to_string()),
            ..SessionSearch::default()
        };
        for part in [
            "",
            "anna",
            "MÜLLER",
            "müller",
            "beef",
            "DB8::",
            "/ws",
            "mozilla",
            "微信",
            &id[..13],
        ] {
            // Only ASCII has cases here.
            let fits = part != "MÜLLER";
            assert_eq!(text(part).admits(&session), fits, "{part}");
        }
        for part in ["bert", "2001:db9", "/ws2", "弹幕", "deadbeef-"] {
            assert!(!text(part).admits(&session), "{part}");
        }
    }

    #[test]
    fn everything_that_is_set_must_fit() {
        let session = session();
        let right = SessionSearch {
            text: None,
            user: Some("Anna Müller".to_string()),
            client: Some(session.id),
            address: session.address,
            endpoint: Some("/ws".to_string()),
            user_agent: Some("mozilla".to_string()),
            transport: Some("websocket".to_string()),
        };
        assert!(right.admits(&session));
        let none = || Some("x".to_string());
        let wrong = [
            SessionSearch {
                text: none(),
                ..right.clone()
            },
            SessionSearch {
                user: none(),
                ..right.clone()
            },
            SessionSearch {
                client: Some(SessionId::random()),
                ..right.clone()
            },
            SessionSearch {
                address: "::1".parse().ok(),
                ..right.clone()
            },
            SessionSearch {
                endpoint: none(),
                ..right.clone()
            },
            SessionSearch {
                user_agent: none(),
                ..right.clone()
            },
            SessionSearch {
                transport: none(),
                ..right.clone()
            },
        ];
        for search in wrong {
            assert!(!search.admits(&session), "{search:?}");
        }
    }
}
