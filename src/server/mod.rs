//! The central `Server` actor: knows every session of this node, and runs the interval pushes.
//!
//! It has a thread of its own and stands beside the delivery path, never in it: sessions tell it
//! that they came and went, which counts them too ([`reports`]), the routes ask it, and its pushes
//! go to the broker like anyone else's.

mod administration;
mod directory;
pub(crate) mod entries;
pub(crate) mod poll;
mod push;
mod push_runner;
pub(crate) mod reports;
pub(crate) mod search;
mod session_log;
pub(crate) mod stats;

use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler, Message, MessageResult};

pub(crate) use self::directory::{SessionFilter, SessionPage};
pub(crate) use self::push::PushStatus;
use self::{
    directory::Directory,
    entries::Entries,
    push::IntervalPush,
    reports::{SessionReport, SessionReports, TakeReports},
    session_log::{log_begin, log_end},
    stats::{CountChannels, StatsMeter},
};
use crate::{
    broker::Broker,
    config,
    connection::info::SessionInfo,
    id::SessionId,
    liveness::{PULSE_INTERVAL, Pulse},
    metrics::Metrics,
};

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
    reports: Arc<SessionReports>,
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
        reports: Arc<SessionReports>,
        pushes: &[config::PushSettings],
        channels: &config::Channels,
        data_bytes_max: usize,
        broker: Arc<dyn Broker>,
    ) -> Self {
        Self {
            directory: Directory::default(),
            reports,
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

impl Actor for Server {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Questions of the routes and the word of reports that wait; the default of 16 would only
        // make them ask again.
        ctx.set_mailbox_capacity(1024);
        ctx.run_interval(BROKER_TICK, |server, _| {
            server.broker.expire(std::time::Instant::now());
            // What a worker that has gone meanwhile had no time to send.
            server.take_reports();
        });
        ctx.run_interval(stats::STATS_TICK, Self::run_stats);
        ctx.run_interval(PULSE_INTERVAL, |server, _| {
            server.pulse.beat(std::time::Instant::now())
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            crate::logger::abort(format_args!("the server actor panicked"));
        }
    }
}

impl Server {
    /// Takes the reports that wait into the directory.
    fn take_reports(&mut self) {
        for report in self.reports.take() {
            match report {
                SessionReport::Opened(info) => {
                    log_begin(&info);
                    self.directory.insert(info);
                }
                SessionReport::Closed(session, ending) => {
                    if let Some(info) = self.directory.remove(session) {
                        log_end(&info, &ending);
                    }
                }
            }
        }
    }

    /// Every session of which anyone can know by now.
    fn sessions(&mut self) -> &Directory {
        self.take_reports();
        &self.directory
    }
}

impl Handler<TakeReports> for Server {
    type Result = ();

    fn handle(&mut self, _: TakeReports, _: &mut Self::Context) {
        self.take_reports();
    }
}

impl Handler<GetOverview> for Server {
    type Result = MessageResult<GetOverview>;

    fn handle(&mut self, _: GetOverview, _: &mut Self::Context) -> Self::Result {
        let now = tokio::time::Instant::now();
        MessageResult(Overview {
            by_endpoint: self.sessions().by_endpoint(),
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
        MessageResult(self.sessions().page(&filter))
    }
}
