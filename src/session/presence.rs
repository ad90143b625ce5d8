//! Where a session is present, and as whom: one entry for each of its channels that lists it,
//! announces it or is told to the backend. Owned by the session's
//! [`ConnectedUser`](super::ConnectedUser); a session that nobody wants to know of has
//! no table. Nobody renews: what was told of presence holds until it is left. The table of who is
//! present changes at once, joins and leaves are gathered for a turn ([`Announcements`]).

use std::{collections::HashMap, rc::Rc, sync::Arc};

use bytes::Bytes;

use super::{announcements::Announcements, context::SessionContext};
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

#[derive(Default)]
struct PresenceEntries {
    channels: HashMap<ChannelName, PresenceEntry>,
    announcements: Rc<Announcements>,
}

/// The channels that a session is present in. Most sessions have none, and a pointer is little.
#[derive(Default)]
pub(super) struct ChannelPresence(Option<Box<PresenceEntries>>);

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
        let present = self.0.get_or_insert_default();
        if options.announce {
            present.announcements.join(context, channel, info.clone());
        }
        let entry = PresenceEntry {
            info,
            presence: options.presence,
            announce: options.announce,
        };
        present.channels.insert(channel.clone(), entry);
    }

    pub(super) fn info_in(&self, channel: &str) -> Option<&Arc<ClientInfo>> {
        let present = self.0.as_ref()?;
        present.channels.get(channel).map(|entry| &entry.info)
    }

    pub(super) fn set_conn_info(&mut self, context: &SessionContext, conn_info: &Bytes) {
        let Some(present) = &mut self.0 else { return };
        for (channel, entry) in &mut present.channels {
            Arc::make_mut(&mut entry.info).conn_info = conn_info.clone();
            if entry.presence {
                add(context, channel, &entry.info);
            }
        }
    }

    /// Leaves a channel; false if the session was not present there.
    pub(super) fn leave(&mut self, context: &SessionContext, channel: &ChannelName) -> bool {
        let Some(present) = &mut self.0 else {
            return false;
        };
        let left = present.channels.remove(channel);
        if let Some(entry) = &left {
            entry.left(context, channel, &present.announcements);
        }
        left.is_some()
    }

    /// Leaves every channel; answers which they were.
    pub(super) fn leave_all(&mut self, context: &SessionContext) -> Vec<ChannelName> {
        let Some(present) = self.0.take() else {
            return Vec::new();
        };
        let left = present.channels.into_iter().map(|(channel, entry)| {
            entry.left(context, &channel, &present.announcements);
            channel
        });
        let left = left.collect();
        present.announcements.tell(&context.node);
        left
    }

    /// Tells the joins and leaves that wait, since something is about to be seen of the session.
    pub(super) fn tell(&self, context: &SessionContext) {
        if let Some(present) = &self.0 {
            present.announcements.tell(&context.node);
        }
    }
}

impl PresenceEntry {
    fn left(
        &self,
        context: &SessionContext,
        channel: &ChannelName,
        announcements: &Rc<Announcements>,
    ) {
        if self.presence {
            let id = context.connection.info().id;
            context.node.presence.remove(channel, id);
        }
        if self.announce {
            announcements.leave(context, channel, self.info.clone());
        }
    }
}

fn add(context: &SessionContext, channel: &ChannelName, info: &Arc<ClientInfo>) {
    let id = context.connection.info().id;
    context.node.presence.add(channel, id, info.clone());
}
