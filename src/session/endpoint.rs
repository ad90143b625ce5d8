//! A raw endpoint as its sessions see it: the settings of a `[[raw]]`, with its channel names made once.

use std::sync::Arc;

use actix_web::web;

use crate::{
    config::{self, OnMessage, RawEndpoint},
    publication::Target,
    registry::ChannelName,
    session::handshake::Refusal,
};

/// One `[[raw]]`, shared by all its sessions.
#[derive(Debug)]
pub struct Endpoint {
    /// Its path.
    pub path: Arc<str>,
    /// The settings.
    pub settings: RawEndpoint,
    /// The server's own channel of everyone on this path; only joined where messages are relayed.
    group: ChannelName,
    channels: Vec<ChannelName>,
}

impl Endpoint {
    /// Prepares an endpoint.
    #[must_use]
    pub fn new(settings: &RawEndpoint) -> Arc<Self> {
        Arc::new(Self {
            path: settings.path.as_str().into(),
            group: format!("$endpoint:{}", settings.path).into(),
            channels: settings
                .channels
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
            settings: settings.clone(),
        })
    }

    /// The channels of a session that named `named`: these and the endpoint's own, each once. With the second
    /// value, to whom the session's messages are relayed: its channels, or everyone on the path if it has none.
    #[must_use]
    pub fn audience(&self, named: Vec<ChannelName>) -> (Vec<ChannelName>, Target) {
        let mut channels = self.channels.clone();
        for name in named {
            if !channels.contains(&name) {
                channels.push(name);
            }
        }
        let target = if channels.is_empty() {
            Target::Channels(vec![self.group.clone()])
        } else {
            Target::Channels(channels.clone())
        };
        if matches!(self.settings.on_message, OnMessage::Relay { .. }) {
            channels.push(self.group.clone());
        }
        (channels, target)
    }
}

/// What a raw endpoint reads of the request's query.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// `?channel=`, any number of times.
    pub channels: Vec<ChannelName>,
    /// `?heartbeat=1`.
    pub heartbeat: bool,
}

impl Query {
    /// Reads a query string; what it does not know is for others.
    ///
    /// # Errors
    /// A channel name that is none, or more than `channels_max` of them.
    pub fn parse(query: &str, channels_max: usize) -> Result<Self, Refusal> {
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
                "heartbeat" => parsed.heartbeat = value == "1" || value == "true",
                _ => {}
            }
        }
        Ok(parsed)
    }
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
