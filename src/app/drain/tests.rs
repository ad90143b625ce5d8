//! The drain of a node and of its shard, with connections without a socket, and a clock that only
//! moves when everything waits.

mod node;

use super::*;
use crate::{
    connection::ConnectionPhase,
    testing::{Listener, TestNode, paused},
};

/// More than two steps of a drain.
const SESSIONS: usize = 600;

fn closed(sessions: &[Listener]) -> usize {
    let is_closed = |it: &&Listener| it.connection.phase() != ConnectionPhase::Open;
    sessions.iter().filter(is_closed).count()
}

fn close_over(test: &TestNode, spread: Duration) {
    test.node.shards.send_all(&shard::Drain {
        spread,
        close: Close::RESTART,
    });
}

fn close_all(test: &TestNode) {
    close_over(test, Duration::ZERO);
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

#[test]
fn told_again_only_a_drain_without_a_spread_counts_and_ends_whoever_is_left() {
    paused(async {
        let test = TestNode::new(10);
        let listen = |_| Listener::new(&test.shard);
        let sessions: Vec<Listener> = (0..100).map(listen).collect();
        close_over(&test, Duration::from_secs(10));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let early = closed(&sessions);
        assert!((10..=11).contains(&early), "{early} of 100 in a tenth");
        close_over(&test, Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let early = closed(&sessions);
        assert!((20..=21).contains(&early), "{early} of 100 in a fifth");
        close_all(&test);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(closed(&sessions), 100);
    });
}
