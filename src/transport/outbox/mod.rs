//! The write half of a session: a bounded queue, the socket, and the session's phase, on one thread.
//!
//! Shared (`Rc`) by the session's reader and its shard. Pushing never writes; writing happens once a turn, by the
//! shard after a publication or by the reader after the session's own replies, so that what one turn produced
//! leaves in one vectored write. What the system does not take waits for writability under the write deadline.
//! The outbox decides nothing about channels or protocols.

mod alarms;
mod ending;
mod style;
mod writing;

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

pub use self::style::{Pings, Style};

use super::{
    info::SessionInfo,
    queue::{Bounds, Frame, Kind, Pushed, Queue, SharedPublication},
    socket::Socket,
};
use crate::{
    close::{Close, Ending},
    codec::{self, Opcode},
    config::SlowPolicy,
    heartbeat::{Heartbeat, Rhythm, Wheel},
    metrics::WorkerStats,
    publication::{Form, frame_message},
    registry::SessionKey,
};

/// What a wheel's entry names: the session's place, and the number of the entry, which tells a stale one.
pub type Alarm = (SessionKey, u32);

/// What all outboxes of one shard share.
pub struct Common {
    /// Bound and policy of the queues.
    pub bounds: Bounds,
    /// When to ping.
    pub rhythm: Rhythm,
    /// `slow.write_timeout`.
    pub write_timeout: Duration,
    /// `close.timeout`.
    pub close_timeout: Duration,
    /// The shard's timing wheel.
    pub wheel: RefCell<Wheel<Alarm>>,
    /// Number of the last alarm set.
    pub alarms: Cell<u32>,
    /// The worker's numbers.
    pub stats: Arc<WorkerStats>,
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Messages flow.
    Open,
    /// Our Close is queued or sent; we wait for the client's (RFC 6455 §7.1.2).
    Closing,
    /// Nothing more will be sent: what waits is flushed, then our direction is shut, then input is discarded
    /// until the client is gone, so that a reset does not destroy what it has not read yet.
    Lingering,
    /// Over: the reader ends, and with it the session.
    Ended,
}

/// Where the frames go.
enum Wire {
    /// Written here.
    Socket(Socket),
    /// Asked for by the body of an HTTP answer ([`Outbox::poll_take`]); the write deadline is its connection's.
    Body,
}

struct Inner {
    wire: Wire,
    queue: Queue,
    phase: Phase,
    ending: Option<Ending>,
    heartbeat: Heartbeat,
    /// Since when something waits without any byte having been taken.
    stalled: Option<Instant>,
    /// When a closing or lingering connection is cut.
    cut_at: Option<Instant>,
    /// Our direction is shut.
    shut: bool,
    /// TLS: records may wait in the socket's own buffer.
    unflushed: bool,
    /// TLS: bytes that the system had taken when progress was last seen.
    taken: Option<u64>,
    /// The session's task; absent until its first poll.
    waker: Option<Waker>,
    /// The alarm that counts, and when it rings.
    alarm: Option<(u32, Instant)>,
}

/// The write half.
pub struct Outbox {
    info: Arc<SessionInfo>,
    common: Rc<Common>,
    style: Style,
    /// Pings of the protocol that wait for their answer.
    pings_open: Cell<u8>,
    busy: Cell<bool>,
    /// The client of the protocol knows that it is connected.
    welcomed: Cell<bool>,
    key: Cell<Option<SessionKey>>,
    /// In the shard's list of outboxes to flush.
    dirty: Cell<bool>,
    inner: RefCell<Inner>,
}

impl Outbox {
    /// Takes a socket over. Nothing happens until the shard has given it a place with [`place`](Self::place).
    #[must_use]
    pub fn new(
        socket: Socket,
        info: Arc<SessionInfo>,
        common: Rc<Common>,
        style: Style,
        heartbeat: Heartbeat,
    ) -> Rc<Self> {
        Self::on(Wire::Socket(socket), info, common, style, heartbeat)
    }

    /// An outbox whose frames are asked for by the body of an HTTP answer.
    #[must_use]
    pub fn for_body(
        info: Arc<SessionInfo>,
        common: Rc<Common>,
        style: Style,
        heartbeat: Heartbeat,
    ) -> Rc<Self> {
        Self::on(Wire::Body, info, common, style, heartbeat)
    }

    fn on(
        wire: Wire,
        info: Arc<SessionInfo>,
        common: Rc<Common>,
        style: Style,
        heartbeat: Heartbeat,
    ) -> Rc<Self> {
        Rc::new(Self {
            info,
            common,
            style,
            pings_open: Cell::new(0),
            busy: Cell::new(false),
            welcomed: Cell::new(false),
            key: Cell::new(None),
            dirty: Cell::new(false),
            inner: RefCell::new(Inner {
                wire,
                queue: Queue::default(),
                phase: Phase::Open,
                ending: None,
                heartbeat,
                stalled: None,
                cut_at: None,
                shut: false,
                unflushed: false,
                taken: None,
                waker: None,
                alarm: None,
            }),
        })
    }

    /// Gives the outbox its place in the shard, under which its alarms ring.
    pub fn place(&self, key: SessionKey, now: Instant) {
        self.key.set(Some(key));
        self.on_alarm_due(now, &mut self.inner.borrow_mut());
    }

    /// Who is at the other end.
    #[must_use]
    pub fn info(&self) -> &Arc<SessionInfo> {
        &self.info
    }

