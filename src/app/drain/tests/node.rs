//! The drain of a node: its phases, its listeners, and how long it waits for whom.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    sync::Arc,
};

use tokio::task::{JoinHandle, spawn_local};

use super::*;
use crate::{
    testing,
    transport::pending::{Answering, PendingConnection},
};

/// More than a step of the drain and one of its shard take.
const STEPS: Duration = Duration::from_millis(45);

/// A node that drains, and what is seen of it.
#[derive(Clone)]
struct Drained {
    test: Rc<TestNode>,
    pending: Arc<PendingConnections>,
    began: Instant,
    listeners: Doors,
}

/// Listeners that nobody comes by: how they ended.
#[derive(Clone, Default)]
struct Doors(Rc<Cell<Option<(&'static str, Instant)>>>);

impl Listeners for Doors {
    async fn close(self) {
        self.0.set(Some(("closed", Instant::now())));
    }

    async fn leave(self) {
        self.0.set(Some(("left", Instant::now())));
    }
}

impl Drained {
    fn new(drain: &str) -> Self {
        let settings = testing::settings(&format!("[drain]\n{drain}"));
        let test = TestNode::with(10, settings);
        Self {
            pending: PendingConnections::new(&test.node.settings, test.metrics.clone()),
            test: Rc::new(test),
            began: Instant::now(),
            listeners: Doors::default(),
        }
    }

    /// Drains it; how many sessions had to be cut, and after how long.
    async fn run(&self, reason: Reason) -> (usize, Duration) {
        let listeners = self.listeners.clone();
        let cut = run(&self.test.node, listeners, &self.pending, reason).await;
        (cut, self.began.elapsed())
    }

    /// How its listeners have ended, and after how long.
    fn listeners(&self) -> Option<(&'static str, Duration)> {
        let ended = self.listeners.0.get();
        ended.map(|(how, at)| (how, at - self.began))
    }

    /// A client that takes what it is sent, and goes with the end of that; when that was.
    fn session(&self) -> JoinHandle<Duration> {
        let session = Listener::new(&self.test.shard);
        let permit = self.test.node.admission.admit(None).expect("room");
        let began = self.began;
        spawn_local(async move {
            let connection = session.connection.clone();
            while poll_fn(|cx| connection.poll_take(cx)).await.is_some() {}
            let ending = connection.ending();
            assert_eq!(ending.map(|it| it.code()), Some(Close::RESTART.code));
            drop((session, permit));
            began.elapsed()
        })
    }

    /// A client that takes nothing, and goes so long after its connection has ended; when it ended.
    fn silent_session(&self, lag: Duration) -> JoinHandle<Duration> {
        let session = Listener::new(&self.test.shard);
        let permit = self.test.node.admission.admit(None).expect("room");
        let began = self.began;
        spawn_local(async move {
            while session.connection.phase() != ConnectionPhase::Ended {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let ended = began.elapsed();
            tokio::time::sleep(lag).await;
            drop((session, permit));
            ended
        })
    }

    /// A connection that has not asked for anything yet.
    fn connection(&self) -> Rc<PendingConnection> {
        let connection = PendingConnection::new(&self.pending, None, Arc::default());
        Rc::new(connection)
    }
}

/// At a time, or as much later as the steps take.
#[track_caller]
fn assert_at(found: Duration, due: Duration) {
    assert!(
        (due..due + STEPS).contains(&found),
        "{found:?}, not {due:?}"
    );
}

/// Everyone who was sent away at once would come back at once, to the others.
#[test]
fn sessions_are_closed_evenly_over_the_spread() {
    paused(async {
        let node = Drained::new("spread = \"1s\"\n");
        let sessions: Vec<_> = (0..100).map(|_| node.session()).collect();
        let (cut, ended) = node.run(Reason::Stop).await;
        assert_eq!(cut, 0);
        assert_at(ended, Duration::from_millis(990));
        for (number, session) in sessions.into_iter().enumerate() {
            let due = Duration::from_millis(10) * number as u32;
            assert_at(session.await.expect("a time"), due);
        }
    });
}

#[test]
fn with_nobody_there_it_is_over_at_once() {
    paused(async {
        let node = Drained::new("spread = \"5s\"\n");
        let (cut, ended) = node.run(Reason::Stop).await;
        assert_eq!((cut, node.test.node.phase()), (0, Phase::Closed));
        assert_at(ended, Duration::ZERO);
        assert_eq!(node.listeners().map(|(how, _)| how), Some("closed"));
    });
}

/// Load balancers look at `/ready` from time to time, and send clients until they have seen it.
#[test]
fn until_the_notice_is_over_nobody_is_closed_and_the_listeners_are_open() {
    paused(async {
        let node = Drained::new("notice = \"2s\"\nspread = 0\n");
        let session = node.session();
        let draining = node.clone();
        let drain = spawn_local(async move { draining.run(Reason::Stop).await });
        tokio::time::sleep(Duration::from_millis(1990)).await;
        assert_eq!(node.test.node.phase(), Phase::Draining);
        assert_eq!((node.listeners(), session.is_finished()), (None, false));
        let (cut, ended) = drain.await.expect("it ends");
        assert_eq!((cut, node.test.node.phase()), (0, Phase::Closed));
        let notice = Duration::from_secs(2);
        assert_at(ended, notice);
        assert_at(session.await.expect("a time"), notice);
        let (how, at) = node.listeners().expect("an end");
        assert_eq!(how, "closed");
        assert_at(at, notice);
    });
}

#[test]
fn who_does_not_answer_is_cut_at_the_deadline() {
    paused(async {
        let node = Drained::new("spread = \"1s\"\n[close]\ntimeout = \"300ms\"\n");
        let answers = node.session();
        // Closed in the second half of the spread, and its own time to answer is a second.
        let silent = node.silent_session(Duration::from_millis(200));
        let (cut, ended) = node.run(Reason::Stop).await;
        assert_eq!(cut, 1, "whoever answered was not");
        let deadline = Duration::from_millis(1300);
        assert_at(silent.await.expect("a time"), deadline);
        // Its task may take a moment to end.
        assert_at(ended, deadline + Duration::from_millis(200));
        answers.await.expect("it was closed in order");
    });
}

#[test]
fn who_is_cut_and_stays_all_the_same_is_waited_for_no_longer_than_a_second() {
    paused(async {
        let node = Drained::new("spread = 0\n[close]\ntimeout = \"300ms\"\n");
        let silent = node.silent_session(SLEEP);
        let (cut, ended) = node.run(Reason::Stop).await;
        assert_eq!(cut, 1);
        assert_at(ended, Duration::from_millis(300) + CUT_GRACE);
        assert!(!silent.is_finished());
    });
}

/// Longer than any drain here.
const SLEEP: Duration = Duration::from_secs(60);

/// A process that ended between a request and its answer would leave its client in doubt.
#[test]
fn a_request_is_answered_and_its_answer_written_before_the_end() {
    paused(async {
        let node = Drained::new("spread = 0\n");
        let connection = node.connection();
        let (answering, body) = Answering::begin(&connection);
        drop(body);
        spawn_local(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            drop(answering);
            tokio::time::sleep(Duration::from_millis(400)).await;
            connection.set_written();
            tokio::time::sleep(SLEEP).await;
        });
        let (cut, ended) = node.run(Reason::Stop).await;
        assert_eq!(cut, 0);
        assert_at(ended, Duration::from_millis(700));
    });
}

#[test]
fn a_request_that_is_not_answered_holds_it_up_until_the_deadline() {
    paused(async {
        let node = Drained::new("spread = \"1s\"\n[close]\ntimeout = \"300ms\"\n");
        let connection = node.connection();
        let answering = Answering::begin(&connection);
        let (cut, ended) = node.run(Reason::Stop).await;
        assert_eq!(cut, 0);
        assert_at(ended, Duration::from_millis(1300));
        drop(answering);
    });
}

/// Where another process serves already there is nobody to give notice to: whoever comes now is
/// that one's.
#[test]
fn a_node_that_is_handed_over_gives_no_notice_and_leaves_its_listeners() {
    paused(async {
        let node = Drained::new("notice = \"2s\"\nspread = 0\n");
        let session = node.session();
        let (cut, ended) = node.run(Reason::HandedOver).await;
        assert_eq!((cut, node.test.node.phase()), (0, Phase::HandedOver));
        assert_at(ended, Duration::ZERO);
        assert_at(session.await.expect("a time"), Duration::ZERO);
        assert_eq!(node.listeners().map(|(how, _)| how), Some("left"));
    });
}

/// Whom the old process has accepted the new one knows nothing of. A silent connection keeps the
/// state from it for the grace alone, and the process for as long as a request may take.
#[test]
fn who_was_accepted_before_is_served_for_the_grace_and_then_sent_on() {
    paused(async {
        let settings = "handover_grace = \"3s\"\nspread = 0\n[http]\nrequest_timeout = \"4s\"\n";
        let node = Drained::new(settings);
        let silent = node.connection();
        let phases: Rc<RefCell<Vec<(Phase, Duration)>>> = Rc::default();
        let (seen, seer) = (phases.clone(), node.clone());
        spawn_local(async move {
            loop {
                let phase = seer.test.node.phase();
                let last = seen.borrow().last().map(|(last, _)| *last);
                if last != Some(phase) {
                    seen.borrow_mut().push((phase, seer.began.elapsed()));
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let (cut, ended) = node.run(Reason::HandedOver).await;
        assert_eq!(cut, 0);
        assert_at(ended, Duration::from_secs(7));
        let phases = phases.borrow().clone();
        let (last, since) = phases.last().expect("phases");
        assert_eq!(*last, Phase::HandedOver);
        assert_at(*since, Duration::from_secs(3));
        assert!(phases.iter().any(|(phase, _)| *phase == Phase::HandingOver));
        drop(silent);
    });
}
