//! A server without a process: the node of settings as a file has them, whose one worker is the
//! test's thread, and the ways in that a handshake would lead to.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::net::UnixStream;

use super::{Peer, until};
use crate::{
    connection::{
        ConnectionProfile,
        info::{RequestWords, TransportKind},
        socket::{Socket, Upgraded},
    },
    id::SessionId,
    node::access::{AccessRequest, EndpointChannels},
    protocol::Encoding,
    publication::Framing,
    server::RunPushes,
    session::{
        NewSession, Session,
        centrifuge::{Centrifuge, CentrifugeParams, ClientTransport},
        channel_request::channel_requests,
        connect_info::ConnectInfo,
        query::{Query, QueryText},
        raw::{Raw, RawParams, endpoint::Endpoint},
    },
    shard::{Selector, ServerCommand},
    testing::{self, TestNode},
};

/// The answer to a handshake, as far as a client of these tests looks at it.
const HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

pub(super) struct Server {
    pub(super) test: TestNode,
    endpoints: Vec<Arc<Endpoint>>,
    /// The sessions that have begun here.
    begun: RefCell<Vec<SessionId>>,
}

impl Server {
    pub(super) fn start(settings: &str) -> Self {
        let test = TestNode::as_started(testing::settings(settings));
        test.node.server.try_send(RunPushes).expect("room for one");
        let endpoints = test.node.settings.raw.iter();
        let endpoints = endpoints.map(Endpoint::new).collect();
        Self {
            test,
            endpoints,
            begun: RefCell::default(),
        }
    }

    /// Begins a session as the handshake for this address would, which has been read.
    pub(super) async fn ws(&self, address: &str) -> Peer {
        self.ws_deflating(address, None).await
    }

    /// The same where permessage-deflate is agreed on, with this window.
    pub(super) async fn ws_deflating(&self, address: &str, window_bits: Option<u8>) -> Peer {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let upgraded = Upgraded {
            socket: Socket::Unix(ours),
            head: Bytes::from_static(HEAD),
            read_buf: BytesMut::new(),
        };
        let connect_info = self.connect_info(path, window_bits);
        let id = connect_info.id;
        self.begun.borrow_mut().push(id);
        match path {
            "/connection/websocket" => self.centrifuge(connect_info, query, upgraded),
            _ => self.raw(connect_info, query, upgraded).await,
        }
        let connection = self.test.shard.connection_of(id);
        Peer::after_head(theirs, HEAD, connection.expect("it is in the shard")).await
    }

    fn connect_info(&self, path: &str, window_bits: Option<u8>) -> ConnectInfo {
        ConnectInfo {
            id: SessionId::random(),
            address: None,
            endpoint: path.into(),
            words: RequestWords::default(),
            transport: TransportKind::WebSocketUnix,
            window_bits,
            headers: Arc::default(),
            permit: self.test.node.admission.admit(None).expect("room"),
        }
    }

    fn centrifuge(&self, connect_info: ConnectInfo, query: &str, upgraded: Upgraded) {
        let window_bits = connect_info.window_bits.unwrap_or(0);
        let transport = ClientTransport {
            encoding: match query {
                "format=protobuf" => Encoding::Protobuf,
                _ => Encoding::Json,
            },
            unidirectional: false,
            framing: Framing::WebSocket { window_bits },
            frame_pings: false,
        };
        let new = NewSession {
            params: CentrifugeParams::new(&connect_info, transport, None),
            connect_info,
            profile: transport.profile(),
            shard: &self.test.shard,
            node: &self.test.node,
        };
        Session::<Centrifuge>::start_on_socket(new, upgraded);
    }

    async fn raw(&self, connect_info: ConnectInfo, query: &str, upgraded: Upgraded) {
        let node = &self.test.node;
        let mut endpoints = self.endpoints.iter();
        let endpoint = endpoints.find(|endpoint| endpoint.path == connect_info.endpoint);
        let endpoint = endpoint.expect("a raw endpoint");
        let text = QueryText {
            address: query,
            ..QueryText::default()
        };
        let query = Query::parse(text, node.settings.limits.subscriptions).expect("a query");
        let hook_context = connect_info.hook_context("json");
        let request = AccessRequest {
            hook_context: hook_context.clone(),
            token: None,
            connect_hook: false,
            channels: &query.channels,
            endpoint: EndpointChannels {
                beside_own: endpoint.channels(true),
                without_own: endpoint.channels(false),
            },
        };
        let authorized = node.authorize_request(request).await.expect("it may");
        let (identity, granted) = authorized.for_session();
        let params = RawParams {
            endpoint: endpoint.clone(),
            channels: channel_requests(granted, &query, query.envelope),
            identity: Ok(identity),
            hook_context,
            envelope: query.envelope,
        };
        let new = NewSession {
            profile: ConnectionProfile::raw(
                connect_info.window_bits,
                query.envelope,
                query.heartbeat,
            ),
            connect_info,
            params,
            shard: &self.test.shard,
            node,
        };
        Session::<Raw>::start_on_socket(new, upgraded);
    }

    /// Publishes a text as the API would.
    pub(super) async fn publish(&self, channel: &str, text: &str) {
        self.publish_tagged(channel, text, &[]).await;
    }

    /// The same with these labels.
    pub(super) async fn publish_tagged(&self, channel: &str, text: &str, tags: &[(&str, &str)]) {
        let node = &self.test.node;
        let payload = testing::text(text);
        let mut request = node.unchecked_publish_request(&channel.into(), payload);
        if !tags.is_empty() {
            let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
            let tags: BTreeMap<String, String> = tags.iter().map(owned).collect();
            request.tags = Some(Arc::new(tags.into()));
        }
        node.publish(request).await.expect("room");
    }

    /// Gives a command, as the API does, to every session that was begun.
    pub(super) async fn command_all(&self, command: &ServerCommand) {
        let begun = self.begun.borrow().clone();
        for client in begun {
            let selector = Selector {
                client: Some(client),
                ..Selector::default()
            };
            self.test.node.send_command(selector, command.clone()).await;
        }
    }

    /// Sessions that are there.
    pub(super) fn sessions(&self) -> u64 {
        self.test.node.session_counts().now
    }

    /// Waits until so many sessions are there.
    pub(super) async fn wait_sessions(&self, sessions: u64) {
        let what = format!("{sessions} sessions");
        until(&what, || self.sessions() == sessions).await;
    }

    /// How often a limit was reached.
    pub(super) fn limited(&self, limit: &str) -> u64 {
        let mut limits = self.test.metrics.limits();
        limits.find(|(name, _)| *name == limit).expect("a limit").1
    }
}
