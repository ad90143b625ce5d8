//! Joins and leaves of one session that its channels have not been told of yet. They are gathered
//! and told once the other sessions of the worker have had their turn: who enters and leaves a
//! channel over and over in one frame would have every subscriber told each time.
//!
//! Owned by the session's [`ChannelPresence`](super::presence::ChannelPresence), and by the task
//! that tells them. A join that is taken back before it was told goes untold, with its leave; so
//! does a leave after which the session came back as it was. Of one channel at most a leave and a
//! join wait, in that order, so a session's join is never told behind the leave that ended it.
//! Bound: the channels that the session named since they were last told.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use super::context::SessionContext;
use crate::{node::Node, protocol::ClientInfo, registry::ChannelName};

/// What a channel is to be told of the session: that it left as it was, then that it came.
#[derive(Default)]
struct Untold {
    left: Option<Arc<ClientInfo>>,
    joined: Option<Arc<ClientInfo>>,
}

#[derive(Default)]
struct WaitingAnnouncements {
    /// In the order in which the channels were first named.
    untold: Vec<(ChannelName, Untold)>,
    /// Where each channel stands there.
    places: HashMap<ChannelName, usize>,
}

impl WaitingAnnouncements {
    fn of(&mut self, channel: &ChannelName) -> &mut Untold {
        let next = self.untold.len();
        let place = *self.places.entry(channel.clone()).or_insert(next);
        if place == next {
            self.untold.push((channel.clone(), Untold::default()));
        }
        &mut self.untold[place].1
    }
}

/// The joins and leaves of one session that wait.
#[derive(Default)]
pub(super) struct Announcements(RefCell<WaitingAnnouncements>);

impl Announcements {
    /// The session has entered a channel.
    pub(super) fn join(
        self: &Rc<Self>,
        context: &SessionContext,
        channel: &ChannelName,
        info: Arc<ClientInfo>,
    ) {
        self.tell_soon(&context.node);
        let mut waiting = self.0.borrow_mut();
        let untold = waiting.of(channel);
        if untold.left.as_ref() == Some(&info) {
            untold.left = None;
        } else {
            untold.joined = Some(info);
        }
    }

    /// The session has left a channel.
    pub(super) fn leave(
        self: &Rc<Self>,
        context: &SessionContext,
        channel: &ChannelName,
        info: Arc<ClientInfo>,
    ) {
        self.tell_soon(&context.node);
        let mut waiting = self.0.borrow_mut();
        let untold = waiting.of(channel);
        if untold.joined.take().is_none() {
            untold.left = Some(info);
        }
    }

    /// Has what waits told in the worker's next turn; the first that waits does so.
    fn tell_soon(self: &Rc<Self>, node: &Arc<Node>) {
        if !self.0.borrow().untold.is_empty() {
            return;
        }
        let (announcements, node) = (self.clone(), node.clone());
        actix::spawn(async move {
            tokio::task::yield_now().await;
            announcements.tell(&node);
        });
    }

    /// Tells what waits, now: before something that the session does there, and before it is gone.
    pub(super) fn tell(&self, node: &Node) {
        let waiting = std::mem::take(&mut *self.0.borrow_mut());
        for (channel, Untold { left, joined }) in waiting.untold {
            #[cfg(feature = "planted-faults")]
            let left =
                left.filter(|_| !crate::planted::strikes(crate::planted::Fault::ForgetsALeave));
            if let Some(info) = left {
                node.broker.publish_leave(&channel, info);
            }
            if let Some(info) = joined {
                node.broker.publish_join(&channel, info);
            }
        }
    }
}
