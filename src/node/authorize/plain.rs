//! The channels of a plain client (raw WebSocket, `/sse`, `/poll`, `/send`): what the rules say of
//! them is pure; what they leave to the backend is asked one by one, once nothing else is denied.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;

use super::{Action, Grant, Permission, Principal, permission, rules_of};
use crate::{
    channel_name,
    config::{Channels, Namespace},
    hooks::{SubscribeAnswer, UserContext},
    metrics::RefusalReason,
    node::{
        Node,
        auth::{AuthError, Identity},
    },
    protocol::ReplyError,
    registry::ChannelName,
    subscription::ServerSubscription,
};

/// Why a plain client has a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It asked for it.
    Asked,
    /// Its token or the backend gave it.
    Given,
    /// Everyone on its endpoint has it.
    Endpoint,
}

/// A channel of a plain client, whose queries ask and whose endpoint or identity gives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlainChannel {
    /// The channel.
    pub(crate) channel: ChannelName,
    /// Why the client has it.
    pub(crate) origin: Origin,
    /// The rules; absent while the settings write none, and everything is open.
    pub(crate) rules: Option<Arc<Namespace>>,
    /// What the client was granted there.
    pub(crate) grant: Grant,
    /// Whether what the client says on an endpoint that relays goes there. Where the backend is to
    /// decide about each publication it does not: only the client protocol and `/send` ask it.
    pub(crate) publishes: bool,
    /// The backend is still to say whether the client may subscribe.
    ask: bool,
}

impl PlainChannel {
    /// Whether the backend is still to say whether the client may subscribe.
    pub(super) fn is_to_be_asked(&self) -> bool {
        self.ask
    }

    /// Takes what the backend said.
    pub(super) fn apply_answer(&mut self, answer: SubscribeAnswer) {
        self.grant = answer.into();
        self.ask = false;
    }
}

/// What a plain client wants.
#[derive(Clone, Copy, Debug)]
pub(in crate::node) struct PlainRequest<'a> {
    /// Who it is.
    pub(in crate::node) identity: &'a Identity,
    /// Channels that it asks for.
    pub(in crate::node) asked: &'a [ChannelName],
    /// Channels that everyone on its endpoint has.
    pub(in crate::node) endpoint: &'a [ChannelName],
}

/// What the rules say of the channels of a plain client: those it asks for, those it was given and
/// those of its endpoint, each once. What it was given and what cannot be there is left out and
/// logged.
pub(super) fn apply_rules(
    channels: &Channels,
    request: PlainRequest<'_>,
) -> Result<Vec<PlainChannel>, AuthError> {
    let identity = request.identity;
    let mut known: HashSet<&str> = HashSet::new();
    let mut planned = Vec::new();
    for channel in request.asked {
        if known.insert(channel) {
            planned.push(asked(channels, identity, channel)?);
        }
    }
    for given in &identity.subscriptions {
        if known.insert(&given.channel)
            && let Some(channel) = given_channel(channels, given)
        {
            planned.push(channel);
        }
    }
    for channel in request.endpoint {
        if known.insert(channel) {
            planned.push(open(channels, channel, Origin::Endpoint, Grant::default()));
        }
    }
    Ok(planned)
}

fn asked(
    channels: &Channels,
    identity: &Identity,
    channel: &ChannelName,
) -> Result<PlainChannel, AuthError> {
    let mut planned = open(channels, channel, Origin::Asked, Grant::default());
    if !channels.configured {
        return Ok(planned);
    }
    let denied = |error| AuthError::channel(error, channel);
    let rules = rules_of(channels, channel).map_err(denied)?;
    match permission(Action::Subscribe, channel, rules, identity, None) {
        Permission::Granted => {}
        Permission::AskHook => planned.ask = true,
        Permission::Denied => {
            let error = super::denied(Action::Subscribe, channel, channels, rules);
            return Err(denied(error));
        }
    }
    // What its token or the backend says of it counts as well where the client asks for it.
    let mut given = identity.subscriptions.iter();
    if let Some(given) = given.find(|sub| *sub.channel == **channel) {
        planned.grant = given.into();
    }
    Ok(planned)
}

fn given_channel(channels: &Channels, given: &ServerSubscription) -> Option<PlainChannel> {
    let name = &given.channel;
    let error = match channels.configured {
        true => rules_of(channels, name).err(),
        false => channel_name::check(name).err().map(ReplyError::from),
    };
    if let Some(error) = error {
        super::tell_left_out(name, &error);
        return None;
    }
    let channel: ChannelName = name.as_str().into();
    Some(open(channels, &channel, Origin::Given, given.into()))
}

/// A channel that the client has unless somebody says no.
fn open(channels: &Channels, channel: &ChannelName, origin: Origin, grant: Grant) -> PlainChannel {
    let rules = channels
        .configured
        .then(|| rules_of(channels, channel).ok().cloned());
    PlainChannel {
        channel: channel.clone(),
        origin,
        rules: rules.flatten(),
        grant,
        publishes: false,
        ask: false,
    }
}

/// Says where the client's messages go: everywhere while no rules are written, else where the rules
/// let a subscriber publish.
pub(super) fn settle_publishing(
    channels: &Channels,
    identity: &Identity,
    planned: &mut [PlainChannel],
) {
    for plain in planned {
        plain.publishes = match &plain.rules {
            Some(rules) => {
                let allow = Some(plain.grant.allow.as_slice());
                permission(Action::Publish, &plain.channel, rules, identity, allow)
                    == Permission::Granted
            }
            None => !channels.configured,
        };
    }
}

impl Node {
    /// A channel that the server gives a plain client while it is there; absent, and logged, where
    /// there can be none of this name.
    #[must_use]
    pub(crate) fn given_channel(&self, given: &ServerSubscription) -> Option<PlainChannel> {
        given_channel(&self.settings.channels, given)
    }

    /// Whether what a client says on an endpoint that relays goes to a channel that the server has
    /// put it into.
    #[must_use]
    pub(crate) fn may_publish_as_subscriber(&self, user: Principal<'_>, channel: &str) -> bool {
        if !self.settings.channels.configured {
            return true;
        }
        let authorized = self.authorize(Action::Publish, channel, user, Some(&[]));
        matches!(authorized, Ok((_, Permission::Granted)))
    }

    /// The channels of a plain client, whatever route it comes by: those it asks for, where it may,
    /// those it was given, and those of its endpoint. What is denied is counted.
    ///
    /// # Errors
    /// The first channel that it may not have, or that they are too many.
    pub(in crate::node) async fn authorize_channels(
        &self,
        user_context: &UserContext,
        request: PlainRequest<'_>,
    ) -> Result<Vec<PlainChannel>, AuthError> {
        let channels = &self.settings.channels;
        let identity = request.identity;
        let mut distinct: HashSet<&str> = request.asked.iter().map(|name| &**name).collect();
        distinct.extend(
            identity
                .subscriptions
                .iter()
                .map(|sub| sub.channel.as_str()),
        );
        if distinct.len() > self.settings.limits.subscriptions {
            return Err(self.too_many_channels());
        }
        let planned = apply_rules(channels, request);
        let mut planned = planned.inspect_err(|_| self.metrics.refuse(RefusalReason::Channel))?;
        for plain in planned.iter_mut().filter(|plain| plain.is_to_be_asked()) {
            let answer = self
                .hooks
                .subscribe(user_context, &plain.channel, "", Bytes::new())
                .await?;
            plain.apply_answer(answer);
        }
        settle_publishing(channels, identity, &mut planned);
        Ok(planned)
    }
}
