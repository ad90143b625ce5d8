//! What sessions tell the `Server` actor: that they begin and end. Reports wait together for up to
//! [`REPORT_DELAY`], so that a thousand sessions that come at once wake the actor's thread a few
//! times, and not a thousand. The counts have them at once, and so has whoever asks the actor: it
//! takes what waits before it answers.
//!
//! None is ever lost, since that would leave a session in the directory that is gone. What bounds
//! the list is that nobody comes in while [`SessionReports::is_behind`]: those who are in by then
//! can still tell that they begin and end, which is two more for each of `limits.sessions`.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use actix::Message;

use crate::{close::Ending, connection::info::SessionInfo, id::SessionId};

/// How long a report waits for others.
pub(crate) const REPORT_DELAY: Duration = Duration::from_millis(1);

/// With so many reports waiting for each of `limits.sessions` nobody comes in: a session that
/// begins and ends has two.
const REPORTS_PER_SESSION_MAX: usize = 2;
/// So many may wait whatever the limit, some hundred bytes each: some always do, for their delay.
const REPORTS_MAX_LEAST: usize = 4096;

/// Counts of sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionCounts {
    /// Those that there are.
    pub(crate) now: u64,
    /// The most there were at a time.
    pub(crate) peak: u64,
    /// All there ever were since the start.
    pub(crate) total: u64,
}

/// What a session tells.
#[derive(Debug)]
pub(super) enum SessionReport {
    /// It began: it enters the directory.
    Opened(Arc<SessionInfo>),
    /// It ended: it leaves the directory, and is logged.
    Closed(SessionId, Ending),
}

/// The sessions' side of the `Server` actor: counts, and reports that wait for it.
#[derive(Debug, Default)]
pub(crate) struct SessionReports {
    now: AtomicU64,
    peak: AtomicU64,
    total: AtomicU64,
    waiting: Mutex<Vec<SessionReport>>,
}

/// The reports that wait are to be taken.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct TakeReports;

impl SessionReports {
    /// Whether the `Server` actor has so many reports to take that nobody is to come in; by
    /// `limits.sessions`.
    pub(crate) fn is_behind(&self, sessions_max: usize) -> bool {
        let most = sessions_max.saturating_mul(REPORTS_PER_SESSION_MAX);
        self.waiting().len() >= most.max(REPORTS_MAX_LEAST)
    }

    /// The counts.
    #[must_use]
    pub(crate) fn counts(&self) -> SessionCounts {
        SessionCounts {
            now: self.now.load(Relaxed),
            peak: self.peak.load(Relaxed),
            total: self.total.load(Relaxed),
        }
    }

    /// A session began. True where no report waited before: then the actor is to be told.
    #[must_use]
    pub(crate) fn opened(&self, info: Arc<SessionInfo>) -> bool {
        // Told before it is counted: whoever has seen the count finds it in the directory.
        let is_first = self.push(SessionReport::Opened(info));
        self.total.fetch_add(1, Relaxed);
        let now = self.now.fetch_add(1, Relaxed) + 1;
        self.peak.fetch_max(now, Relaxed);
        is_first
    }

    /// A session that has told its beginning ended, by this close. Once a session. True where no
    /// report waited before: then the actor is to be told.
    #[must_use]
    pub(crate) fn closed(&self, session: SessionId, ending: Ending) -> bool {
        let is_first = self.push(SessionReport::Closed(session, ending));
        self.now.fetch_sub(1, Relaxed);
        is_first
    }

    /// What waits, oldest first.
    pub(super) fn take(&self) -> Vec<SessionReport> {
        std::mem::take(&mut *self.waiting())
    }

    fn push(&self, report: SessionReport) -> bool {
        let mut waiting = self.waiting();
        waiting.push(report);
        waiting.len() == 1
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<SessionReport>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        admission::LimitReached,
        close::Close,
        config::Settings,
        server::directory::tests::session,
        testing::{TestNode, paused},
    };

    #[test]
    fn of_many_reports_the_first_has_the_actor_told() {
        let reports = SessionReports::default();
        let report = || SessionReport::Opened(session("/ws", "10.0.0.1"));
        assert!(reports.push(report()));
        assert!(!(0..1000).any(|_| reports.push(report())));
        assert_eq!(reports.take().len(), 1001);
        assert!(reports.push(report()), "and again behind them");
    }

    #[test]
    fn who_asks_the_actor_has_every_session_that_was_told() {
        paused(async {
            let node = TestNode::new(10).node;
            let endpoints = async || node.overview().await.expect("it is there").by_endpoint;
            let info = session("/ws", "10.0.0.1");
            node.tell_opened(info.clone());
            assert_eq!(endpoints().await, [("/ws".into(), 1)]);
            node.tell_closed(info.id, Ending::ByServer(Close::SHUTDOWN));
            assert_eq!(endpoints().await, []);
            let counts = node.session_counts();
            assert_eq!((counts.now, counts.peak, counts.total), (0, 1, 1));
        });
    }

    /// The list grew without bound while the actor's thread stood still.
    #[test]
    fn nobody_comes_in_while_the_actor_is_behind_with_those_who_came_and_went() {
        paused(async {
            let mut settings = Settings::demonstration();
            settings.limits.sessions = 1;
            let node = TestNode::with(10, settings).node;
            for _ in 0..REPORTS_MAX_LEAST / 2 {
                let permit = node.admit(None).expect("room");
                let info = session("/ws", "10.0.0.1");
                node.tell_opened(info.clone());
                drop(permit);
                node.tell_closed(info.id, Ending::ByServer(Close::SHUTDOWN));
            }
            assert_eq!(node.admit(None).err(), Some(LimitReached::Full));
            assert!(node.is_full());
            node.overview().await.expect("it is there");
            assert!(!node.is_full(), "once it has taken them");
            assert!(node.admit(None).is_ok());
        });
    }

    #[test]
    fn what_was_told_is_taken_though_nobody_asks() {
        paused(async {
            let node = TestNode::new(10).node;
            node.tell_opened(session("/ws", "10.0.0.1"));
            tokio::time::sleep(2 * REPORT_DELAY).await;
            assert!(node.reports.take().is_empty());
        });
    }
}
