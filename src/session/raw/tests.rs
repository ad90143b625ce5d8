//! Actor ring: sessions on socket pairs, with a broker that does as it is told and a clock that only moves when everything
//! waits.

use std::{future::Future, rc::Rc, sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{message::RELAY_PATIENCE, *};
use crate::{
    admission::Admission,
    broker::Broker,
    config::RawEndpoint,
    connection::{
        Connection, ConnectionProfile, info::TransportKind, outbox::Outbox, socket::Socket,
    },
    id::SessionId,
    metrics::Metrics,
    node::Node,
    server::SessionCounts,
    session::{NewSession, connect_info::ConnectInfo},
    shard::{Shard, Shards},
    testing::{self, MockBroker},
};

#[test]
fn a_reply_takes_text_and_bytes_as_they_are() {
    assert_eq!(
        fill_message("Server: Received({message})", "你好".as_bytes()),
        "Server: Received(你好)".as_bytes()
    );
    assert_eq!(fill_message("{message}{message}", b"\xff"), b"\xff\xff");
    assert_eq!(fill_message("fixed {text}", b"x"), b"fixed {text}");
}

struct Harness {
    puppet: Arc<MockBroker>,
    shard: Rc<Shard>,
    node: Arc<Node>,
    counts: Arc<SessionCounts>,
    admission: Arc<Admission>,
    metrics: Arc<Metrics>,
}

impl Harness {
    fn new() -> Self {
        let metrics = Arc::new(Metrics::default());
        let puppet = Arc::new(MockBroker::default());
        let broker: Arc<dyn Broker> = puppet.clone();
        let shards = Arc::new(Shards::new(metrics.clone(), testing::shard_settings(10)));
        let (node, counts) = testing::node(&broker, &shards, &metrics);
        Self {
            shard: shards.current(&broker),
            node,
            puppet,
            counts,
            admission: Admission::new(10, 0),
            metrics,
        }
    }

    /// A session that relays in channel `c`; the client's end of its socket.
    fn session(&self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let endpoint = Endpoint::new(&RawEndpoint {
            path: "/ws".into(),
            greeting: None,
            on_message: OnMessage::Relay { relay_self: false },
            subprotocols: Vec::new(),
            origins: None,
            channels: vec!["c".into()],
            connect_hook: false,
        });
        let connect_info = ConnectInfo {
            id: SessionId::random(),
            address: None,
            endpoint: endpoint.path.clone(),
            subprotocol: None,
            user_agent: None,
            transport: TransportKind::WebSocketUnix,
            window_bits: None,
            headers: Arc::default(),
            permit: self.admission.admit(None).expect("room"),
        };
        let params = RawParams {
            channels: vec![("c".into(), ChannelRequest::plain())],
            endpoint,
            identity: Ok(Identity::anonymous()),
            hook_context: connect_info.hook_context("json", "json"),
            envelope: false,
        };
        let new = NewSession {
            connect_info,
            profile: ConnectionProfile::raw(None, false, false),
            params,
            shard: &self.shard,
            node: &self.node,
        };
        Session::<Raw>::start_on_socket(new, Socket::Unix(ours), BytesMut::new());
        theirs
    }

    /// Sessions as every table has them: directory, shard, limits, broker.
    fn tables(&self) -> (u64, u64, usize, usize) {
        (
            self.counts.read().0,
            self.metrics.sum(|stats| &stats.sessions),
            self.admission.sessions(),
            self.puppet.listening.lock().expect("no panic").len(),
        )
    }

    /// Waits until the tables are so.
    async fn wait_for(&self, tables: (u64, u64, usize, usize)) {
        for _ in 0..1000 {
            if self.tables() == tables {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}, not {tables:?}", self.tables());
    }
}

fn paused<F: Future<Output = ()> + 'static>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// A text "x" from a client, masked with zeros.
const MESSAGE: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'x'];

#[test]
fn a_panic_in_a_handler_ends_one_session_which_leaves_every_table_once() {
    paused(async {
        let harness = Harness::new();
        let (mut bad, mut good) = (harness.session(), harness.session());
        // Both are in channel c and in the path's own, and each is told of.
        harness.wait_for((2, 2, 2, 4)).await;
        harness.puppet.panics.store(true, Relaxed);
        bad.write_all(&MESSAGE).await.expect("sent");
        let mut rest = Vec::new();
        let _ = bad.read_to_end(&mut rest).await;
        harness.puppet.panics.store(false, Relaxed);
        harness.wait_for((1, 1, 1, 2)).await;
        good.write_all(&[0x89, 0x80, 0, 0, 0, 0])
            .await
            .expect("sent");
        let mut pong = [0; 2];
        good.read_exact(&mut pong).await.expect("a pong");
        assert_eq!(pong, [0x8a, 0]);
        drop(good);
        harness.wait_for((0, 0, 0, 0)).await;
    });
}

#[test]
fn a_sender_for_whom_there_is_no_room_waits_and_is_then_told_to_come_again() {
    paused(async {
        let harness = Harness::new();
        let mut sender = harness.session();
        harness.puppet.busy.store(true, Relaxed);
        let started = tokio::time::Instant::now();
        sender.write_all(&MESSAGE).await.expect("sent");
        let mut close = [0; 4];
        sender.read_exact(&mut close).await.expect("a Close");
        assert_eq!(
            (close[0], u16::from_be_bytes([close[2], close[3]])),
            (0x88, 1013)
        );
        assert!(started.elapsed() >= RELAY_PATIENCE);
    });
}

#[test]
fn a_sender_goes_on_once_there_is_room() {
    paused(async {
        let harness = Harness::new();
        let mut sender = harness.session();
        harness.puppet.busy.store(true, Relaxed);
        sender.write_all(&MESSAGE).await.expect("sent");
        sender
            .write_all(&[0x89, 0x80, 0, 0, 0, 0])
            .await
            .expect("sent");
        let mut answer = [0; 2];
        let early = tokio::time::timeout(RELAY_PATIENCE / 2, sender.read_exact(&mut answer)).await;
        assert!(
            early.is_err(),
            "what comes behind the message waits with it"
        );
        harness.puppet.busy.store(false, Relaxed);
        sender.read_exact(&mut answer).await.expect("the pong");
        assert_eq!(answer, [0x8a, 0]);
    });
}
/// What an idle raw client costs beside its socket and its actor's mailbox. Who makes one of them larger says why, and
/// looks at `benches/compare/run idle`.
#[test]
fn an_idle_session_is_no_larger_than_it_was() {
    assert!(size_of::<Session<Raw>>() <= 280);
    assert!(size_of::<Connection>() <= 336, "with its outbox");
    assert!(size_of::<Outbox>() <= 80);
}
