//! A raw endpoint as its sessions see it: the settings of a `[[raw]]`, with its channel names made
//! once.

use std::sync::Arc;

use actix_web::web;

use crate::{
    config::{self, OnMessage, RawEndpoint},
    id::StreamPosition,
    node::recovery::Since,
    registry::ChannelName,
    session::handshake::Refusal,
};

/// One `[[raw]]`, shared by all its sessions.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Its path.
    pub path: Arc<str>,
    /// The settings.
    pub settings: RawEndpoint,
    /// The server's own channel of everyone on this path; only joined where messages are relayed.
    group: ChannelName,
    channels: Vec<ChannelName>,
    /// The same, and behind them those of who has none of its own.
    with_defaults: Vec<ChannelName>,
}

impl Endpoint {
    /// Prepares an endpoint.
    #[must_use]
    pub(crate) fn new(settings: &RawEndpoint) -> Arc<Self> {
        let named = |names: &[String]| -> Vec<ChannelName> {
            names.iter().map(|name| name.as_str().into()).collect()
        };
        let channels = named(&settings.channels);
        Arc::new(Self {
            path: settings.path.as_str().into(),
            group: format!("$endpoint:{}", settings.path).into(),
            with_defaults: [channels.clone(), named(&settings.default_channels)].concat(),
            channels,
            settings: settings.clone(),
        })
    }

    /// The channels that a session joins by being here; `has_own` says that it asks for channels or
    /// is given some.
    #[must_use]
    pub(crate) fn channels(&self, has_own: bool) -> &[ChannelName] {
        match has_own {
            true => &self.channels,
            false => &self.with_defaults,
        }
    }

    /// The server's own channel of everyone on this path, where messages are relayed: who has no
    /// channel speaks to it.
    #[must_use]
    pub(crate) fn group(&self) -> Option<&ChannelName> {
        matches!(self.settings.on_message, OnMessage::Relay { .. }).then_some(&self.group)
    }
}

/// What a plain client says in its query: raw WebSocket, SSE and long-poll alike.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// `?channel=`, any number of times.
    pub channels: Vec<ChannelName>,
    /// `?since=`: one for each channel in order, or one that stands for all (see
    /// [`Query::since`]).
    since: Vec<Since>,
    /// They came in one text, which an answer gave and which may name channels that a token gave
    /// too.
    combined: bool,
    /// `?heartbeat=1`.
    pub heartbeat: bool,
    /// `?envelope=1`.
    pub envelope: bool,
    /// `?token=`.
    pub token: Option<String>,
    /// `?path=`: the raw endpoint that a request stands in for.
    pub path: Option<String>,
}

impl Query {
    /// Reads a query string; what it does not know is for others.
    ///
    /// # Errors
    /// A channel name that is none, more than `channels_max` of them, or a `since` that is none or
    /// fits no channel.
    pub(crate) fn parse(query: &str, channels_max: usize) -> Result<Self, Refusal> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|error| Refusal::Channel(format!("the query cannot be read: {error}")))?;
        let mut parsed = Self::default();
        for (name, value) in pairs.into_inner() {
            match name.as_str() {
                "channel" => {
                    config::check_channel_name(&value)
                        .map_err(|why| Refusal::Channel(why.to_string()))?;
                    if parsed.channels.len() == channels_max {
                        return Err(Refusal::Channel(format!(
                            "more than {channels_max} channels in one connection (limits.subscriptions)"
                        )));
                    }
                    parsed.channels.push(value.into());
                }
                "since" => parsed.add_since(&value, channels_max)?,
                // A native EventSource can say it in no other way when it is made anew.
                "last_event_id" => parsed.resume_at(&value, channels_max)?,
                "heartbeat" => parsed.heartbeat = is_on(&value),
                "envelope" => parsed.envelope = is_on(&value),
                "token" => parsed.token = Some(value),
                "path" => parsed.path = Some(value),
                _ => {}
            }
        }
        let (positions, channels) = (parsed.since.len(), parsed.channels.len());
        if positions > 1 && positions != channels && !(parsed.combined && positions > channels) {
            return Err(Refusal::Channel(format!(
                "{} positions in since for {} channels; expected one for each channel, in their order",
                positions, channels
            )));
        }
        Ok(parsed)
    }

    /// Forgets every `since` and takes the one given: a header's word that is newer than the
    /// address.
    ///
    /// # Errors
    /// It is no position.
    pub(crate) fn resume_at(&mut self, since: &str, channels_max: usize) -> Result<(), Refusal> {
        self.since.clear();
        self.add_since(since, channels_max)
    }

    /// One `since`, or the combined form: several with commas between them.
    fn add_since(&mut self, value: &str, channels_max: usize) -> Result<(), Refusal> {
        self.combined = self.since.is_empty() && value.contains(',');
        for part in value.split(',') {
            if self.since.len() == channels_max {
                return Err(Refusal::Channel(
                    "more positions in since than channels".to_string(),
                ));
            }
            let since = match part {
                "" => Some(Since::Now),
                Since::NOWHERE => Some(Since::nowhere()),
                part => Since::parse(part),
            };
            self.since.push(since.ok_or_else(|| {
                Refusal::Channel(
                    "since is offset@epoch, a number of newest messages, or what an answer gave as since"
                        .to_string(),
                )
            })?);
        }
        Ok(())
    }

    /// Whether the client says from where it goes on.
    #[must_use]
    pub(crate) fn has_since(&self) -> bool {
        !self.since.is_empty()
    }

    /// From where the channel at this place goes on. A single number of newest messages stands for
    /// every channel, a single position for the first.
    #[must_use]
    pub(crate) fn since(&self, index: usize) -> Since {
        match self.since.as_slice() {
            [all @ Since::Newest(_)] => all.clone(),
            each => each.get(index).cloned().unwrap_or(Since::Now),
        }
    }
}

