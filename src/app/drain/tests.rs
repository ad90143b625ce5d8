//! The drain as sessions meet it: their shard, connections without a socket, and a clock that only
//! moves when everything waits.

use std::future::Future;

use super::*;
use crate::{
    connection::Phase as ConnectionPhase,
    testing::{Listener, TestNode},
};

/// More than two steps of a drain.
const SESSIONS: usize = 600;

fn paused<F: Future<Output = ()> + 'static>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

fn closed(sessions: &[Listener]) -> usize {
    let is_closed = |it: &&Listener| it.connection.phase() != ConnectionPhase::Open;
    sessions.iter().filter(is_closed).count()
}

fn close_all(test: &TestNode) {
    test.node.shards.send_all(&shard::Drain {
        spread: Duration::ZERO,
        close: Close::RESTART,
    });
}

// Where nothing spreads them all are due at once, and closing a worker's thousands would keep it
// from everyone else.
#[test]
fn a_step_closes_256_sessions_at_most_and_the_others_have_their_turn_behind_each() {
    paused(async {
        let test = TestNode::new(10);
        let listen = |_| Listener::new(&test.shard);
        let sessions: Vec<Listener> = (0..SESSIONS).map(listen).collect();
        close_all(&test);
        // What another task of the worker sees, whenever it has its turn.
        let mut seen = vec![closed(&sessions)];
        for _ in 0..10 {
            for _ in 0..10 {
                tokio::task::yield_now().await;
                seen.push(closed(&sessions));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        seen.dedup();
        assert_eq!(seen, [0, 256, 512, SESSIONS]);
        let ending = sessions[0].connection.ending();
        assert_eq!(ending.map(|it| it.code()), Some(Close::RESTART.code));
    });
}

#[test]
fn who_joins_a_shard_that_drains_is_closed_at_once() {
    paused(async {
        let test = TestNode::new(10);
        close_all(&test);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let late = [Listener::new(&test.shard)];
        assert_eq!(closed(&late), 1);
    });
}
