//! The central `Server` actor: knows every session of this node, counts them, and runs the interval
//! pushes.
//!
//! It has a thread of its own and stands beside the delivery path, never in it: sessions tell it
//! that they came and went, the routes ask it, and its pushes go to the broker like anyone else's.
//! Its mailbox holds at most two messages a session, so `limits.sessions` bounds it.

mod administration;
mod directory;
pub(crate) mod entries;
pub(crate) mod poll;
mod push;
pub(crate) mod search;
pub(crate) mod stats;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult, WrapFuture,
};

use log::{Level, kv::Value};

use self::directory::Directory;
pub(crate) use self::directory::{SessionFilter, SessionPage};
pub(crate) use self::push::PushStatus;
use self::{
    entries::{Entries, is_kept},
    push::IntervalPush,
    stats::{CountChannels, StatsMeter},
};
use crate::{
    broker::{Broker, PublishRequest},
    close::{Close, Ending},
    config,
    connection::info::{SessionInfo, TransportKind},
    id::SessionId,
    liveness::{PULSE_INTERVAL, Pulse},
    logger::{self, Address, REFUSAL_PAUSE, Subject},
    metrics::Metrics,
    publication::Target,
};

/// Counts of sessions, kept by the `Server` actor and read by anyone.
#[derive(Debug, Default)]
pub(crate) struct SessionCounts {
    now: AtomicU64,
    peak: AtomicU64,
    total: AtomicU64,
}

impl SessionCounts {
    /// Sessions now, the most there were at a time, and all there ever were since the start.
    #[must_use]
    pub(crate) fn read(&self) -> (u64, u64, u64) {
        (
            self.now.load(Relaxed),
            self.peak.load(Relaxed),
            self.total.load(Relaxed),
        )
    }

    fn set_now(&self, now: u64) {
        self.now.store(now, Relaxed);
        self.peak.fetch_max(now, Relaxed);
    }
}

/// A session began.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Opened(pub Arc<SessionInfo>);

/// A session ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Closed {
    /// Id of the session.
    pub(crate) session: SessionId,
    /// The close that ended it, and who closed.
    pub(crate) ending: Ending,
}

/// Asks for [`Overview`].
#[derive(Message)]
#[rtype(result = "Overview")]
pub(crate) struct GetOverview;

/// What `/status` shows of sessions and pushes.
#[derive(Debug)]
pub(crate) struct Overview {
    /// Sessions by path of their endpoint; endpoints without sessions are absent.
    pub(crate) by_endpoint: Vec<(Arc<str>, usize)>,
    /// The interval pushes, in the order of the settings.
    pub(crate) pushes: Vec<PushStatus>,
}

/// Asks for a page of sessions.
#[derive(Message)]
#[rtype(result = "SessionPage")]
pub(crate) struct ListSessions(pub SessionFilter);

/// Asks for one session.
#[derive(Message)]
#[rtype(result = "Option<Arc<SessionInfo>>")]
pub(crate) struct FindSession(pub SessionId);

/// Runs the interval pushes from now on, as what they publish into is there. Once.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct RunPushes;

/// How often the broker lets go of what has expired.
const BROKER_TICK: std::time::Duration = std::time::Duration::from_secs(1);

/// The sessions of this node and its interval pushes; see the module.
pub(crate) struct Server {
    directory: Directory,
    counts: Arc<SessionCounts>,
    pushes: Vec<IntervalPush>,
    /// Largest text that a push may have (`limits.outbox_bytes`).
    data_bytes_max: usize,
    broker: Arc<dyn Broker>,
    entries: Arc<Entries>,
    pulse: Arc<Pulse>,
    /// Absent where nobody may listen to it.
    stats: Option<StatsMeter>,
}

impl Server {
    /// A server with no sessions, whose pushes begin one interval after [`RunPushes`].
    #[must_use]
    pub(crate) fn new(
        counts: Arc<SessionCounts>,
        pushes: &[config::Push],
        channels: &config::Channels,
        data_bytes_max: usize,
        broker: Arc<dyn Broker>,
    ) -> Self {
        Self {
            directory: Directory::default(),
            counts,
            pushes: pushes
                .iter()
                .map(|push| IntervalPush::new(push, channels))
                .collect(),
            data_bytes_max,
            broker,
            entries: Arc::default(),
            pulse: Arc::default(),
            stats: None,
        }
    }

