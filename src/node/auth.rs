//! Who someone is: what a token, the backend or nobody says of a client, in this order, for every
//! kind of client.
//!
//! Whoever comes gets its [`Identity`] here (channels that are asked about without a session have
//! an anonymous one), and [`AuthError`] knows what a refusal is in each of the forms that a client
//! can be told it. Bound: `limits.subscriptions` channels an identity, counted before anything is
//! made of them. What was taken back while someone was being asked about is looked at again by
//! [`Node::check_revoked`], which whoever begins a session calls.

mod api_keys;
mod error;

use std::{
    collections::HashSet,
    net::IpAddr,
    time::{Instant, SystemTime},
};

use actix_http::header::HeaderMap;
use bytes::Bytes;

pub(super) use self::api_keys::ApiKeys;
pub use self::error::AuthError;
pub(crate) use self::{api_keys::ApiCaller, error::status_of};
use super::{Node, rate_limit::UserPermit};
pub(crate) use crate::identity::Identity;
use crate::{
    close::Close,
    connection::info::{TEXT_BYTES_MAX, cut},
    hooks::{ConnectAnswer, ConnectHookRequest, PassedHeaders},
    metrics::Limited,
    subscription::ServerSubscription,
    token::TokenError,
};

impl Node {
    /// Who a client is: by its token, else by the backend where that is to be asked, else nobody in
    /// particular.
    ///
    /// # Errors
    /// The token does not count, the backend refuses or does not answer, there is no token where
    /// one is needed ([`AuthError::Missing`]), or a token or an answer names too many channels.
    pub(crate) async fn authenticate(
        &self,
        token: Option<&str>,
        hook: Option<ConnectHookRequest<'_>>,
    ) -> Result<Identity, AuthError> {
        if let Some(token) = token.filter(|_| self.tokens.is_configured()) {
            return self.authenticate_token(token).await;
        }
        if let Some(hook) = hook {
            return self.ask_connect_hook(hook).await;
        }
        if self.settings.client.anonymous {
            Ok(Identity::anonymous())
        } else {
            Err(AuthError::Missing)
        }
    }

    /// Who the bearer of a new token is, who must be the user it was before.
    ///
    /// # Errors
    /// The token does not count, or is another user's.
    pub(crate) async fn authenticate_refresh(
        &self,
        user: &str,
        token: &str,
    ) -> Result<Identity, AuthError> {
        let identity = match self.authenticate_admin(token) {
            Some(identity) => identity?,
            None => self.authenticate_token(token).await?,
        };
        if identity.user == user {
            Ok(identity)
        } else {
            let close = Close::INVALID_TOKEN.because("another user's");
            Err(AuthError::Disconnected(close))
        }
    }

    /// Whether there is anything to verify a client's token with.
    #[must_use]
    pub(crate) fn takes_token(&self, token: &str) -> bool {
        self.tokens.is_configured() || self.takes_admin_token(token)
    }

    /// Whether there is anything to verify the token of a subscription with.
    #[must_use]
    pub(crate) fn takes_token_of(&self, channel: &str) -> bool {
        self.tokens.is_configured() || self.is_stats(channel)
    }

    async fn authenticate_token(&self, token: &str) -> Result<Identity, AuthError> {
        let claims = self.tokens.connection(token, SystemTime::now()).await;
        let claims = claims.inspect_err(log_not_yet)?;
        let names = claims.subs.iter().map(|sub| &sub.channel);
        self.check_channels(names.chain(&claims.channels))?;
        Ok(Identity {
            user: claims.user,
            info: claims.info,
            meta: claims.meta,
            expire_at: claims.expire_at,
            by_token: true,
            issued_at: claims.issued_at,
            token_id: claims.id.map(String::into_boxed_str),
            subscriptions: subscriptions(claims.subs, claims.channels),
            data: Bytes::new(),
        })
    }

    async fn ask_connect_hook(
        &self,
        request: ConnectHookRequest<'_>,
    ) -> Result<Identity, AuthError> {
        let answer = self.hooks.connect(request).await?;
        let names = answer.subs.iter().map(|sub| &sub.channel);
        self.check_channels(names.chain(&answer.channels))?;
        let identity = identity_of(answer);
        self.check_revoked(&identity)?;
        Ok(identity)
    }

