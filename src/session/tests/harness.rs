//! What the tests of sessions stand on: a node whose broker is scripted, clients of each protocol
//! on bodies, and what they got. Owned by the test. The clock stands still until everything waits.

use std::{future::Future, task::Waker, time::Duration};

use actix::Recipient;
use serde_json::Value;

use super::super::{
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
    config::{Channels, Namespace, OnMessage, RawEndpoint, Settings},
    connection::{
        info::{RequestWords, TransportKind},
        outbox::{Frame, FrameKind},
    },
    id::SessionId,
    node::{access::AdmittedClient, auth::Identity, recovery::Since},
    protocol::Encoding,
    publication::Framing,
    registry::ChannelName,
    testing::{self, TestNode, paused},
};

pub(in crate::session) const CHANNEL: &str = "c";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::session) enum Kind {
    Raw,
    Centrifuge,
    Stream,
}

pub(in crate::session) const KINDS: [Kind; 3] = [Kind::Raw, Kind::Centrifuge, Kind::Stream];

/// What a client got, whatever its protocol calls it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::session) enum Got {
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
pub(in crate::session) struct Harness {
    pub(in crate::session) test: TestNode,
    pub(in crate::session) admission: Arc<Admission>,
}

impl Harness {
    pub(in crate::session) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With other settings.
    pub(in crate::session) fn with(change: impl FnOnce(&mut Settings)) -> Self {
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
    pub(in crate::session) async fn publish(&self, number: usize) {
        for _ in 0..number {
            let channel = ChannelName::from(CHANNEL);
            let request = self
                .test
                .node
                .unchecked_publish_request(&channel, testing::text("x"));
            self.test.node.publish(request).await.expect("room");
        }
    }

    pub(in crate::session) fn connect_info(&self) -> ConnectInfo {
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
    pub(in crate::session) fn client(&self, kind: Kind) -> Client {
        match kind {
            Kind::Raw => self.raw(),
            Kind::Centrifuge => self.centrifuge(),
            Kind::Stream => self.stream(),
        }
    }

    pub(in crate::session) fn request(&self) -> Vec<ChannelRequest> {
        let request = ChannelRequest {
            since: Since::Offset {
                offset: 0,
                epoch: String::new(),
            },
            keep: Some(Duration::from_secs(3600)),
            positions: true,
            ..ChannelRequest::plain(CHANNEL)
        };
        vec![request]
    }

    pub(in crate::session) fn raw(&self) -> Client {
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

    pub(in crate::session) fn centrifuge(&self) -> Client {
        self.centrifuge_with(&format!(
            "{{\"id\":1,\"connect\":{{}}}}\n\
             {{\"id\":2,\"subscribe\":{{\"channel\":\"{CHANNEL}\",\"recover\":true}}}}"
        ))
    }

    /// A client of the protocol that begins with these commands.
    pub(in crate::session) fn centrifuge_with(&self, commands: &str) -> Client {
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

    pub(in crate::session) fn stream(&self) -> Client {
        let params = StreamParams {
            connect_info: self.connect_info(),
            admitted: AdmittedClient::anonymous(&self.test.node, self.request()),
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
    pub(in crate::session) fn listeners(&self) -> usize {
        self.test.node.fanout.entries().members
    }
}

pub(in crate::session) struct Client {
    pub(in crate::session) connection: Rc<Connection>,
    pub(in crate::session) session: Recipient<SessionMessage>,
    /// Of a streamed client: what it missed is not told by a frame.
    pub(in crate::session) handle: Option<SessionHandle>,
    pub(in crate::session) told: bool,
}

impl Client {
    pub(in crate::session) fn new(
        connection: Rc<Connection>,
        session: Recipient<SessionMessage>,
    ) -> Self {
        Self {
            connection,
            session,
            handle: None,
            told: false,
        }
    }

    /// What others tell its session.
    pub(in crate::session) fn tell(&self, message: SessionMessage) {
        self.session.try_send(message).expect("room for one");
    }

    /// What has come since the test looked last.
    pub(in crate::session) async fn got(&mut self) -> Vec<Got> {
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
    pub(in crate::session) async fn recovered(&mut self) -> Vec<Got> {
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

pub(in crate::session) fn closed(code: u64) -> Got {
    match code {
        3010 => Missed,
        code => Refused(code),
    }
}

/// The JSON documents in one or more frames, whatever stands around them.
pub(in crate::session) fn read(mut frames: &[u8], got: &mut Vec<Got>) {
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

pub(in crate::session) fn read_document(it: &Value, got: &mut Vec<Got>) {
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
pub(in crate::session) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Runs a test for each protocol, on a thread of its own, since a thread has one shard.
pub(in crate::session) fn each<F: Future<Output = ()> + 'static>(
    test: impl Fn(Kind, Rc<Harness>) -> F + Sync,
) {
    for kind in KINDS {
        let run = || {
            paused(async {
                let harness = Rc::new(Harness::new());
                settle().await;
                test(kind, harness).await;
            });
        };
        std::thread::scope(|scope| scope.spawn(run).join().expect("no panic"));
    }
}
