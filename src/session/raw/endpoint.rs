//! A raw endpoint as its sessions see it: the settings of a `[[raw]]`, with its channel names made
//! once.

use std::sync::Arc;

use actix_http::header::HeaderMap;

use crate::{
    config::{OnMessage, RawEndpoint},
    registry::ChannelName,
    session::handshake::{self, Refusal},
};

/// One `[[raw]]`, shared by all its sessions.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The path that it is served at.
    pub(crate) path: Arc<str>,
    /// Its `[[raw]]` table.
    pub(crate) settings: RawEndpoint,
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

    /// Whether a page may come here.
    ///
    /// # Errors
    /// [`Refusal::Origin`].
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let allowed = self.settings.origins.as_deref();
        handshake::check_origin(headers, allowed, "origins of its [[raw]]")
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
