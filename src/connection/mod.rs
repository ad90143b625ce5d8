//! A client's connection: its socket or streamed body, its phase, its heartbeat and timers, and the
//! [`Outbox`] of frames that wait for it, on one thread.
//!
//! Shared (`Rc`) by the session's [`reader`] and its shard. Pushing never writes; writing happens
//! once a turn, by the shard after a publication or by the reader after the session's own replies,
//! so that what one turn produced leaves in one vectored write. What the system does not take waits
//! for writability under the write deadline. Bound: the outbox's. It decides nothing about channels
//! or protocols.

pub(crate) mod clock;
mod close;
mod counting_stream;
mod delivery;
mod exceptional;
pub mod info;
pub mod outbox;
mod pausing;
mod profile;
pub mod reader;
mod shared;
pub mod socket;
mod streamed;
mod timers;
mod writer;

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

pub(crate) use self::shared::TimerId;
pub use self::{
    counting_stream::CountingStream,
    profile::{ConnectionProfile, Pings},
    shared::{ConnectionConfig, ConnectionShared},
};
use self::{
    exceptional::Exceptional,
    info::SessionInfo,
    outbox::{FrameKind, Outbox},
    shared::Timer,
    socket::Socket,
};
use crate::{
    close::Ending,
    codec::{self, Opcode},
    heartbeat::{Heartbeat, TICK},
    publication::frame_message,
    registry::SessionKey,
};

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionPhase {
    /// Messages flow.
    Open,
    /// Our Close is queued or sent; we wait for the client's (RFC 6455 §7.1.2).
    Closing,
    /// Nothing more will be sent: what waits is flushed, then our direction is shut, then input is
    /// discarded until the client is gone, so that a reset does not destroy what it has not
    /// read yet.
    Lingering,
    /// Over: the reader ends, and with it the session.
    Ended,
}

/// Where the frames go.
enum Wire {
    /// To a socket, which the session's reader and its shard write.
    Socket(Socket),
    /// Asked for by the body of an HTTP answer ([`Connection::poll_take`]); the write deadline is
    /// its connection's.
    Body,
}

struct Inner {
    wire: Wire,
    outbox: Outbox,
    phase: ConnectionPhase,
    heartbeat: Heartbeat,
    exceptional: Exceptional,
    /// Our direction is shut.
    shut: bool,
    /// TLS: records may wait in the socket's own buffer.
    unflushed: bool,
    /// The session's task; absent until its first poll.
    waker: Option<Waker>,
    /// The timer that counts.
    timer: Option<Timer>,
}

/// A client's connection: see the module.
pub struct Connection {
    info: Arc<SessionInfo>,
    shared: Rc<ConnectionShared>,
    profile: ConnectionProfile,
    /// Pings of the protocol that wait for their answer.
    pings_open: Cell<u8>,
    /// The session waits for the backend or the broker, and reads nothing meanwhile.
    waiting: Cell<bool>,
    /// Whether the session's turn is spent: nothing is read, not even behind our Close.
    resting: Cell<bool>,
    /// The client of the protocol knows that it is connected.
    welcomed: Cell<bool>,
    key: Cell<Option<SessionKey>>,
    /// In the shard's list of outboxes to flush.
    dirty: Cell<bool>,
    /// When bytes last came, in ticks of the shard's wheel.
    heard: Cell<u32>,
    inner: RefCell<Inner>,
}

impl Connection {
    /// Takes a socket over. Nothing happens until the shard has given it a place with
    /// [`place`](Self::place).
    #[must_use]
    pub fn new(
        socket: Socket,
        info: Arc<SessionInfo>,
        shared: Rc<ConnectionShared>,
        profile: ConnectionProfile,
    ) -> Rc<Self> {
        Self::on(Wire::Socket(socket), info, shared, profile)
    }

    /// An outbox whose frames are asked for by the body of an HTTP answer.
    #[must_use]
    pub(crate) fn for_body(
        info: Arc<SessionInfo>,
        shared: Rc<ConnectionShared>,
        profile: ConnectionProfile,
    ) -> Rc<Self> {
        Self::on(Wire::Body, info, shared, profile)
    }

    fn on(
        wire: Wire,
        info: Arc<SessionInfo>,
        shared: Rc<ConnectionShared>,
        profile: ConnectionProfile,
    ) -> Rc<Self> {
        let first_ping = shared.config.heartbeat.first_ping(info.id.fraction());
        let heartbeat = Heartbeat::start(info.started, first_ping);
        let heard = Cell::new(shared.tick());
        Rc::new(Self {
            heard,
            info,
            shared,
            profile,
            pings_open: Cell::new(0),
            waiting: Cell::new(false),
            resting: Cell::new(false),
            welcomed: Cell::new(false),
            key: Cell::new(None),
            dirty: Cell::new(false),
            inner: RefCell::new(Inner {
                wire,
                outbox: Outbox::default(),
                phase: ConnectionPhase::Open,
                heartbeat,
                exceptional: Exceptional::default(),
                shut: false,
                unflushed: false,
                waker: None,
                timer: None,
            }),
        })
    }

