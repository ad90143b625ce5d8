//! Where a session is present, and as whom: one entry for each of its channels that lists it,
//! announces it or is told to the backend. Owned by the session's
//! [`ConnectedUser`](super::ConnectedUser); a session that nobody wants to know of has
//! no table. Nobody renews: what was told of presence holds until it is left.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use super::context::SessionContext;
use crate::{protocol::ClientInfo, registry::ChannelName};

/// How a session is seen in a channel that it enters.
#[derive(Clone, Debug, Default)]
pub(super) struct PresenceOptions {
    /// Public information for this channel, as JSON; empty for none.
    pub(super) chan_info: Bytes,
    /// The session is listed in the channel's presence.
    pub(super) presence: bool,
    /// Others are told that it came and went.
    pub(super) announce: bool,
}

struct PresenceEntry {
    info: Arc<ClientInfo>,
    presence: bool,
    announce: bool,
}

/// The channels that a session is present in.
#[derive(Default)]
#[expect(
    clippy::box_collection,
    reason = "most sessions have none, and a pointer is a sixth of an empty map"
)]
pub(super) struct ChannelPresence(Option<Box<HashMap<ChannelName, PresenceEntry>>>);

impl ChannelPresence {
    pub(super) fn enter(
        &mut self,
        context: &SessionContext,
        channel: &ChannelName,
        info: Arc<ClientInfo>,
        options: &PresenceOptions,
    ) {
        if options.presence {
            add(context, channel, &info);
        }
        if options.announce {
            context.node.broker.publish_join(channel, info.clone());
        }
        let entry = PresenceEntry {
            info,
            presence: options.presence,
            announce: options.announce,
        };
        self.0
            .get_or_insert_default()
            .insert(channel.clone(), entry);
    }

    pub(super) fn info_in(&self, channel: &str) -> Option<&Arc<ClientInfo>> {
        self.0.as_ref()?.get(channel).map(|entry| &entry.info)
    }

    pub(super) fn set_conn_info(&mut self, context: &SessionContext, conn_info: &Bytes) {
        for (channel, entry) in self.0.iter_mut().flat_map(|channels| channels.iter_mut()) {
            Arc::make_mut(&mut entry.info).conn_info = conn_info.clone();
            if entry.presence {
                add(context, channel, &entry.info);
            }
        }
    }

    /// Leaves a channel; false if the session was not present there.
    pub(super) fn leave(&mut self, context: &SessionContext, channel: &ChannelName) -> bool {
        let left = self
            .0
            .as_mut()
            .and_then(|channels| channels.remove(channel));
        if let Some(entry) = &left {
            entry.left(context, channel);
        }
        left.is_some()
    }

    /// Leaves every channel; answers which they were.
    pub(super) fn leave_all(&mut self, context: &SessionContext) -> Vec<ChannelName> {
        let channels = self.0.take().map(|channels| *channels).unwrap_or_default();
        let left = channels.into_iter().map(|(channel, entry)| {
            entry.left(context, &channel);
            channel
        });
        left.collect()
    }
}

impl PresenceEntry {
    fn left(&self, context: &SessionContext, channel: &ChannelName) {
        if self.presence {
            let id = context.connection.info().id;
            context.node.presence.remove(channel, id);
        }
        if self.announce {
            let info = self.info.clone();
            context.node.broker.publish_leave(channel, info);
        }
    }
}

fn add(context: &SessionContext, channel: &ChannelName, info: &Arc<ClientInfo>) {
    let id = context.connection.info().id;
    context.node.presence.add(channel, id, info.clone());
}