/// All positions in one text, in the order of the channels; `-` for one that keeps no history.
#[must_use]
pub(crate) fn combined(positions: &[StreamPosition]) -> String {
    let each = positions
        .iter()
        .map(|position| match position.epoch.is_none() {
            true => Since::NOWHERE.to_string(),
            false => position.to_string(),
        });
    each.collect::<Vec<_>>().join(",")
}

fn is_on(value: &str) -> bool {
    value == "1" || value == "true"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_channels_and_asks_for_heartbeats() {
        let query = Query::parse("channel=a&x=%ZZ&channel=b%2Fc&heartbeat=1", 8).expect("fine");
        let names: Vec<&str> = query.channels.iter().map(|name| &**name).collect();
        assert_eq!(names, ["a", "b/c"]);
        assert!(query.heartbeat);
        assert_eq!(Query::parse("", 8), Ok(Query::default()));
    }

    #[test]
    fn a_query_says_from_where_each_channel_goes_on() {
        let position = |offset, epoch: &str| Since::Offset {
            offset,
            epoch: epoch.to_string(),
        };
        let query = Query::parse("channel=a&channel=b&since=5@ab&since=7@cd", 8).expect("fine");
        assert_eq!(
            (query.since(0), query.since(1)),
            (position(5, "ab"), position(7, "cd"))
        );
        let query = Query::parse("channel=a&channel=b&since=5@ab,-", 8).expect("fine");
        assert_eq!(
            (query.since(0), query.since(1)),
            (position(5, "ab"), Since::nowhere())
        );
        // More than are named: the rest belongs to channels that the token gives.
        let query = Query::parse("channel=a&since=5@ab,,7@cd", 8).expect("fine");
        assert_eq!(
            (query.since(1), query.since(2)),
            (Since::Now, position(7, "cd"))
        );
        let query = Query::parse("channel=a&channel=b&since=10", 8).expect("fine");
        assert_eq!(query.since(1), Since::Newest(10));
        let mut query = Query::parse("channel=a&since=1@ab", 8).expect("fine");
        query.resume_at("3@ab", 8).expect("fine");
        assert_eq!(query.since(0), position(3, "ab"));
        for bad in [
            "channel=a&since=x",
            "channel=a&channel=b&channel=c&since=1@a,2@b",
            "channel=a&since=1@a&since=2@b",
            "channel=a&since=-1",
        ] {
            assert!(Query::parse(bad, 8).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_that_are_none_are_refused() {
        let long = format!("channel={}", "x".repeat(256));
        for query in [
            "channel=",
            "channel=a%20b",
            "channel=%E4%BD%A0",
            "channel=$all",
            &long,
        ] {
            assert!(
                matches!(Query::parse(query, 8), Err(Refusal::Channel(_))),
                "{query}"
            );
        }
        assert!(Query::parse(&format!("channel={}", "x".repeat(255)), 8).is_ok());
        assert!(Query::parse("channel=a&channel=b&channel=c", 2).is_err());
    }
}
