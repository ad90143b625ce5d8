//! Every protocol through the one way into a channel, against a broker whose answers come late, out
//! of turn or never, and whose publications come late, doubled or not at all. No process, no
//! socket: each session runs on a body, whose frames the test takes. The clock stands still until
//! everything waits.

mod turns;

use std::{future::Future, task::Waker, time::Duration};

use actix::Recipient;
use bytes::Bytes;
use serde_json::Value;

use super::{
    centrifuge::{Centrifuge, CentrifugeParams, ClientTransport},
    channel_request::ChannelRequest,
    connect_info::ConnectInfo,
    raw::{Raw, RawParams, endpoint::Endpoint},
    stream::{self, SessionHandle, StreamParams},
    *,
};
use crate::{
    admission::Admission,
    broker::BrokerError,
    close::Unsubscribe,
    config::{Channels, Namespace, OnMessage, RawEndpoint, Settings},
    connection::{
        info::{RequestWords, TransportKind},
        outbox::{Frame, FrameKind},
    },
    id::SessionId,
    node::{auth::Identity, recovery::Since},
    protocol::Encoding,
    publication::Framing,
    registry::ChannelName,
    testing::{self, Op, TestNode, scripted::Delivery},
};

const CHANNEL: &str = "c";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Raw,
    Centrifuge,
    Stream,
}

const KINDS: [Kind; 3] = [Kind::Raw, Kind::Centrifuge, Kind::Stream];

/// What a client got, whatever its protocol calls it.
#[derive(Clone, Debug, PartialEq)]
enum Got {
    /// A publication of this offset, replayed or live.
    Offset(u64),
    /// It is subscribed, and whether it has all that it missed.
    Told(bool),
    /// It is not subscribed: an error's code, or that of a close.
    Refused(u64),
    /// The subscription, or the session, ended because something is missing.
    Missed,
}

use Got::{Missed, Offset, Refused, Told};

/// A node that keeps what is published in [`CHANNEL`], and its clients.
struct Harness {
    test: TestNode,
    admission: Arc<Admission>,
}

impl Harness {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// With other settings.
    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::demonstration();
        let mut rules = Namespace {
            history_size: 100,
            history_ttl: Duration::from_secs(3600),
            ..Namespace::default()
        };
        rules.allow_subscribe.anonymous = true;
        settings.channels = Channels {
            configured: true,
            default: rules.into(),
            ..Channels::default()
        };
        settings.client.anonymous = true;
        settings.push.clear();
        change(&mut settings);
        Self {
            test: TestNode::with(100, settings),
            admission: Admission::new(10, 0),
        }
    }

    /// Publishes so many messages in the channel.
    async fn publish(&self, number: usize) {
        for _ in 0..number {
            let channel = ChannelName::from(CHANNEL);
            let request = self
                .test
                .node
                .unchecked_publish_request(&channel, testing::text("x"));
            self.test.node.publish(request).await.expect("room");
        }
    }

    fn connect_info(&self) -> ConnectInfo {
        ConnectInfo {
            id: SessionId::random(),
            address: None,
            endpoint: "/test".into(),
            words: RequestWords::default(),
            transport: TransportKind::HttpStream,
            window_bits: None,
            headers: Arc::default(),
            permit: self.admission.admit(None).expect("room"),
        }
    }

    /// A client that asks for all that the channel has ever kept.
    fn client(&self, kind: Kind) -> Client {
        match kind {
            Kind::Raw => self.raw(),
            Kind::Centrifuge => self.centrifuge(),
            Kind::Stream => self.stream(),
        }
    }

    fn request(&self) -> Vec<(ChannelName, ChannelRequest)> {
        let request = ChannelRequest {
            since: Since::Offset {
                offset: 0,
                epoch: String::new(),
            },
            keep: Some(Duration::from_secs(3600)),
            positions: true,
            ..ChannelRequest::plain()
        };
        vec![(CHANNEL.into(), request)]
    }

    fn raw(&self) -> Client {
        let connect_info = self.connect_info();
        let endpoint = RawEndpoint {
            path: "/test".into(),
            greeting: None,
            on_message: OnMessage::Ignore,
            subprotocols: Vec::new(),
            origins: None,
            channels: Vec::new(),
            default_channels: Vec::new(),
            connect_hook: false,
        };
        let params = RawParams {
            endpoint: Endpoint::new(&endpoint),
            identity: Ok(Identity::anonymous()),
            hook_context: connect_info.hook_context("json"),
            channels: self.request(),
            envelope: true,
        };
        let (connection, session) = Session::<Raw>::start_on_body(NewSession {
            connect_info,
            profile: ConnectionProfile::raw(None, true, false),
            params,
            shard: &self.test.shard,
            node: &self.test.node,
        });
        Client::new(connection, session)
    }

    fn centrifuge(&self) -> Client {
        self.centrifuge_with(&format!(
            "{{\"id\":1,\"connect\":{{}}}}\n\
             {{\"id\":2,\"subscribe\":{{\"channel\":\"{CHANNEL}\",\"recover\":true}}}}"
        ))
    }

    /// A client of the protocol that begins with these commands.
    fn centrifuge_with(&self, commands: &str) -> Client {
        let connect_info = self.connect_info();
        let transport = ClientTransport {
            encoding: Encoding::Json,
            unidirectional: false,
            framing: Framing::Line,
            frame_pings: false,
        };
        let commands = commands.to_string();
        let params =
            CentrifugeParams::new(&connect_info, transport, None).with_commands(commands.into());
        let (connection, session) = Session::<Centrifuge>::start_on_body(NewSession {
            connect_info,
            profile: transport.profile(),
            params,
            shard: &self.test.shard,
            node: &self.test.node,
        });
        Client::new(connection, session)
    }

    fn stream(&self) -> Client {
        let identity = Identity::anonymous();
        let params = StreamParams {
            connect_info: self.connect_info(),
            permit: self.test.node.admit_user(&identity.user).expect("room"),
            identity,
            channels: self.request(),
            envelope: true,
            comments: false,
        };
        let handle = stream::start(params, &self.test.shard, &self.test.node);
        let (connection, session) = (handle.connection().clone(), handle.session_for_test());
        Client {
            handle: Some(handle),
            ..Client::new(connection, session)
        }
    }

    /// Channels of sessions that the fan-out counts.
    fn listeners(&self) -> usize {
        self.test.node.fanout.entries().1
    }
}

