//! How a session of the protocol is carried, and its beginning on each of the ways.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use actix::{Actor, Addr, AsyncContext};
use bytes::{Bytes, BytesMut};

use super::{ClientSession, Stage};
use crate::{
    codec::Decoder,
    connection::{Connection, ConnectionProfile, Pings, reader::Reader, socket::Socket},
    heartbeat::Heartbeat,
    node::{Node, auth::Identity, emulation::Commands, rate_limit::RateLimiter},
    protocol::Encoding,
    publication::{Delta, Framing, PayloadFormat, WireFormat},
    server::Opened,
    session::{connect_info::ConnectInfo, presence::SessionPresence},
    shard::Shard,
};

/// How a session of the protocol is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientTransport {
    /// JSON or Protobuf.
    pub encoding: Encoding,
    /// The client only listens: no replies, pushes without their wrapper.
    pub one_way: bool,
    /// What carries the messages.
    pub framing: Framing,
}

impl ClientTransport {
    fn profile(self) -> ConnectionProfile {
        ConnectionProfile {
            form: WireFormat {
                body: PayloadFormat::Client {
                    encoding: self.encoding,
                    bare: self.one_way,
                    delta: Delta::Off,
                },
                framing: self.framing,
            },
            pings: Pings::Protocol {
                answered: !self.one_way,
            },
        }
    }

    /// Its names for hooks: of the protocol, and of its encoding.
    fn protocol(self) -> (&'static str, &'static str) {
        match self.encoding {
            Encoding::Json => ("json", "json"),
            Encoding::Protobuf => ("protobuf", "binary"),
        }
    }
}

impl ClientSession {
    /// Begins a session on a socket that HTTP has let go of; `read_buf` came behind the handshake.
    pub fn start(
        connect_info: ConnectInfo,
        way: ClientTransport,
        token: Option<String>,
        shard: &Rc<Shard>,
        node: &Arc<Node>,
        socket: Socket,
        read_buf: BytesMut,
    ) {
        let info = connect_info.info(shard.id().0);
        let phase = shard
            .config()
            .heartbeat
            .ping_interval
            .mul_f64(connect_info.id.fraction());
        let deflate = connect_info.window_bits.is_some();
        let heartbeat = Heartbeat::start(info.started, phase);
        let connection = Connection::new(
            socket,
            info,
            shard.config().clone(),
            way.profile(),
            heartbeat,
        );
        let decoder = Decoder::new(node.settings.limits.message_bytes, deflate);
        let reader = Reader::new(connection.clone(), decoder, read_buf);
        let session = Self::new(connect_info, way, token, shard, node, connection);
        Self::create(|ctx| {
            session.membership.set_inbox(ctx.address().recipient());
            ctx.add_stream(reader);
            session
        });
    }

    /// Begins a session whose messages are the body of an HTTP answer; `commands` came with the request.
    pub fn start_stream(
        connect_info: ConnectInfo,
        way: ClientTransport,
        token: Option<String>,
        shard: &Rc<Shard>,
        node: &Arc<Node>,
        commands: Bytes,
    ) -> (Rc<Connection>, Addr<Self>) {
        let info = connect_info.info(shard.id().0);
        let phase = shard
            .config()
            .heartbeat
            .ping_interval
            .mul_f64(connect_info.id.fraction());
        let heartbeat = Heartbeat::start(info.started, phase);
        let connection =
            Connection::for_body(info, shard.config().clone(), way.profile(), heartbeat);
        let session = Self::new(connect_info, way, token, shard, node, connection.clone());
        let address = Self::create(|ctx| {
            let mut session = session;
            session.membership.set_inbox(ctx.address().recipient());
            if !way.one_way {
                let id = session.connection.info().id;
                session.place = Some(node.emulation.enter(id, ctx.address().recipient()));
            }
            ctx.notify(Commands(commands));
            session
        });
        (connection, address)
    }

    fn new(
        connect_info: ConnectInfo,
        way: ClientTransport,
        token: Option<String>,
        shard: &Rc<Shard>,
        node: &Arc<Node>,
        connection: Rc<Connection>,
    ) -> Self {
        let (protocol, encoding) = way.protocol();
        let limits = &node.settings.limits;
        let info = connection.info().clone();
        let _ = info.protocol.set(protocol);
        node.server.do_send(Opened(info.clone()));
        Self {
            membership: shard.join(connection.clone(), false),
            presence: SessionPresence::new(node.clone(), info),
            node: node.clone(),
            connection,
            way,
            stage: Stage::New,
            identity: Identity::default(),
            hook_context: connect_info.hook_context(protocol, encoding),
            token,
            subscriptions: HashMap::new(),
            serial: 0,
            pending: 0,
            backlog: VecDeque::new(),
            rate_limiter: RateLimiter::new(
                limits.messages_per_second,
                limits.messages_burst(),
                Instant::now(),
            ),
            place: None,
            expiry_timer: None,
            subscriptions_timer: None,
            renewing: false,
            _permit: connect_info.permit,
        }
    }
}
