//! Who a session's client is, once that is known: its place among its user's sessions, when its
//! credentials end, and where it is present. Made by [`ConnectedUser::admit`], or from an
//! [`AdmittedClient`] whose session begins then, and by nothing else, so that nothing that needs an
//! identity can be called before there is one. Owned by the session's protocol; left once, with the
//! session.

use std::sync::Arc;

use actix::SpawnHandle;
use bytes::Bytes;

use super::{
    context::SessionContext,
    presence::{ChannelPresence, PresenceOptions},
};
use crate::{
    close::{Close, Ending},
    hooks::Event,
    node::{access::AdmittedClient, auth::Identity, authorize::Principal, rate_limit::UserPermit},
    protocol::ClientInfo,
    registry::{ChannelName, is_internal},
    unix_time::unix_now_ms,
};

/// The user of a session.
pub(crate) struct ConnectedUser {
    /// Public information, as JSON; absent for none, as most have none.
    conn_info: Option<Box<Bytes>>,
    /// When its credentials end, in Unix seconds; absent: never.
    pub(super) expire_at: Option<u64>,
    /// The timer of that end, or of the next time that the backend is asked; of no future where
    /// there is neither, since an `Option` would cost every session 8 bytes.
    pub(super) expiry_timer: SpawnHandle,
    /// The session's place among its user's.
    pub(super) permit: UserPermit,
    presence: ChannelPresence,
}

impl ConnectedUser {
    /// Takes a place among its user's sessions, and says whose session it is.
    ///
    /// # Errors
    /// How the session is to be closed: its user has too many sessions, or was blocked, or its
    /// token taken back, since it was asked who it is.
    pub(super) fn admit(context: &SessionContext, identity: &Identity) -> Result<Self, Close> {
        let permit = context.node.admit_user(&identity.user);
        let permit = permit.map_err(|error| error.close())?;
        Self::identify(context, identity, permit)
    }

    /// Says whose session it is, of a client who has its place already; answers what it was
    /// granted, too.
    ///
    /// # Errors
    /// How the session is to be closed: its user was blocked, or its token taken back, since it got
    /// its place.
    pub(super) fn of_admitted<T>(
        context: &SessionContext,
        admitted: AdmittedClient<T>,
    ) -> Result<(Self, T), Close> {
        let (identity, granted, permit) = admitted.into_parts();
        Ok((Self::identify(context, &identity, permit)?, granted))
    }

    /// Enters the tables of users, looks again whether the identity still counts, and tells the
    /// backend.
    fn identify(
        context: &SessionContext,
        identity: &Identity,
        permit: UserPermit,
    ) -> Result<Self, Close> {
        let info = context.connection.info();
        if !identity.user.is_empty() {
            let _ = info.user.set(identity.user.as_str().into());
        }
        context.membership.enter_user(&identity.user);
        // Commands of the server for this user reach the session from here on; those that came
        // before have passed it by.
        let revoked = context.node.check_revoked(identity);
        revoked.map_err(|error| error.close())?;
        log::debug!(id:% = info.id, user = identity.user.as_str(); "session connected");
        if let Some(events) = &context.node.events {
            events.send(Event::Connected {
                time_ms: unix_now_ms(),
                client: info.id.to_string(),
                user: identity.user.clone(),
                transport: info.transport.hook_name(),
                endpoint: info.endpoint.to_string(),
                address: info.address,
            });
        }
        Ok(Self {
            conn_info: boxed(identity.info.clone()),
            expire_at: identity.expire_at,
            expiry_timer: SpawnHandle::default(),
            permit,
            presence: ChannelPresence::default(),
        })
    }

    /// Who the session is to the rules of a channel that it is in.
    pub(super) fn principal<'a>(&self, context: &'a SessionContext) -> Principal<'a> {
        Principal::named(self.name(context))
    }

    /// Who the session is in a channel.
    pub(super) fn client_info(&self, context: &SessionContext, chan_info: Bytes) -> ClientInfo {
        ClientInfo {
            user: self.name(context).to_string(),
            client: context.connection.info().id.to_string(),
            conn_info: self.conn_info.as_deref().cloned().unwrap_or_default(),
            chan_info,
        }
    }

    /// New public information; in publications and, where the session is listed, in presence from
    /// now on.
    pub(super) fn set_conn_info(&mut self, context: &SessionContext, conn_info: Bytes) {
        self.presence.set_conn_info(context, &conn_info);
        self.conn_info = boxed(conn_info);
    }

    /// The session has entered a channel.
    pub(super) fn enter(
        &mut self,
        context: &SessionContext,
        channel: &ChannelName,
        options: PresenceOptions,
    ) {
        if is_internal(channel) {
            // The backend knows nothing of what is the server's own.
            return;
        }
        if let Some(events) = &context.node.events {
            events.send(Event::Subscribed {
                time_ms: unix_now_ms(),
                client: context.connection.info().id.to_string(),
                user: self.name(context).to_string(),
                channel: channel.to_string(),
            });
        } else if !options.presence && !options.announce {
            return;
        }
        let info = Arc::new(self.client_info(context, options.chan_info.clone()));
        self.presence.enter(context, channel, info, &options);
    }

    /// The information of the session in a channel, as it was entered; absent where nobody asked
    /// for it.
    pub(super) fn info_in(&self, channel: &str) -> Option<&Arc<ClientInfo>> {
        self.presence.info_in(channel)
    }

    /// The session is about to publish: who hears it is told first that the session is there.
    pub(super) fn announce(&self, context: &SessionContext) {
        self.presence.tell(context);
    }

    /// The session has left a channel.
    pub(super) fn leave_channel(&mut self, context: &SessionContext, channel: &ChannelName) {
        if self.presence.leave(context, channel) {
            self.tell_unsubscribed(context, channel);
        }
    }

    /// The session leaves everything.
    pub(super) fn leave(&mut self, context: &SessionContext, ending: &Ending) {
        for channel in self.presence.leave_all(context) {
            self.tell_unsubscribed(context, &channel);
        }
        let info = context.connection.info();
        if let Some(events) = &context.node.events {
            events.send(Event::Disconnected {
                time_ms: unix_now_ms(),
                client: info.id.to_string(),
                user: self.name(context).to_string(),
                code: ending.code(),
                reason: ending.reason().to_string(),
                duration_ms: u64::try_from(info.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            });
        }
    }

    fn tell_unsubscribed(&self, context: &SessionContext, channel: &ChannelName) {
        if let Some(events) = &context.node.events {
            events.send(Event::Unsubscribed {
                time_ms: unix_now_ms(),
                client: context.connection.info().id.to_string(),
                user: self.name(context).to_string(),
                channel: channel.to_string(),
            });
        }
    }

    /// The user; empty is anonymous.
    fn name<'a>(&self, context: &'a SessionContext) -> &'a str {
        context.connection.info().user().unwrap_or_default()
    }
}

fn boxed(conn_info: Bytes) -> Option<Box<Bytes>> {
    (!conn_info.is_empty()).then(|| Box::new(conn_info))
}
