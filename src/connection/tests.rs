//! The connection's ring: one end of a socket pair, a clock that is a number, no shard and no
//! actor. Timers ring as the shard would ring them.

use std::{
    io::Read,
    os::unix::net::UnixStream as Peer,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Wake,
};

use super::{
    info::{Traffic, TransportKind},
    outbox::{Frame, SharedFrame},
    *,
};
use crate::{
    close::Close,
    id::SessionId,
    publication::{Payload, Publication, Target},
    testing,
};

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A connection whose peer is in the test's hands.
struct Harness {
    connection: Rc<Connection>,
    shared: Rc<ConnectionShared>,
    peer: Peer,
    start: Instant,
    woken: Arc<Woken>,
    /// Sockets of the connection belong to it.
    runtime: tokio::runtime::Runtime,
}

const KEY: SessionKey = 7;

impl Harness {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let (ours, peer) = Peer::pair().expect("a pair of sockets");
        ours.set_nonblocking(true).expect("set");
        peer.set_nonblocking(true).expect("set");
        let guard = runtime.enter();
        let ours = tokio::net::UnixStream::from_std(ours).expect("registered");
        drop(guard);
        let start = Instant::now();
        let shared = shared(start);
        let profile = ConnectionProfile::raw(None, false, false);
        let connection = Connection::new(Socket::Unix(ours), info(start), shared.clone(), profile);
        connection.place(KEY, start);
        let harness = Self {
            connection,
            shared,
            peer,
            start,
            woken: Arc::default(),
            runtime,
        };
        harness.poll(0);
        harness
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    /// The runtime learns which sockets are ready.
    fn look(&self) {
        self.runtime.block_on(tokio::task::yield_now());
    }

    /// The session's task has its turn.
    fn poll(&self, seconds: u64) -> ConnectionPhase {
        self.look();
        let _guard = self.runtime.enter();
        let waker = Waker::from(self.woken.clone());
        self.connection
            .poll_write(&mut Context::from_waker(&waker), self.at(seconds))
    }

    /// Time passes, and the shard rings what is due.
    fn pass(&self, seconds: std::ops::RangeInclusive<u64>) {
        self.look();
        let _guard = self.runtime.enter();
        for second in seconds {
            let (mut due, now) = (Vec::new(), self.at(second));
            self.shared.expire(now, &mut due);
            for (key, number) in due {
                assert_eq!(key, KEY);
                self.connection.on_timer(number, now);
            }
        }
    }

    /// What the peer has got since it looked last.
    fn got(&mut self) -> Vec<u8> {
        let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = self.peer.read(&mut chunk) {
            all.extend_from_slice(&chunk[..n]);
        }
        all
    }

    fn push(&self, text: &str) {
        let payload = Payload::Text(text.into());
        let publication = Publication::message(Target::Everyone, payload);
        let form = self.connection.profile().form;
        let compression = &self.connection.shared.config.outbox.compression;
        let shared = SharedFrame::one(Rc::new(Arc::new(publication)), form, compression);
        self.connection.push(&shared, None, self.start, drop);
    }
}

fn shared(start: Instant) -> Rc<ConnectionShared> {
    ConnectionShared::new(testing::shard_settings(10).config, Arc::default(), start)
}

fn info(started: Instant) -> Arc<SessionInfo> {
    Arc::new(SessionInfo {
        id: SessionId::parse(PINGED_AT_30).expect("an id"),
        user: OnceLock::new(),
        protocol: None,
        address: None,
        endpoint: "/test".into(),
        words: None,
        transport: TransportKind::WebSocketUnix,
        worker: 0,
        since_ms: 0,
        started,
        traffic: Traffic::default(),
    })
}

/// The id says when the first ping goes: half an interval after the start.
const PINGED_AT_30: &str = "00000000-0000-4000-8000-000080000000";
const PING: [u8; 2] = [0x89, 0];

#[test]
fn nothing_is_written_before_the_turn_ends_and_then_all_of_it() {
    let mut harness = Harness::new();
    harness.connection.reply(Opcode::Text, b"one");
    harness.push("two");
    assert_eq!(harness.got(), b"", "pushing never writes");
    harness.poll(0);
    assert_eq!(harness.got(), b"\x81\x03one\x81\x03two");
}

#[test]
fn a_client_that_is_silent_after_a_ping_is_told_so_and_ends() {
    let mut harness = Harness::new();
    let ping = (1..=61).find(|&second| {
        harness.pass(second..=second);
        !harness.got().is_empty()
    });
    let ping = ping.expect("the first ping is within an interval");
    let end = (ping + 1..=ping + 9).find(|&second| {
        harness.pass(second..=second);
        harness.connection.ending().is_some()
    });
    assert!(end.is_some(), "8 s after the ping");
    assert_eq!(
        harness.connection.ending(),
        Some(Ending::ByServer(Close::NO_PONG))
    );
    assert_eq!(harness.poll(ping + 9), ConnectionPhase::Lingering);
    let close = harness.got();
    assert_eq!(u16::from_be_bytes([close[2], close[3]]), 3012);
}

#[test]
fn any_byte_of_a_client_is_life() {
    let mut harness = Harness::new();
    for second in 1..=300 {
        harness.pass(second..=second);
        if second % 5 == 0 {
            harness.connection.on_activity(1);
        }
    }
    assert_eq!(harness.connection.ending(), None);
    assert_eq!(harness.got(), PING.repeat(5));
}