    /// Gives the connection its place in the shard, under which its timers ring.
    pub(crate) fn place(&self, key: SessionKey, now: Instant) {
        self.key.set(Some(key));
        self.on_timer_due(now, &mut self.inner.borrow_mut());
    }

    /// Who is at the other end.
    #[must_use]
    pub(crate) fn info(&self) -> &Arc<SessionInfo> {
        &self.info
    }

    /// Where the session is in its life.
    #[must_use]
    pub(crate) fn phase(&self) -> ConnectionPhase {
        self.inner.borrow().phase
    }

    /// How the session came to its end, once it has.
    #[must_use]
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.inner.borrow().exceptional.ending().cloned()
    }

    /// How this session speaks.
    #[must_use]
    pub(crate) fn profile(&self) -> &ConnectionProfile {
        &self.profile
    }

    /// Queues the answer to the handshake; the first thing that leaves.
    pub(crate) fn head(&self, bytes: Bytes) {
        self.own(bytes, FrameKind::Head);
    }

    /// Queues a data message of the session's own, deflated where that was agreed and pays.
    pub(crate) fn reply(&self, opcode: Opcode, payload: &[u8]) {
        let compression = &self.shared.config.outbox.compression;
        let frame = frame_message(self.profile.form.framing, opcode, payload, compression);
        self.own(frame, FrameKind::Reply);
    }

    /// Queues a message of the client protocol: a reply, or a push for this session alone.
    pub(crate) fn message(&self, message: &[u8]) {
        let compression = &self.shared.config.outbox.compression;
        self.own(
            self.profile.frame_own(message, compression),
            FrameKind::Reply,
        );
    }

    /// The answer to a ping of the protocol came; false if none was asked for.
    #[must_use]
    pub(crate) fn take_pong(&self) -> bool {
        let open = self.pings_open.get();
        self.pings_open.set(open.saturating_sub(1));
        open > 0
    }

    /// Queues the answer to a ping. Counts as a reply, so that a client that pings without reading
    /// is paused.
    pub(crate) fn pong(&self, payload: &[u8]) {
        self.own(codec::encode(Opcode::Pong, payload), FrameKind::Pong);
    }

    fn own(&self, bytes: Bytes, kind: FrameKind) {
        let mut inner = self.inner.borrow_mut();
        if inner.phase == ConnectionPhase::Open {
            inner
                .outbox
                .push_own(bytes, kind, &self.shared.config.outbox);
        }
    }

    /// Says that a client of the protocol was told that it is connected: pings may come from here
    /// on.
    pub(crate) fn set_welcomed(&self) {
        self.welcomed.set(true);
    }

    /// Whether everything is out and our direction is shut.
    #[must_use]
    pub(crate) fn is_done(&self) -> bool {
        self.inner.borrow().shut
    }

    /// Bytes came in: a sign of life.
    pub(crate) fn on_activity(&self, bytes: usize) {
        self.info.traffic.bytes_in.add(bytes as u64);
        self.shared.stats.bytes_in.add(bytes as u64);
        self.heard.set(self.shared.tick());
        let heartbeat_config = self.profile.heartbeat(self.shared.config.heartbeat);
        self.inner
            .borrow_mut()
            .heartbeat
            .on_activity(&heartbeat_config);
    }

    /// Since bytes last came, to a tick or two.
    #[must_use]
    pub(crate) fn idle(&self) -> Duration {
        let ticks = self.shared.tick();
        TICK * ticks.wrapping_sub(self.heard.get())
    }

    /// Messages that wait for its client.
    #[must_use]
    pub(crate) fn outbox_len(&self) -> usize {
        self.inner.borrow().outbox.len()
    }

    /// Bytes that wait for its client.
    #[must_use]
    pub(crate) fn outbox_bytes(&self) -> usize {
        self.inner.borrow().outbox.bytes()
    }

    /// A data message came in.
    pub(crate) fn count_message_in(&self) {
        self.info.traffic.messages_in.add(1);
        self.shared.stats.messages_in.add(1);
    }

    /// A turn of the session was spent.
    pub(crate) fn count_turn_spent(&self) {
        self.shared.stats.turns_spent.add(1);
    }

    /// Reads into `buf`, as the session's task.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.inner.borrow_mut().wire {
            Wire::Socket(socket) => Pin::new(socket).poll_read(cx, buf),
            Wire::Body => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests;