struct Client {
    connection: Rc<Connection>,
    session: Recipient<SessionMessage>,
    /// Of a streamed client: what it missed is not told by a frame.
    handle: Option<SessionHandle>,
    told: bool,
}

impl Client {
    fn new(connection: Rc<Connection>, session: Recipient<SessionMessage>) -> Self {
        Self {
            connection,
            session,
            handle: None,
            told: false,
        }
    }

    /// What others tell its session.
    fn tell(&self, message: SessionMessage) {
        self.session.try_send(message).expect("room for one");
    }

    /// What has come since the test looked last.
    async fn got(&mut self) -> Vec<Got> {
        settle().await;
        let mut got = self.recovered().await;
        let mut cx = std::task::Context::from_waker(Waker::noop());
        while let std::task::Poll::Ready(Some(frame)) = self.connection.poll_take(&mut cx) {
            if let Frame::Own {
                kind: FrameKind::Close,
                ..
            } = frame
            {
                // A plain stream's body says it in words of its own; that it is there is what
                // counts.
                let ending = self.connection.ending().expect("it has ended");
                got.push(closed(ending.code().into()));
            } else {
                read(self.connection.bytes_of(&frame), &mut got);
            }
        }
        got
    }

    /// What a streamed client's holder is told, once it is.
    async fn recovered(&mut self) -> Vec<Got> {
        let (Some(handle), false) = (&mut self.handle, self.told) else {
            return Vec::new();
        };
        let Ok(recovered) = tokio::time::timeout(Duration::ZERO, handle.peek_recovered()).await
        else {
            return Vec::new();
        };
        self.told = true;
        match recovered {
            Err(BrokerError::Unavailable) => vec![Refused(503)],
            Err(error) => panic!("{error}"),
            Ok(channels) => channels
                .iter()
                .flat_map(|channel| {
                    let items = &channel.recovery.items;
                    let offsets = items.iter().map(|item| Offset(item.offset));
                    offsets.chain([Told(channel.recovery.recovered)])
                })
                .collect(),
        }
    }
}

fn closed(code: u64) -> Got {
    match code {
        3010 => Missed,
        code => Refused(code),
    }
}

