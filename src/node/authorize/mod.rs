//! Who may: subscribe, publish, read the history, see who is there. The one place that decides it,
//! for every kind of client and every route.
//!
//! What the rules say is pure ([`permission`], [`plain`]); what they leave to the backend or to a
//! token of a channel, [`Node`] asks, and puts into the same [`Grant`]. It holds nothing. Bound:
//! `limits.subscriptions` channels of a client, counted before anything is decided or asked. It
//! must not know sessions or requests.

pub(crate) mod api;
mod grant;
pub(crate) mod plain;
pub(crate) mod publish;
mod subscribe;

use std::sync::Arc;

use log::Level;

pub(crate) use self::grant::{GRACE_SECS, Grant};
use super::{
    Node,
    auth::{AuthError, Identity},
};
use crate::{
    channel_name,
    config::{Channels, Namespace},
    logger::{self, REFUSAL_PAUSE, Subject},
    protocol::ReplyError,
    registry::ChannelName,
    subscription::ServerSubscription,
};

/// What someone wants to do in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Get its publications.
    Subscribe,
    /// Publish.
    Publish,
    /// Read what was published.
    History,
    /// See who is there.
    Presence,
}

/// Whether they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// The rules let them, or what they were granted does.
    Granted,
    /// The backend decides.
    AskHook,
    /// Nobody lets them.
    Denied,
}

/// Who wants something, as far as the rules look at it: a user who is known, and the channels that
/// a token or the backend gave it. An identity is one; of a session that has begun its user is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Principal<'a> {
    /// Empty: anonymous.
    user: &'a str,
    given: &'a [ServerSubscription],
}

impl<'a> Principal<'a> {
    /// A user of whom nothing else is known any more.
    #[must_use]
    pub(crate) fn named(user: &'a str) -> Self {
        Self { user, given: &[] }
    }

    fn is_given(&self, channel: &str) -> bool {
        self.given.iter().any(|sub| sub.channel == channel)
    }
}

impl<'a> From<&'a Identity> for Principal<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self {
            user: &identity.user,
            given: &identity.subscriptions,
        }
    }
}

/// Whether a word of the backend's `allow` (Centrifugo's short ones too) covers an action.
fn covers(word: &str, action: Action) -> bool {
    match action {
        Action::Subscribe => false,
        Action::Publish => matches!(word, "publish" | "pub"),
        Action::History => matches!(word, "history" | "hst"),
        Action::Presence => matches!(word, "presence" | "prs"),
    }
}

/// The users that a channel is for: what stands behind its `#`, by commas. Absent: anyone.
fn users_of(channel: &str) -> Option<impl Iterator<Item = &str>> {
    let (_, users) = channel.split_once('#')?;
    Some(users.split(','))
}

/// Whether someone may do something in a channel. `subscription` is what the backend allows it
/// beside as a subscriber; absent: it is none.
#[must_use]
pub(crate) fn permission<'a>(
    action: Action,
    channel: &str,
    rules: &Namespace,
    who: impl Into<Principal<'a>>,
    subscription: Option<&[String]>,
) -> Permission {
    let who: Principal = who.into();
    let allow = match action {
        Action::Subscribe => rules.allow_subscribe,
        Action::Publish => rules.allow_publish,
        Action::History => rules.allow_history,
        Action::Presence => rules.allow_presence,
    };
    if subscription.is_some_and(|words| words.iter().any(|word| covers(word, action))) {
        return Permission::Granted;
    }
    let is_anonymous = who.user.is_empty();
    let named =
        users_of(channel).map(|mut users| !is_anonymous && users.any(|user| user == who.user));
    match named {
        Some(false) => return Permission::Denied,
        Some(true) if action == Action::Subscribe => return Permission::Granted,
        _ => {}
    }
    let is_granted = (allow.client && !is_anonymous)
        || (allow.anonymous && is_anonymous)
        || (allow.subscriber && subscription.is_some() && action != Action::Subscribe)
        || (action == Action::Subscribe && who.is_given(channel));
    if is_granted {
        Permission::Granted
    } else if allow.hook && matches!(action, Action::Subscribe | Action::Publish) {
        Permission::AskHook
    } else {
        Permission::Denied
    }
}