    /// The same, which tells the node's numbers on [`STATS_CHANNEL`](stats::STATS_CHANNEL).
    #[must_use]
    pub(crate) fn with_stats(mut self, metrics: Arc<Metrics>, channels: CountChannels) -> Self {
        self.stats = Some(StatsMeter::new(metrics, channels));
        self
    }

    /// The same, whose pushes go on where those of a process before ended.
    #[must_use]
    pub(crate) fn with_entries(mut self, entries: Arc<Entries>) -> Self {
        self.entries = entries;
        self
    }

    /// The same, whose thread gives this sign of life.
    #[must_use]
    pub(crate) fn with_pulse(mut self, pulse: Arc<Pulse>) -> Self {
        self.pulse = pulse;
        self
    }
}

impl Server {
    fn schedule_push(&mut self, index: usize, ctx: &mut Context<Self>) {
        let delay = self.pushes[index].until_next(tokio::time::Instant::now());
        ctx.run_later(delay, move |server, ctx| {
            server.run_push(index, ctx);
            server.schedule_push(index, ctx);
        });
    }

    fn run_push(&mut self, index: usize, ctx: &mut Context<Self>) {
        if self.entries.is_stopped() {
            return;
        }
        let push = &mut self.pushes[index];
        if !push.begin(tokio::time::Instant::now()) {
            return;
        }
        let asking = self.broker.has_subscribers(push.target());
        ctx.spawn(asking.into_actor(self).map(move |has, server, ctx| {
            let (sessions, bytes_max) = (server.directory.len() as u64, server.data_bytes_max);
            // Without an answer it is published, which says what is the matter.
            let has = has.unwrap_or(true);
            let push = &mut server.pushes[index];
            let Some(request) = push.publish_request(sessions, bytes_max, has) else {
                return;
            };
            // Written first, so that no restart gives its `{seq}` to another.
            match server.entries.note_push(push.record(None)) {
                None => server.publish(index, request, ctx),
                Some(noting) => {
                    ctx.spawn(noting.into_actor(server).map(move |_, server, ctx| {
                        server.publish(index, request, ctx);
                    }));
                }
            }
        }));
    }

    fn publish(&mut self, index: usize, request: PublishRequest, ctx: &mut Context<Self>) {
        let publishing = self.broker.publish(request).into_actor(self);
        ctx.spawn(publishing.map(move |result, server, _| {
            let place = result.as_ref().ok().and_then(|result| result.position);
            let push = &mut server.pushes[index];
            push.published(result);
            if place.is_some() {
                // Nobody waits: without it the next text publishes.
                let _ = server.entries.note_push(push.record(place));
            }
        }));
    }

    /// Whether what a push published before the start still counts, its channel says.
    fn resume_push(&mut self, index: usize, ctx: &mut Context<Self>) {
        let push = &self.pushes[index];
        let Some((hash, place)) = push.last_before(&self.entries) else {
            return;
        };
        if let Target::Channel(channel) = push.target() {
            let asking = is_kept(self.broker.clone(), channel.clone(), place);
            ctx.spawn(asking.into_actor(self).map(move |is_kept, server, _| {
                if is_kept {
                    server.pushes[index].resume_last(hash);
                }
            }));
        }
    }
}

impl Actor for Server {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Sessions that come together report together; the default of 16 would only make them wait.
        ctx.set_mailbox_capacity(1024);
        ctx.run_interval(BROKER_TICK, |server, _| {
            server.broker.expire(std::time::Instant::now())
        });
        ctx.run_interval(stats::STATS_TICK, Self::run_stats);
        ctx.run_interval(PULSE_INTERVAL, |server, _| {
            server.pulse.beat(std::time::Instant::now())
        });
    }
}

impl Handler<RunPushes> for Server {
    type Result = ();

    fn handle(&mut self, RunPushes: RunPushes, ctx: &mut Self::Context) {
        for index in 0..self.pushes.len() {
            self.pushes[index].begin_at(tokio::time::Instant::now(), &self.entries);
            self.resume_push(index, ctx);
            self.schedule_push(index, ctx);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            crate::logger::abort(format_args!("the server actor panicked"));
        }
    }
}

impl Handler<Opened> for Server {
    type Result = ();