/// The JSON documents in one or more frames, whatever stands around them.
fn read(mut frames: &[u8], got: &mut Vec<Got>) {
    while let Some(start) = frames.iter().position(|&byte| byte == b'{') {
        frames = &frames[start..];
        let mut documents = serde_json::Deserializer::from_slice(frames).into_iter::<Value>();
        let Some(Ok(document)) = documents.next() else {
            return;
        };
        frames = &frames[documents.byte_offset()..];
        read_document(&document, got);
    }
}

fn read_document(it: &Value, got: &mut Vec<Got>) {
    let (subscribed, push) = (&it["subscribe"], &it["push"]);
    let offset = |it: &Value| it["offset"].as_u64().map(Offset);
    if let Some(code) = it["error"]["code"].as_u64() {
        got.push(Refused(code));
    } else if subscribed.is_object() {
        let replayed = subscribed["publications"].as_array();
        got.extend(replayed.into_iter().flatten().filter_map(offset));
        got.push(Told(subscribed["recovered"] == true));
    } else if let Some(code) = push["unsubscribe"]["code"].as_u64() {
        got.push(if code == 2500 { Missed } else { Refused(code) });
    } else if let Some(recovered) = it["recovered"].as_bool() {
        got.push(Told(recovered));
    } else {
        got.extend(offset(&push["pub"]).or_else(|| offset(it)));
    }
}

/// Everything that can go on goes on.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Runs a test for each protocol, on a thread of its own, since a thread has one shard.
fn each<F: Future<Output = ()> + 'static>(test: impl Fn(Kind, Rc<Harness>) -> F + Sync) {
    for kind in KINDS {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .expect("a runtime");
            tokio::task::LocalSet::new().block_on(&runtime, async {
                let harness = Rc::new(Harness::new());
                settle().await;
                test(kind, harness).await;
            });
        };
        std::thread::scope(|scope| scope.spawn(run).join().expect("no panic"));
    }
}

#[test]
fn what_comes_while_the_history_is_read_comes_once_and_behind_it() {
    each(|kind, harness| async move {
        harness.publish(2).await;
        harness.test.broker.hold(Op::History);
        let mut client = harness.client(kind);
        assert_eq!(
            client.got().await,
            [],
            "{kind:?}: nothing is told before it is read"
        );
        harness.publish(2).await;
        assert_eq!(client.got().await, [], "{kind:?}: nor is anything live");
        harness.test.broker.release(Op::History);
        let mut got = client.got().await;
        harness.publish(1).await;
        got.extend(client.got().await);
        got.retain(|it| *it != Told(true));
        let each_once: Vec<Got> = (1..=5).map(Offset).collect();
        assert_eq!(got, each_once, "{kind:?}");
    });
}

#[test]
fn publications_that_come_twice_reach_a_client_once() {
    each(|kind, harness| async move {
        harness.test.broker.set_delivery(Delivery::Twice);
        let mut client = harness.client(kind);
        assert_eq!(client.got().await, [Told(true)], "{kind:?}");
        harness.publish(3).await;
        let each_once = [Offset(1), Offset(2), Offset(3)];
        assert_eq!(client.got().await, each_once, "{kind:?}");
    });
}

#[test]
fn publications_that_come_after_they_were_read_are_not_told_again() {
    each(|kind, harness| async move {
        harness.test.broker.set_delivery(Delivery::Late);
        harness.publish(2).await;
        let mut client = harness.client(kind);
        let read = [Offset(1), Offset(2), Told(true)];
        assert_eq!(client.got().await, read, "{kind:?}");
        harness.publish(1).await;
        harness.test.broker.deliver(None);
        assert_eq!(client.got().await, [Offset(3)], "{kind:?}");
    });
}

#[test]
fn a_publication_that_never_came_is_missed_once_the_next_one_comes() {
    each(|kind, harness| async move {
        let mut client = harness.client(kind);
        assert_eq!(client.got().await, [Told(true)], "{kind:?}");
        harness.test.broker.set_delivery(Delivery::Lost);
        harness.publish(1).await;
        harness.test.broker.set_delivery(Delivery::AtOnce);
        harness.publish(2).await;
        assert_eq!(
            client.got().await,
            [Missed],
            "{kind:?}: and nothing behind the gap"
        );
    });
}