/// Error 103, with the setting that would let them.
fn denied(action: Action, channel: &str, channels: &Channels, rules: &Namespace) -> ReplyError {
    let setting = match action {
        Action::Subscribe => "allow.subscribe",
        Action::Publish => "allow.publish",
        Action::History => "allow.history",
        Action::Presence => "allow.presence",
    };
    let cause = if users_of(channel).is_some() {
        "the channel is for the users named behind its #".to_string()
    } else if !channels.configured {
        format!("no [channels] with {setting} is written")
    } else {
        format!("{setting} of {}", rules.section())
    };
    ReplyError {
        message: format!("permission denied ({cause})").into(),
        ..ReplyError::PERMISSION_DENIED
    }
}

/// Says in the log that a token or the backend names a channel that is not to be had.
pub(crate) fn tell_left_out(channel: &str, error: &ReplyError) {
    let what = "channel of a token or the backend left out";
    let subject = Subject::new(Level::Warn, module_path!(), what)
        .with("channel", channel)
        .with("reason", error);
    logger::throttled(subject, REFUSAL_PAUSE, |times| {
        log::warn!(channel, reason:% = error, times; "{what}");
    });
}

/// The rules of a channel.
///
/// # Errors
/// 107 for what is no name, with the reason; 102 for an unknown namespace, with its name.
fn rules_of<'a>(channels: &'a Channels, channel: &str) -> Result<&'a Arc<Namespace>, ReplyError> {
    channel_name::check(channel)?;
    channels.rules(channel).ok_or_else(|| {
        let (namespace, _) = channel.split_once(':').unwrap_or_default();
        ReplyError {
            message: format!("unknown channel (there is no [[namespace]] {namespace:?})").into(),
            ..ReplyError::UNKNOWN_CHANNEL
        }
    })
}

impl Node {
    /// The rules of a channel.
    ///
    /// # Errors
    /// 107 for what is no name, with the reason; 102 for an unknown namespace.
    pub(crate) fn rules(&self, channel: &str) -> Result<&Arc<Namespace>, ReplyError> {
        rules_of(&self.settings.channels, channel)
    }

    /// The rules of a channel for the server's own callers: while none are written there are no
    /// namespaces to be unknown.
    ///
    /// # Errors
    /// As [`rules`](Self::rules).
    pub(crate) fn rules_for_server(&self, channel: &str) -> Result<&Arc<Namespace>, ReplyError> {
        let channels = &self.settings.channels;
        if channels.configured {
            return rules_of(channels, channel);
        }
        channel_name::check(channel)?;
        Ok(&channels.default)
    }

    /// The rules of a channel in which someone may do something, and whether the backend is to
    /// be asked first. `subscription` is what the backend allows it beside as a subscriber; absent:
    /// it is none.
    ///
    /// # Errors
    /// There is no such channel, or they may not.
    pub(crate) fn authorize<'a>(
        &self,
        action: Action,
        channel: &str,
        who: impl Into<Principal<'a>>,
        subscription: Option<&[String]>,
    ) -> Result<(&Arc<Namespace>, Permission), ReplyError> {
        let rules = self.rules(channel)?;
        let permission = permission(action, channel, rules, who, subscription);
        match permission {
            Permission::Denied => Err(denied(action, channel, &self.settings.channels, rules)),
            permission => Ok((rules, permission)),
        }
    }

    /// Why a client may not do something in a channel that it has.
    #[must_use]
    pub(crate) fn denial(&self, action: Action, channel: &ChannelName) -> AuthError {
        let error = match self.rules_for_server(channel) {
            Ok(rules) => denied(action, channel, &self.settings.channels, rules),
            Err(error) => error,
        };
        let channel = channel.clone();
        AuthError::Channel { error, channel }
    }
}

#[cfg(test)]
mod tests;