    fn handle(&mut self, Opened(info): Opened, _: &mut Self::Context) {
        log_begin(&info);
        self.directory.insert(info);
        self.counts.total.fetch_add(1, Relaxed);
        self.counts.set_now(self.directory.len() as u64);
    }
}

impl Handler<Closed> for Server {
    type Result = ();

    fn handle(&mut self, closed: Closed, _: &mut Self::Context) {
        if let Some(info) = self.directory.remove(closed.session) {
            self.counts.set_now(self.directory.len() as u64);
            log_end(&info, &closed.ending);
        }
    }
}

/// At debug, since the end has a line with all that is known then.
fn log_begin(info: &SessionInfo) {
    if !log::log_enabled!(Level::Debug) {
        return;
    }
    let address = Address(info.address);
    let mut values = vec![
        ("id", Value::from_display(&info.id)),
        ("address", Value::from_display(&address)),
        ("endpoint", Value::from(&*info.endpoint)),
        ("transport", info.transport.as_str().into()),
        ("worker", info.worker.into()),
        ("user_agent", info.user_agent().unwrap_or_default().into()),
    ];
    values.extend(headers_of(info));
    logger::write(
        Level::Debug,
        module_path!(),
        format_args!("session began"),
        &values,
    );
}

/// One line a session, at its end, however many there are: it is the record of who was there, and
/// nothing waits for the log (README, limits). That of a poll which was answered is at debug: a
/// client has one every few seconds, and nothing ended for it. Of sessions that are refused as soon
/// as they begin there is one line a second for each code and address, with their number.
fn log_end(info: &SessionInfo, ending: &Ending) {
    let is_answered_poll =
        info.transport == TransportKind::Poll && ending.code() == Close::ANSWERED.code;
    if is_answered_poll {
        return tell_end(Level::Debug, info, ending, 1);
    }
    let refusal = match ending {
        Ending::ByServer(close) => close.refusal(),
        _ => None,
    };
    let Some(kind) = refusal.filter(|_| info.started.elapsed() < REFUSAL_PAUSE) else {
        return tell_end(Level::Info, info, ending, 1);
    };
    let subject = Subject::new(Level::Info, module_path!(), "session ended")
        .from(Address(info.address))
        .with("code", kind);
    logger::throttled(subject, REFUSAL_PAUSE, |times| {
        tell_end(Level::Info, info, ending, times);
    });
}

fn tell_end(level: Level, info: &SessionInfo, ending: &Ending, times: u64) {
    if !log::log_enabled!(level) {
        return;
    }
    let (address, traffic) = (Address(info.address), &info.traffic);
    let mut values = vec![
        ("id", Value::from_display(&info.id)),
        ("user", info.user().unwrap_or_default().into()),
        ("address", Value::from_display(&address)),
        ("endpoint", Value::from(&*info.endpoint)),
        ("transport", info.transport.as_str().into()),
        ("code", ending.code().into()),
        ("reason", ending.reason().into()),
        ("by", ending.by().into()),
        ("duration", seconds(info.started.elapsed()).into()),
        ("messages_in", traffic.messages_in.get().into()),
        ("messages_out", traffic.messages_out.get().into()),
        ("bytes_in", traffic.bytes_in.get().into()),
        ("bytes_out", traffic.bytes_out.get().into()),
        ("times", times.into()),
    ];
    values.extend(headers_of(info));
    logger::write(
        level,
        module_path!(),
        format_args!("session ended"),
        &values,
    );
}

/// Headers of the session's request, where the settings name some and it has them.
fn headers_of(info: &SessionInfo) -> Option<(&'static str, Value<'_>)> {
    let headers = info.logged_headers()?;
    Some(("headers", headers.into()))
}

/// Seconds to the millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

impl Handler<GetOverview> for Server {
    type Result = MessageResult<GetOverview>;

    fn handle(&mut self, _: GetOverview, _: &mut Self::Context) -> Self::Result {
        let now = tokio::time::Instant::now();
        MessageResult(Overview {
            by_endpoint: self.directory.by_endpoint(),
            pushes: self.pushes.iter().map(|push| push.status(now)).collect(),
        })
    }
}

impl Handler<ListSessions> for Server {
    type Result = MessageResult<ListSessions>;

    fn handle(
        &mut self,
        ListSessions(filter): ListSessions,
        _: &mut Self::Context,
    ) -> Self::Result {
        MessageResult(self.directory.page(&filter))
    }
}
