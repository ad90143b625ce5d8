//! Whether a client of the protocol may subscribe, and to what it is subscribed from the start.

use std::time::SystemTime;

use log::Level;

use super::{Action, Grant, Permission};
use crate::{
    close::Close,
    hooks::UserContext,
    logger::{self, REFUSAL_PAUSE, Subject},
    node::{
        Node,
        auth::{AuthError, Identity, log_not_yet},
    },
    protocol::{ReplyError, SubscribeRequest},
    subscription::ServerSubscription,
    token::TokenError,
};

impl Node {
    /// Whether a client of the protocol may subscribe: by a token of its own for the channel, by
    /// the rules, or by the backend.
    ///
    /// # Errors
    /// There is no such channel or its rules do not let the client ([`AuthError::Channel`]), its
    /// token does not count (see [`authorize_token`](Self::authorize_token)), or the backend
    /// refuses or does not answer.
    pub(crate) async fn authorize_subscribe(
        &self,
        identity: &Identity,
        user_context: &UserContext,
        request: &SubscribeRequest,
    ) -> Result<Grant, AuthError> {
        let channel = &*request.channel;
        if self.is_stats(channel) {
            return self.authorize_stats(&request.token);
        }
        let denied = |error| AuthError::channel(error, channel);
        let rules = self.rules(channel).map_err(denied)?;
        let by_token = !request.token.is_empty() && rules.allow_subscribe.token;
        if by_token && self.tokens.is_configured() {
            let client = user_context.client();
            return self
                .authorize_token(&identity.user, client, channel, &request.token)
                .await;
        }
        let authorized = self.authorize(Action::Subscribe, channel, identity, None);
        match authorized.map_err(denied)?.1 {
            Permission::AskHook => {
                let data = request.data.clone();
                let hooks = &self.hooks;
                let answer = hooks.subscribe(user_context, channel, &request.token, data);
                Ok(answer.await?.into())
            }
            _ => Ok(Grant::default()),
        }
    }

    /// What a token for a channel grants to a client.
    ///
    /// # Errors
    /// It is too old ([`AuthError::Expired`]), does not count or was revoked
    /// ([`AuthError::Channel`]), or is for another channel, user or client
    /// ([`AuthError::Disconnected`]).
    pub(crate) async fn authorize_token(
        &self,
        user: &str,
        client: &str,
        channel: &str,
        token: &str,
    ) -> Result<Grant, AuthError> {
        if self.is_stats(channel) {
            // As of any token: its client is told, and comes back with another.
            return self.authorize_stats(token).map_err(|_| AuthError::Expired);
        }
        let claims = match self.tokens.subscription(token, SystemTime::now()).await {
            Ok(claims) => claims,
            Err(error @ (TokenError::Invalid(_) | TokenError::Revoked)) => {
                let what = "subscription token refused";
                let subject = Subject::new(Level::Info, module_path!(), what)
                    .with("channel", channel)
                    .with("reason", &error);
                logger::throttled(subject, REFUSAL_PAUSE, |times| {
                    log::info!(id = client, user, channel, reason:% = error, times; "{what}");
                });
                return Err(AuthError::channel(ReplyError::PERMISSION_DENIED, channel));
            }
            Err(error @ TokenError::NotSeconds(_)) => {
                let error = ReplyError {
                    message: format!("permission denied: {error}").into(),
                    ..ReplyError::PERMISSION_DENIED
                };
                return Err(AuthError::channel(error, channel));
            }
            Err(error) => {
                log_not_yet(&error);
                return Err(error.into());
            }
        };
        let other_client = claims.client.as_deref().is_some_and(|of| of != client);
        let others = [
            (claims.channel != channel, "channel"),
            (claims.user != user, "user"),
            (other_client, "client"),
        ];
        if let Some((_, what)) = others.iter().find(|(is_other, _)| *is_other) {
            let why = format_args!("the subscription token is for another {what}");
            let close = Close::INVALID_TOKEN.because(why);
            return Err(AuthError::Disconnected(close));
        }
        Ok(claims.into())
    }

    /// Subscriptions that a client of the protocol has from the start: what its identity brings,
    /// its user's own channel where the settings say so, and, of what it asks for beside, what it
    /// may have without asking the backend.
    ///
    /// # Errors
    /// [`AuthError::TooManyChannels`].
    pub(crate) fn initial_subscriptions<'a>(
        &self,
        identity: &Identity,
        asked: impl ExactSizeIterator<Item = &'a String>,
    ) -> Result<Vec<ServerSubscription>, AuthError> {
        let channels_max = self.settings.limits.subscriptions;
        if asked.len() > channels_max {
            return Err(self.too_many_channels());
        }
        let mut granted = identity.subscriptions.clone();
        let personal = self.settings.client.personal_channel.as_ref();
        let personal = personal.and_then(|personal| personal.of(&identity.user));
        let personal = personal.filter(|channel| !identity.is_given(channel));
        granted.extend(personal.clone().map(ServerSubscription::to));
        let is_granted =
            |channel: &String| identity.is_given(channel) || personal.as_ref() == Some(channel);
        for channel in asked.filter(|channel| !is_granted(channel)) {
            let authorized = self.authorize(Action::Subscribe, channel, identity, None);
            if matches!(authorized, Ok((_, Permission::Granted))) {
                granted.push(ServerSubscription::to(channel.clone()));
            }
        }
        if granted.len() > channels_max {
            return Err(self.too_many_channels());
        }
        Ok(granted)
    }
}