#[test]
fn nobody_is_told_that_it_is_subscribed_before_the_broker_listens() {
    each(|kind, harness| async move {
        harness.test.broker.hold(Op::Listening);
        let mut client = harness.client(kind);
        harness.publish(1).await;
        assert_eq!(client.got().await, [], "{kind:?}");
        assert_eq!(
            harness.test.broker.calls(Op::History),
            0,
            "{kind:?}: nor is history read"
        );
        harness.test.broker.release(Op::Listening);
        assert_eq!(client.got().await, [Offset(1), Told(true)], "{kind:?}");
    });
}

#[test]
fn a_broker_that_never_answers_is_away_after_the_deadline_and_nothing_is_left_half_done() {
    each(|kind, harness| async move {
        let before = harness.listeners();
        harness.test.broker.hold(Op::History);
        let mut client = harness.client(kind);
        assert_eq!(client.got().await, []);
        assert_eq!(harness.listeners(), before + 1, "{kind:?}: it is entered");
        let deadline = harness.test.node.settings.limits.broker_timeout;
        tokio::time::sleep(deadline + Duration::from_millis(10)).await;
        let refused = match kind {
            Kind::Raw => 1013,
            Kind::Centrifuge => 100,
            Kind::Stream => 503,
        };
        assert_eq!(client.got().await, [Refused(refused)], "{kind:?}");
        assert_eq!(harness.listeners(), before, "{kind:?}: and has left");
        // An answer that comes after all finds nobody.
        harness.test.broker.release(Op::History);
        harness.publish(1).await;
        assert_eq!(client.got().await, [], "{kind:?}");
    });
}

#[test]
fn who_goes_while_the_history_is_read_leaves_nothing_behind() {
    each(|kind, harness| async move {
        let before = harness.listeners();
        harness.test.broker.hold(Op::History);
        let mut client = harness.client(kind);
        assert_eq!(client.got().await, []);
        client.tell(SessionMessage::Gone);
        settle().await;
        assert_eq!(harness.listeners(), before, "{kind:?}");
        harness.test.broker.release(Op::History);
        harness.publish(1).await;
        settle().await;
        assert_eq!(harness.test.counts.read().0, 0, "{kind:?}");
        assert_eq!(harness.admission.sessions(), 0, "{kind:?}");
    });
}

/// An order that came while the history was read waited until it was there, for the actor heard
/// nothing meanwhile.
#[test]
fn who_is_taken_out_of_a_channel_while_its_history_is_read_does_not_go_live() {
    each(|kind, harness| async move {
        let before = harness.listeners();
        harness.test.broker.hold(Op::History);
        let mut client = harness.client(kind);
        assert_eq!(client.got().await, []);
        let out = ServerCommand::Unsubscribe {
            channel: CHANNEL.into(),
            why: Unsubscribe::SERVER,
        };
        client.tell(SessionMessage::Command(out.into()));
        settle().await;
        assert_eq!(harness.listeners(), before, "{kind:?}: it is heard at once");
        harness.test.broker.release(Op::History);
        harness.publish(1).await;
        let got = client.got().await;
        assert!(
            !got.contains(&Offset(1)) && !got.contains(&Told(true)),
            "{kind:?}: {got:?}"
        );
    });
}

#[test]
fn a_disconnect_is_heard_while_the_broker_is_waited_for() {
    each(|kind, harness| async move {
        harness.test.broker.hold(Op::History);
        let mut client = harness.client(kind);
        assert_eq!(client.got().await, []);
        let end = ServerCommand::Disconnect(Close::KICKED);
        client.tell(SessionMessage::Command(end.into()));
        settle().await;
        let ending = client.connection.ending();
        assert_eq!(ending, Some(Ending::ByServer(Close::KICKED)), "{kind:?}");
        harness.test.broker.release(Op::History);
        assert!(!client.got().await.contains(&Told(true)), "{kind:?}");
    });
}

// Two sessions of a user that came together, where only one may stay, each ended the other, and the
// user had none: both were in the tables when either was heard.
#[test]
fn of_sessions_that_end_one_another_the_one_whose_user_was_known_last_stays() {
    each(|kind, harness| async move {
        let before = Instant::now();
        let mut client = harness.client(kind);
        client.got().await;
        let close = Close::CONNECTION_LIMIT;
        for (than, ended) in [(before, false), (Instant::now(), true)] {
            let command = ServerCommand::DisconnectOlder {
                than,
                close: close.clone(),
            };
            client.tell(SessionMessage::Command(command.into()));
            settle().await;
            let ending = ended.then(|| Ending::ByServer(close.clone()));
            assert_eq!(client.connection.ending(), ending, "{kind:?}");
        }
    });
}