    /// Where the session is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.inner.borrow().phase
    }

    /// How the session came to its end, once it has.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.inner.borrow().ending.clone()
    }

    /// How this session speaks.
    #[must_use]
    pub fn style(&self) -> &Style {
        &self.style
    }

    /// Queues a data message of the session's own, deflated where that was agreed and pays.
    pub fn reply(&self, opcode: Opcode, payload: &[u8]) {
        let compression = &self.common.bounds.compression;
        let frame = frame_message(self.style.form.framing, opcode, payload, compression);
        self.own(frame, Kind::Reply);
    }

    /// Queues a message of the client protocol: a reply, or a push for this session alone.
    pub fn message(&self, message: &[u8]) {
        let compression = &self.common.bounds.compression;
        self.own(self.style.own_message(message, compression), Kind::Reply);
    }

    /// Queues bytes that are framed already.
    pub fn framed(&self, bytes: Bytes) {
        self.own(bytes, Kind::Reply);
    }

    /// The answer to a ping of the protocol came; false if none was asked for.
    #[must_use]
    pub fn take_pong(&self) -> bool {
        let open = self.pings_open.get();
        self.pings_open.set(open.saturating_sub(1));
        open > 0
    }

    /// Queues the answer to a ping. Counts as a reply, so that a client that pings without reading is paused.
    pub fn pong(&self, payload: &[u8]) {
        self.own(codec::encode(Opcode::Pong, payload), Kind::Pong);
    }

    fn own(&self, bytes: Bytes, kind: Kind) {
        let mut inner = self.inner.borrow_mut();
        if inner.phase == Phase::Open {
            inner.queue.push_own(bytes, kind, &self.common.bounds);
        }
    }

    /// Queues a publication in a form; `policy` in place of the node's. Publications that were dropped for it are given to
    /// `lost`. Returns whether the caller is to note this outbox for a flush at the end of its turn, which it is told once a
    /// turn.
    pub fn push(
        &self,
        publication: &SharedPublication,
        form: Form,
        policy: Option<SlowPolicy>,
        now: Instant,
        lost: impl FnOnce(Vec<SharedPublication>),
    ) -> bool {
        let mut inner = self.inner.borrow_mut();
        if inner.phase != Phase::Open {
            return false;
        }
        let bounds = &self.common.bounds;
        let policy = policy.unwrap_or(bounds.policy);
        match inner.queue.push(publication.clone(), form, policy, bounds) {
            Pushed::Queued { dropped } => {
                if !dropped.is_empty() {
                    self.common.stats.dropped.add(dropped.len() as u64);
                    lost(dropped);
                }
            }
            Pushed::Overflow => {
                self.common.stats.slow_disconnects.add(1);
                // Who takes too little would never get to the Close behind all that waits.
                inner.queue.discard_unsent(&self.common.bounds);
                self.fail_inner(&mut inner, Close::SLOW, now);
            }
        }
        !self.dirty.replace(true)
    }

    /// Whether reading is to pause: the session's own answers fill half of the bound.
    #[must_use]
    pub fn is_deaf(&self) -> bool {
        self.deaf(&self.inner.borrow())
    }

    /// What waiting replies are charged against the bound.
    #[must_use]
    pub fn reply_cost(&self) -> usize {
        self.inner.borrow().queue.reply_cost()
    }

    fn deaf(&self, inner: &Inner) -> bool {
        inner.phase == Phase::Open
            && (self.busy.get() || inner.queue.reply_cost() > self.common.bounds.bytes_max / 2)
    }

    /// Says that the session waits for someone else and does not read meanwhile, so that no life can be seen.
    pub fn set_busy(&self, busy: bool) {
        self.busy.set(busy);
    }

    /// Says that a client of the protocol was told that it is connected: pings may come from here on.
    pub fn set_welcomed(&self) {
        self.welcomed.set(true);
    }

    /// Whether everything is out and our direction is shut.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.inner.borrow().shut
    }

    /// Bytes came in: a sign of life.
    pub fn life(&self, bytes: usize) {
        self.info.traffic.bytes_in.add(bytes as u64);
        self.common.stats.bytes_in.add(bytes as u64);
        let rhythm = self.style.rhythm(self.common.rhythm);
        self.inner.borrow_mut().heartbeat.life(&rhythm);
    }

    /// A data message came in.
    pub fn count_message_in(&self) {
        self.info.traffic.messages_in.add(1);
        self.common.stats.messages_in.add(1);
    }

    /// Takes the next frame for the body of an HTTP answer, which is then responsible for it; `Ready(None)` when the answer is to
    /// end.
    pub fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        let mut inner = self.inner.borrow_mut();
        if !inner
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            inner.waker = Some(cx.waker().clone());
        }
        if inner.phase == Phase::Ended {
            return Poll::Ready(None);
        }
        let Some(frame) = inner.queue.take(&self.common.bounds) else {
            if inner.phase == Phase::Open {
                return Poll::Pending;
            }
            inner.phase = Phase::Ended;
            return Poll::Ready(None);
        };
        let bytes = frame.bytes(&self.common.bounds.compression).len();
        self.count_left(&mut inner, &frame, bytes, Instant::now());
        Poll::Ready(Some(frame))
    }

    /// The bytes of a frame that was taken.
    #[must_use]
    pub fn bytes_of<'a>(&'a self, frame: &'a Frame) -> &'a [u8] {
        frame.bytes(&self.common.bounds.compression)
    }

    /// Reads into `buf`, as the session's task.
    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner.borrow_mut().wire {
            Wire::Socket(socket) => Pin::new(socket).poll_read(cx, buf),
            Wire::Body => Poll::Pending,
        }
    }
}