    /// Counts the channels of a token or an answer before anything is made of them.
    fn check_channels<'a>(&self, names: impl Iterator<Item = &'a String>) -> Result<(), AuthError> {
        let mut distinct = HashSet::new();
        for name in names {
            distinct.insert(name.as_str());
            if distinct.len() > self.settings.limits.subscriptions {
                return Err(self.too_many_channels());
            }
        }
        Ok(())
    }

    pub(super) fn too_many_channels(&self) -> AuthError {
        self.metrics.limited(Limited::Subscriptions);
        AuthError::TooManyChannels
    }

    /// Whether what says who someone is was taken back: the user is blocked, or the token revoked
    /// or invalidated. To be asked again when a session has entered the tables: from there on
    /// commands reach it, and what was commanded while it was found out who it is has not.
    ///
    /// # Errors
    /// [`AuthError::BLOCKED`], [`AuthError::Expired`] for a token that was invalidated, or that it
    /// was revoked.
    pub(crate) fn check_revoked(&self, identity: &Identity) -> Result<(), AuthError> {
        let revocations = self.tokens.revocations();
        if identity.by_token {
            let id = identity.token_id.as_deref();
            Ok(revocations.check_connection(&identity.user, id, identity.issued_at)?)
        } else if revocations.is_blocked(&identity.user) {
            Err(AuthError::BLOCKED)
        } else {
            Ok(())
        }
    }

    /// Takes a place among a user's sessions (`limits.sessions_per_user`); what is refused is
    /// counted.
    ///
    /// # Errors
    /// [`AuthError::TooManySessions`].
    pub(crate) fn admit_user(&self, user: &str) -> Result<UserPermit, AuthError> {
        self.users.enter(user, Instant::now()).ok_or_else(|| {
            self.metrics.limited(Limited::SessionsPerUser);
            AuthError::TooManySessions
        })
    }

    /// Takes a message that came without a session from its sender's rate; what is refused is
    /// counted.
    #[must_use]
    pub(crate) fn charge_sender(&self, user: &str, address: Option<IpAddr>) -> bool {
        let now = Instant::now();
        let (passes, limit) = if user.is_empty() {
            let passes = self.senders.charge_address(address, now);
            (passes, Limited::MessagesPerAddress)
        } else if self.settings.limits.messages_per_second_per_user > 0 {
            (self.users.charge(user, now), Limited::Messages)
        } else {
            (self.senders.charge_user(user, now), Limited::Messages)
        };
        if !passes {
            self.metrics.limited(limit);
        }
        passes
    }

    /// The headers of a request that the log shows, as `name=value`.
    #[must_use]
    pub(crate) fn logged_headers(&self, headers: &HeaderMap) -> Option<Box<str>> {
        let names = self.settings.log.headers.iter();
        let shown = names.filter_map(|name| {
            let value = headers.get(name.as_str())?.to_str().ok()?;
            Some(format!("{}={value}", name.to_ascii_lowercase()))
        });
        let shown = shown.collect::<Vec<_>>().join(" ");
        (!shown.is_empty()).then(|| cut(&shown, TEXT_BYTES_MAX).into())
    }

    /// The headers of a request that the backend is shown.
    #[must_use]
    pub(crate) fn passed_headers(&self, headers: &HeaderMap) -> PassedHeaders {
        let passed = headers
            .iter()
            .filter(|(name, _)| self.hooks.passes(name.as_str()));
        let mut passed = passed
            .filter_map(|(name, value)| {
                Some((name.as_str().to_string(), value.to_str().ok()?.to_string()))
            })
            .peekable();
        match passed.peek() {
            Some(_) => passed.collect(),
            None => PassedHeaders::default(),
        }
    }
}

/// Clients are told the same of an expired token; whose clocks differ finds the cause here.
pub(super) fn log_not_yet(error: &TokenError) {
    if *error == TokenError::NotYet {
        log::info!("{error}: token.leeway allows for clocks that differ");
    }
}

/// Who the backend says a client is.
fn identity_of(answer: ConnectAnswer) -> Identity {
    Identity {
        user: answer.user,
        info: answer.info,
        meta: answer.meta,
        expire_at: answer.expire_at,
        by_token: false,
        issued_at: None,
        token_id: None,
        subscriptions: subscriptions(answer.subs, answer.channels),
        data: answer.data,
    }
}

/// Subscriptions with options, then those that come by channel alone, each channel once.
fn subscriptions(
    mut subscriptions: Vec<ServerSubscription>,
    names: Vec<String>,
) -> Vec<ServerSubscription> {
    subscriptions.extend(names.into_iter().map(ServerSubscription::to));
    let mut known = HashSet::new();
    subscriptions.retain(|sub| known.insert(sub.channel.clone()));
    subscriptions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_with_options_come_before_names_and_each_comes_once() {
        let with = |channel: &str| ServerSubscription {
            channel: channel.to_string(),
            info: Bytes::from_static(b"1"),
            ..ServerSubscription::default()
        };
        let made = subscriptions(
            vec![with("a"), with("b")],
            ["b", "c", "c"].map(String::from).to_vec(),
        );
        let names: Vec<_> = made
            .iter()
            .map(|sub| (sub.channel.as_str(), sub.info.len()))
            .collect();
        assert_eq!(names, [("a", 1), ("b", 1), ("c", 0)]);
    }
}