/// A session that waited for its backend got no ping in all that time; see `heartbeat`.
#[test]
fn a_session_that_waits_for_others_is_pinged_and_not_judged() {
    let mut harness = Harness::new();
    harness.connection.set_waiting(true);
    assert!(harness.connection.reads_paused());
    harness.pass(1..=300);
    assert_eq!(harness.connection.ending(), None);
    assert_eq!(harness.got(), PING.repeat(5));
    let woken = harness.woken.0.load(Relaxed);
    harness.connection.set_waiting(false);
    assert!(harness.woken.0.load(Relaxed) > woken, "the reader goes on");
    harness.pass(301..=303);
    assert_eq!(
        harness.connection.ending(),
        None,
        "it has the whole time to answer"
    );
    harness.pass(304..=320);
    assert_eq!(
        harness.connection.ending(),
        Some(Ending::ByServer(Close::NO_PONG))
    );
}

#[test]
fn a_peer_that_takes_nothing_is_cut_after_the_write_timeout() {
    let harness = Harness::new();
    let large = vec![b'x'; 512 * 1024];
    harness.connection.reply(Opcode::Binary, &large);
    assert_eq!(harness.poll(0), ConnectionPhase::Open);
    harness.pass(1..=9);
    assert_eq!(harness.connection.ending(), None);
    harness.pass(10..=11);
    assert_eq!(
        harness.connection.ending(),
        Some(Ending::ByServer(Close::WRITE_TIMEOUT))
    );
    assert_eq!(harness.connection.phase(), ConnectionPhase::Ended);
}

#[test]
fn a_byte_that_is_taken_begins_the_write_timeout_anew() {
    let mut harness = Harness::new();
    let large = vec![b'x'; 512 * 1024];
    harness.connection.reply(Opcode::Binary, &large);
    harness.poll(0);
    harness.pass(1..=8);
    assert!(!harness.got().is_empty());
    harness.poll(8);
    harness.pass(9..=17);
    assert_eq!(harness.connection.ending(), None);
}

#[test]
fn over_the_bound_of_its_outbox_a_client_is_told_that_it_is_slow() {
    let harness = Harness::new();
    let large = "x".repeat(300 * 1024);
    for _ in 0..8 {
        harness.push(&large);
        harness.poll(0);
    }
    assert_eq!(
        harness.connection.ending(),
        Some(Ending::ByServer(Close::SLOW))
    );
    assert_eq!(harness.shared.stats.slow_disconnects.get(), 1);
}

#[test]
fn an_orderly_end_lets_what_waits_go_first_and_waits_for_the_answer() {
    let mut harness = Harness::new();
    harness.push("last");
    harness.connection.close(Close::RESTART, harness.start);
    harness.push("too late");
    assert_eq!(harness.poll(0), ConnectionPhase::Closing);
    let got = harness.got();
    assert_eq!(&got[..6], b"\x81\x04last");
    assert_eq!((got[6], u16::from_be_bytes([got[8], got[9]])), (0x88, 1012));
    harness
        .connection
        .answer_close(Close::new(1012, ""), harness.start);
    assert_eq!(harness.poll(0), ConnectionPhase::Lingering);
    assert!(harness.connection.is_done(), "our direction is shut");
    assert_eq!(
        harness.connection.ending(),
        Some(Ending::ByServer(Close::RESTART))
    );
}

#[test]
fn who_does_not_answer_a_close_is_cut() {
    let harness = Harness::new();
    harness.connection.close(Close::RESTART, harness.start);
    assert_eq!(harness.poll(0), ConnectionPhase::Closing);
    harness.pass(1..=2);
    assert_eq!(harness.connection.phase(), ConnectionPhase::Ended);
}

#[test]
fn a_close_of_the_clients_is_answered_with_its_code() {
    let mut harness = Harness::new();
    harness
        .connection
        .answer_close(Close::new(4001, "bye"), harness.start);
    harness.poll(0);
    let ending = Some(Ending::ByPeer(Close::new(4001, "bye")));
    assert_eq!(harness.connection.ending(), ending);
    assert_eq!(harness.got(), [0x88, 2, 0x0f, 0xa1]);
}

#[test]
fn replies_of_half_the_bound_pause_reading_until_they_are_taken() {
    let mut harness = Harness::new();
    let large = vec![b'x'; 900 * 1024];
    harness.connection.reply(Opcode::Binary, &large);
    harness.poll(0);
    assert!(harness.connection.reads_paused());
    while !harness.got().is_empty() {
        harness.poll(0);
    }
    assert!(!harness.connection.reads_paused());
}

#[test]
fn a_streamed_connection_ends_when_its_last_words_are_taken() {
    let start = Instant::now();
    let shared = shared(start);
    let profile = ConnectionProfile::stream(false, true);
    let connection = Connection::for_body(info(start), shared, profile);
    connection.place(KEY, start);
    connection.reply(Opcode::Text, b"one");
    connection.close(Close::BLOCKED, start);
    let mut cx = Context::from_waker(Waker::noop());
    for kind in [FrameKind::Reply, FrameKind::Close] {
        let Poll::Ready(Some(Frame::Own { kind: taken, .. })) = connection.poll_take(&mut cx)
        else {
            panic!("{kind:?} is there");
        };
        assert_eq!(taken, kind);
    }
    assert!(matches!(connection.poll_take(&mut cx), Poll::Ready(None)));
    assert_eq!(connection.phase(), ConnectionPhase::Ended);
}