/// Runs a test of the Centrifuge protocol alone.
fn centrifuge<F: Future<Output = ()> + 'static>(test: impl Fn(Rc<Harness>) -> F + Sync) {
    let nothing = |_| async {};
    each(|kind, harness| {
        let run: std::pin::Pin<Box<dyn Future<Output = ()>>> = match kind {
            Kind::Centrifuge => Box::pin(test(harness)),
            Kind::Raw | Kind::Stream => Box::pin(nothing(harness)),
        };
        run
    });
}

/// A connect that waits for the history of a channel that the client has from the start.
const SLOW_CONNECT: &str = "{\"id\":1,\"connect\":{\"subs\":{\"c\":{\"recover\":true}}}}";

/// What stood behind a connect that waited, in the same frame, was refused with 111: reading was
/// still paused when its turn came.
#[test]
fn commands_behind_a_connect_that_waits_are_done_once_it_is_answered() {
    centrifuge(|harness| async move {
        harness.test.broker.hold(Op::History);
        let behind = "{\"id\":2,\"subscribe\":{\"channel\":\"d\"}}";
        let mut client = harness.centrifuge_with(&format!("{SLOW_CONNECT}\n{behind}"));
        assert_eq!(client.got().await, [], "nothing before the welcome");
        harness.test.broker.release(Op::History);
        assert_eq!(client.got().await, [Told(false)]);
        harness.publish(1).await;
        assert_eq!(client.got().await, [Offset(1)]);
    });
}

/// What the API wanted of a session before it was connected was lost, or done out of order.
#[test]
fn commands_of_the_server_before_the_welcome_are_done_behind_it_in_order() {
    centrifuge(|harness| async move {
        let before = harness.listeners();
        harness.test.broker.hold(Op::History);
        let mut client = harness.centrifuge_with(SLOW_CONNECT);
        assert_eq!(client.got().await, []);
        let given = crate::subscription::ServerSubscription {
            channel: "given".into(),
            ..Default::default()
        };
        let why = Unsubscribe::SERVER;
        let leave = |channel: &str| ServerCommand::Unsubscribe {
            channel: channel.into(),
            why,
        };
        for command in [
            ServerCommand::Subscribe(given),
            leave("given"),
            leave(CHANNEL),
        ] {
            client.tell(SessionMessage::Command(command.into()));
        }
        assert_eq!(
            client.got().await,
            [],
            "it does not know yet that it is connected"
        );
        harness.test.broker.release(Op::History);
        assert_eq!(client.got().await, [Refused(2000), Refused(2000)]);
        assert_eq!(harness.listeners(), before, "out of both");
    });
}

/// A subscription that failed took a later one of its channel with it: that went on being delivered,
/// and nothing could end it.
#[test]
fn a_subscription_that_fails_late_leaves_the_next_one_of_its_channel_alone() {
    centrifuge(|harness| async move {
        let mut client = harness.centrifuge_with("{\"id\":1,\"connect\":{}}");
        assert_eq!(client.got().await, []);
        harness.test.broker.hold(Op::History);
        let say = |command: &str| SessionMessage::Frame(Bytes::from(command.to_string()).into());
        let subscribe = "\"subscribe\":{\"channel\":\"c\",\"recover\":true}}";
        client.tell(say(&format!("{{\"id\":2,{subscribe}")));
        settle().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        client.tell(say("{\"id\":3,\"unsubscribe\":{\"channel\":\"c\"}}"));
        client.tell(say(&format!("{{\"id\":4,{subscribe}")));
        settle().await;
        tokio::time::sleep(Duration::from_millis(2100)).await;
        assert_eq!(client.got().await, [Refused(100)], "the first one");
        harness.test.broker.release(Op::History);
        assert_eq!(client.got().await, [Told(true)], "the second one");
        harness.publish(1).await;
        assert_eq!(client.got().await, [Offset(1)]);
        client.tell(say("{\"id\":5,\"unsubscribe\":{\"channel\":\"c\"}}"));
        settle().await;
        harness.publish(1).await;
        assert_eq!(client.got().await, [], "it can be left");
    });
}
