//! What a test says to a scripted broker, and what it can ask it afterwards.

use std::{collections::HashMap, sync::MutexGuard};

use super::ScriptedBroker;
use crate::{
    broker::{BrokerError, PublishRequest},
    publication::Publication,
    registry::ChannelName,
};

/// What can be held, refused and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// `publish`, and each publication of `publish_all`.
    Publish,
    /// `listening`. While it is held for a channel, nothing published there reaches this node.
    Listening,
    /// `history` and `histories`.
    History,
    /// `presence` and `presence_stats`.
    Presence,
    /// `has_subscribers`.
    HasSubscribers,
}

/// What becomes of publications on their way to this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ScriptedDelivery {
    /// They come at once.
    #[default]
    AtOnce,
    /// They wait for [`ScriptedBroker::deliver`].
    Late,
    /// Each comes twice.
    Twice,
    /// They never come.
    Lost,
}

pub(super) type Make = Box<dyn Fn() -> Publication + Send>;

/// Gives a held answer, or loses it.
pub(super) type Release = Box<dyn FnOnce(bool) + Send>;

#[derive(Default)]
pub(super) struct Script {
    pub(super) held: Vec<Op>,
    /// Answers that wait, in the order of their requests.
    pub(super) waiting: Vec<(Op, Option<ChannelName>, Release)>,
    pub(super) failures: HashMap<Op, (BrokerError, u32)>,
    pub(super) panics: Option<Op>,
    pub(super) delivery: ScriptedDelivery,
    pub(super) late: Vec<Make>,
    pub(super) calls: HashMap<Op, usize>,
    pub(super) published: Vec<(tokio::time::Instant, PublishRequest)>,
    /// `has_subscribers` says this; absent: what is so.
    pub(super) has_subscribers: Option<bool>,
}

/// What a test says.
impl ScriptedBroker {
    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// From now on, answers to this wait.
    pub(crate) fn hold(&self, op: Op) {
        self.script().held.push(op);
    }

    /// Gives the answers that wait, in the order of their requests; from now on they come at once.
    pub(crate) fn release(&self, op: Op) {
        self.script().held.retain(|held| *held != op);
        while self.release_one(op, 0) {}
    }

    /// Gives the answer to the request of this number among those that wait; false if there is
    /// none.
    pub(crate) fn release_one(&self, op: Op, number: usize) -> bool {
        self.settle(op, number, true)
    }

    /// Loses the answers that wait: they never come.
    pub(crate) fn lose(&self, op: Op) {
        while self.settle(op, 0, false) {}
    }

    fn settle(&self, op: Op, number: usize, given: bool) -> bool {
        let mut script = self.script();
        let waiting = script.waiting.iter().enumerate();
        let found = waiting.filter(|(_, (waits, ..))| *waits == op).nth(number);
        let Some(index) = found.map(|(index, _)| index) else {
            return false;
        };
        let (.., release) = script.waiting.remove(index);
        // Whoever waits may go on at once and ask this broker.
        drop(script);
        release(given);
        true
    }

    /// Answers that wait, or whose asker has gone while it waited.
    pub(crate) fn waiting(&self, op: Op) -> usize {
        let script = self.script();
        script
            .waiting
            .iter()
            .filter(|(waits, ..)| *waits == op)
            .count()
    }

    /// The next so many requests fail. They are not done, unless they are `Doubtful`.
    pub(crate) fn fail(&self, op: Op, error: BrokerError, times: u32) {
        self.script().failures.insert(op, (error, times));
    }

    /// Requests of this kind panic, or none.
    pub(crate) fn panic_at(&self, op: Option<Op>) {
        self.script().panics = op;
    }

    /// What becomes of publications from now on.
    pub(crate) fn set_delivery(&self, delivery: ScriptedDelivery) {
        self.script().delivery = delivery;
    }

    /// Delivers what came late: the publication of this number among them, or all in order.
    pub(crate) fn deliver(&self, number: Option<usize>) {
        let late = {
            let mut script = self.script();
            match number {
                Some(number) => vec![script.late.remove(number)],
                None => std::mem::take(&mut script.late),
            }
        };
        for make in late {
            self.send(make());
        }
    }

    /// What `has_subscribers` is to say.
    pub(crate) fn say_has_subscribers(&self, has: bool) {
        self.script().has_subscribers = Some(has);
    }

    /// Requests of a kind so far.
    pub(crate) fn calls(&self, op: Op) -> usize {
        self.script().calls.get(&op).copied().unwrap_or(0)
    }

    /// What was published through this node and not refused, with the time by the runtime's clock.
    pub(crate) fn published(&self) -> Vec<(tokio::time::Instant, PublishRequest)> {
        self.script().published.clone()
    }

    /// The same as texts.
    pub(crate) fn texts(&self) -> Vec<String> {
        let published = self.published();
        let payloads = published
            .iter()
            .map(|(_, request)| request.payload.as_bytes());
        payloads
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect()
    }
}
