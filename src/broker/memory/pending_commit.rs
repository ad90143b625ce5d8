//! What is done once a record came back from the store, and who is told of it. Part of what waits
//! under a channel's lock (`waiting`).

use super::{
    answers::{Caller, PublishOutcome, Wakes},
    keys::ReservedKey,
    place::Placed,
    stream::WaitingId,
};
use crate::broker::PublishResult;

/// What is done once it is written.
pub(super) enum CommitStep {
    Publish {
        placed: Placed,
        key: Option<ReservedKey>,
    },
    /// The items up to there go.
    Remove,
}

/// A step that is done once its record came back, and who waits for it.
pub(super) struct PendingCommit {
    pub(super) step: CommitStep,
    caller: Caller,
    /// Nearly always nobody.
    others: Option<Box<Others>>,
    /// Where its channel is noted.
    pub(super) noted: WaitingId,
}

/// Who else waits for a step.
#[derive(Default)]
struct Others {
    /// Those who asked for the same: they are told that it was suppressed.
    followers: Vec<Caller>,
    /// What is not kept and came behind it in its channel, before the next that is.
    behind: Vec<(Placed, Caller)>,
}

impl PendingCommit {
    /// Nobody else waits for it yet.
    pub(super) fn new(step: CommitStep, caller: Caller, noted: WaitingId) -> Self {
        Self {
            step,
            caller,
            others: None,
            noted,
        }
    }

    /// Someone asked for the same, and waits for its outcome.
    pub(super) fn follow(&mut self, caller: Caller) {
        self.others.get_or_insert_default().followers.push(caller);
    }

    /// A publication that is not kept waits behind it.
    pub(super) fn push_behind(&mut self, placed: Placed, caller: Caller) {
        let others = self.others.get_or_insert_default();
        others.behind.push((placed, caller));
    }

    /// Publications that wait behind it.
    pub(super) fn behind(&self) -> usize {
        let others = self.others.as_ref();
        others.map_or(0, |others| others.behind.len())
    }

    /// Its record came back.
    pub(super) fn written(self) -> WrittenStep {
        let others = self.others.map(|others| *others).unwrap_or_default();
        let callers = Callers {
            caller: self.caller,
            followers: others.followers,
        };
        WrittenStep {
            step: self.step,
            callers,
            behind: others.behind,
        }
    }
}

/// A step whose record came back.
pub(super) struct WrittenStep {
    pub(super) step: CommitStep,
    /// Who is told of it.
    pub(super) callers: Callers,
    /// What only waited for it.
    pub(super) behind: Vec<(Placed, Caller)>,
}

/// Those who wait for one outcome.
pub(super) struct Callers {
    caller: Caller,
    followers: Vec<Caller>,
}

impl Callers {
    /// Tells all of them. Whoever is gone gave up the answer, not the publication.
    pub(super) fn tell(self, outcome: PublishOutcome, wakes: &mut Wakes) {
        let suppressed = outcome.map(|result| PublishResult::suppressed(result.position));
        for follower in self.followers {
            follower.tell(suppressed, wakes);
        }
        self.caller.tell(outcome, wakes);
    }
}
