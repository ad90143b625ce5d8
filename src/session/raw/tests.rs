//! Actor ring: sessions on socket pairs, with a broker that does as it is told and a clock that
//! only moves when everything waits.

use std::{
    io::{ErrorKind, Read as _},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{
    message::{RELAY_PATIENCE, fill_message},
    *,
};
use crate::{
    admission::Admission,
    broker::BrokerError,
    config::RawEndpoint,
    connection::{
        Connection, ConnectionProfile,
        info::{RequestWords, SessionInfo, TransportKind},
        outbox::Outbox,
        socket::{Socket, Upgraded},
    },
    id::SessionId,
    node::Node,
    session::{NewSession, centrifuge::Centrifuge, connect_info::ConnectInfo, task::SessionTask},
    testing::{Op, TestNode, paused},
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

/// An endpoint whose clients are in channel `c`.
fn endpoint(on_message: OnMessage) -> Arc<Endpoint> {
    Endpoint::new(&RawEndpoint {
        path: "/ws".into(),
        greeting: None,
        on_message,
        subprotocols: Vec::new(),
        origins: None,
        default_channels: Vec::new(),
        channels: vec!["c".into()],
        connect_hook: false,
    })
}

/// What a message leads to, in words, with the sessions that a relay leaves out.
fn outcome(node: &Node, on_message: OnMessage, sender: MessageSender, message: Payload) -> String {
    match endpoint(on_message).on_message(node, sender, message) {
        MessageOutcome::Ignored => "ignored".to_string(),
        MessageOutcome::Reply(reply) => format!("{reply:?}"),
        MessageOutcome::NoAudience => "no audience".to_string(),
        MessageOutcome::Relay(requests) => {
            let excluded = requests.iter().map(|request| request.exclude.len());
            format!("relayed, without {:?}", excluded.collect::<Vec<_>>())
        }
        MessageOutcome::AskBackend(message, on_failure) => format!("{message:?}, {on_failure:?}"),
    }
}

// What a message leads to was decided once for a session and once for `/send`.
#[test]
fn a_message_leads_to_the_same_by_a_socket_and_by_a_request_but_that_a_session_is_left_out() {
    paused(async {
        let harness = Harness::new();
        let node = &harness.test.node;
        let channels: Arc<[ChannelName]> = ["a", "b"].map(ChannelName::from).into();
        let (text, bytes) = (
            Payload::Text("x".into()),
            Payload::Binary(Bytes::from_static(b"\xff")),
        );
        for (session, left_out) in [(None, 0), (Some(SessionId::random()), 1)] {
            let sender = MessageSender {
                audience: &channels,
                session,
            };
            let of =
                |on_message, message: &Payload| outcome(node, on_message, sender, message.clone());
            assert_eq!(of(OnMessage::Ignore, &text), "ignored");
            assert_eq!(of(OnMessage::Echo, &text), format!("{text:?}"));
            assert_eq!(of(OnMessage::Echo, &bytes), format!("{bytes:?}"));
            let template = OnMessage::Reply("<{message}>".to_string());
            let filled = Payload::Text("<x>".into());
            assert_eq!(of(template.clone(), &text), format!("{filled:?}"));
            let filled = Payload::Binary(Bytes::from_static(b"<\xff>"));
            assert_eq!(of(template, &bytes), format!("{filled:?}"));
            let relay = |relay_self| of(OnMessage::Relay { relay_self }, &text);
            assert_eq!(relay(true), "relayed, without [0, 0]");
            let expected = format!("relayed, without [{left_out}, {left_out}]");
            assert_eq!(relay(false), expected);
            let on_failure = HookFailureAction::Close;
            let hook = OnMessage::Hook { on_failure };
            assert_eq!(of(hook, &text), format!("{text:?}, Close"));
            let to_nobody = MessageSender {
                audience: &Arc::default(),
                session,
            };
            let relay = OnMessage::Relay { relay_self: true };
            assert_eq!(outcome(node, relay, to_nobody, text.clone()), "no audience");
        }
        let error = no_audience(node, None);
        assert_eq!(error.close().code, Close::PERMISSION_DENIED.code);
        // The `Server` actor gets its first turn: it must not end before it began.
        tokio::task::yield_now().await;
    });
}

/// The answer to a handshake, as far as a client of these tests looks at it.
const HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

async fn read_head(client: &mut UnixStream) {
    let mut head = [0; HEAD.len()];
    client.read_exact(&mut head).await.expect("a head");
    assert_eq!(head, HEAD);
}

struct Harness {
    test: TestNode,
    admission: Arc<Admission>,
}

impl Harness {
    fn new() -> Self {
        Self {
            test: TestNode::new(10),
            admission: Admission::new(10, 0),
        }
    }

    /// Begins a session that relays in channel `c`; the client's end of its socket.
    fn begin(&self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let endpoint = endpoint(OnMessage::Relay { relay_self: false });
        let connect_info = ConnectInfo {
            id: SessionId::random(),
            address: None,
            endpoint: endpoint.path.clone(),
            words: RequestWords::default(),
            transport: TransportKind::WebSocketUnix,
            window_bits: None,
            headers: Arc::default(),
            permit: self.admission.admit(None).expect("room"),
        };
        let params = RawParams {
            channels: vec![ChannelRequest::plain("c")],
            endpoint,
            identity: Ok(Identity::anonymous()),
            hook_context: connect_info.hook_context("json"),
            envelope: false,
        };
        let new = NewSession {
            connect_info,
            profile: ConnectionProfile::raw(None, false, false),
            params,
            shard: &self.test.shard,
            node: &self.test.node,
        };
        let upgraded = Upgraded {
            socket: Socket::Unix(ours),
            head: Bytes::from_static(HEAD),
            read_buf: BytesMut::new(),
        };
        Session::<Raw>::start_on_socket(new, upgraded);
        theirs
    }

    /// The same, once the client has read that it is open.
    async fn session(&self) -> UnixStream {
        let mut client = self.begin();
        read_head(&mut client).await;
        client
    }

    /// Sessions as every table has them: directory, shard, limits, broker.
    fn tables(&self) -> (u64, u64, usize, usize) {
        (
            self.test.node.session_counts().now,
            self.test.metrics.sum(|stats| &stats.sessions),
            self.admission.sessions(),
            self.test.node.fanout.entries().members,
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

/// A text "x" from a client, masked with zeros.
const MESSAGE: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'x'];

// Who has read the 101 is connected, and may tell others so. On two workers, what another client
// then said was lost: the head was out before the session was in its shard.
#[test]
fn who_is_told_101_is_in_its_channels_already() {
    paused(async {
        let harness = Harness::new();
        // By the system's word: the runtime's would be old.
        let mut client = harness.begin().into_std().expect("a socket");
        assert_eq!(
            harness.test.node.fanout.entries().members,
            2,
            "c and the path's own"
        );
        let told = client.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(told, Err(ErrorKind::WouldBlock), "nothing has left yet");
        let mut client = UnixStream::from_std(client).expect("a socket");
        read_head(&mut client).await;
    });
}

#[test]
fn a_panic_in_a_handler_ends_one_session_which_leaves_every_table_once() {
    paused(async {
        let harness = Harness::new();
        let (mut bad, mut good) = (harness.session().await, harness.session().await);
        // Both are in channel c and in the path's own, and each is told of.
        harness.wait_for((2, 2, 2, 4)).await;
        harness.test.broker.panic_at(Some(Op::Publish));
        bad.write_all(&MESSAGE).await.expect("sent");
        let mut rest = Vec::new();
        let _ = bad.read_to_end(&mut rest).await;
        harness.test.broker.panic_at(None);
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
        let mut sender = harness.session().await;
        harness
            .test
            .broker
            .fail(Op::Publish, BrokerError::Busy, u32::MAX);
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
        let mut sender = harness.session().await;
        harness
            .test
            .broker
            .fail(Op::Publish, BrokerError::Busy, u32::MAX);
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
        harness.test.broker.fail(Op::Publish, BrokerError::Busy, 0);
        sender.read_exact(&mut answer).await.expect("the pong");
        assert_eq!(answer, [0x8a, 0]);
    });
}
/// What an idle client costs beside its socket and its actor's mailbox. Who makes one of them
/// larger says why, and looks at `benches/compare/run --work idle`. The runtime puts about a
/// hundred bytes before and behind a task and rounds up to 128: 384 for these. A connection and
/// what is known of a session have 16 before them: 256 and 160.
#[test]
fn an_idle_session_is_no_larger_than_it_was() {
    assert!(size_of::<Session<Raw>>() <= 160);
    assert!(size_of::<Session<Centrifuge>>() <= 160);
    assert!(size_of::<SessionTask<Session<Raw>>>() <= 272);
    assert!(size_of::<SessionTask<Session<Centrifuge>>>() <= 272);
    assert!(size_of::<Connection>() <= 240, "with its outbox");
    assert!(size_of::<Outbox>() <= 80);
    assert!(size_of::<SessionInfo>() <= 144);
}

/// The code of the Close that comes, and its reason.
async fn close_of_next(client: &mut UnixStream) -> (u16, String) {
    let mut head = [0; 4];
    client.read_exact(&mut head).await.expect("a Close");
    assert_eq!(head[0], 0x88);
    let mut reason = vec![0; usize::from(head[1]) - 2];
    client.read_exact(&mut reason).await.expect("its reason");
    let reason = String::from_utf8(reason).expect("text");
    (u16::from_be_bytes([head[2], head[3]]), reason)
}

#[test]
fn what_may_have_been_published_is_not_published_again() {
    paused(async {
        let harness = Harness::new();
        let mut sender = harness.session().await;
        harness
            .test
            .broker
            .fail(Op::Publish, BrokerError::Doubtful, 1);
        sender.write_all(&MESSAGE).await.expect("sent");
        let (code, reason) = close_of_next(&mut sender).await;
        assert_eq!(code, 1013);
        assert!(reason.contains("may have been published"), "{reason}");
        assert_eq!(harness.test.broker.texts(), ["x"]);
    });
}

#[test]
fn a_broker_that_never_answers_ends_in_time() {
    paused(async {
        let harness = Harness::new();
        let mut sender = harness.session().await;
        harness.test.broker.hold(Op::Publish);
        let started = tokio::time::Instant::now();
        sender.write_all(&MESSAGE).await.expect("sent");
        let (code, reason) = close_of_next(&mut sender).await;
        assert_eq!((code, started.elapsed().as_secs()), (1013, 5));
        assert!(reason.contains("may have been published"), "{reason}");
    });
}
