//! The process: everything of one server, from bound listeners to a drained end.
//!
//! [`App::bind`] takes what can fail at the start (addresses, certificates, descriptors), [`App::run`] serves until a
//! signal says otherwise. Signals are ours: a hand-over releases actix-server's guard of the connection, so that its
//! workers believe themselves idle and would take the sessions down with them.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use actix::{Actor, Addr, Arbiter};
use bytes::Bytes;

use crate::{
    admission::Admission,
    broker::{self, Broker, memory::MemoryBroker},
    config::Settings,
    connection::{
        ConnectionConfig,
        outbox::{FRAME_OVERHEAD, OutboxConfig},
    },
    drain::Drain,
    heartbeat::{HeartbeatConfig, Wheel},
    hooks::{Event, EventSink, HookClient, HookSetupError, now_ms},
    http::{self, ApiKeys, AppState},
    metrics::Metrics,
    node::{Node, emulation::EmulationRegistry, rate_limit::Users},
    publication::{Compression, Payload, Target},
    registry::ChannelName,
    server::{
        Server, SessionCounts,
        poll::{PollWatch, Poller},
    },
    session::raw::endpoint::Endpoint,
    shard::{QueueBounds, ShardSettings, Shards},
    signals::{Signal, Signals},
    token::{TokenSetupError, Tokens},
    transport::{
        listener::{self, BindError, Closer, Listener, SocketOptions},
        tls::{Certificate, TlsError},
    },
};

/// How often certificate files are looked at.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(10);
/// Descriptors that are not sessions: listeners, files, runtimes, HTTP connections.
const DESCRIPTORS_BESIDE_SESSIONS: u64 = 1024;
/// How long the last events may take at the end of a drain.
const EVENTS_GRACE: Duration = Duration::from_secs(5);
/// actix-server's own limit on connections of a worker must not stand in the way of ours; after a hand-over it does
/// not even count them.
const CONNECTIONS_A_WORKER: usize = 1 << 20;

/// Why a server cannot start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The certificate cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// A key for tokens cannot be used.
    #[error("token: {0}")]
    Token(#[from] TokenSetupError),
    /// A hook cannot be called.
    #[error("hooks: {0}")]
    Hooks(#[from] HookSetupError),
    /// The system refused something else.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Drained after a first signal.
    Drained,
    /// Ended at once by a second signal.
    Aborted,
}

/// A server that is bound but does not serve yet.
pub struct App {
    settings: Arc<Settings>,
    listeners: Vec<Listener>,
    certificate: Option<Arc<Certificate>>,
}

impl App {
    /// Binds the listeners, reads the certificate, and sees to the limit on descriptors.
    ///
    /// # Errors
    /// The first thing that cannot be had.
    pub fn bind(settings: Settings) -> Result<Self, AppError> {
        raise_descriptor_limit(settings.limits.sessions as u64);
        let certificate = match &settings.tls {
            Some(tls) => Some(Certificate::load(&tls.cert, &tls.key)?),
            None => None,
        };
        let listeners = Listener::bind_all(&settings)?;
        Ok(Self {
            settings: Arc::new(settings),
            listeners,
            certificate,
        })
    }

    /// Where clients reach it.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.listeners.iter().map(Listener::url)
    }

    /// Whether only this machine reaches it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.listeners.iter().all(Listener::is_local)
    }

    /// Serves until told to stop, then drains. `reload` is called on SIGHUP, for what the process itself can take up
    /// anew (its log filter); certificates are seen to here. Must be called in an actix `System`.
    ///
    /// # Errors
    /// What the system refuses at the start.
    pub async fn run(self, mut signals: Signals, reload: impl Fn()) -> Result<Outcome, AppError> {
        let settings = self.settings.clone();
        let certificate = self.certificate.clone();
        let closers: Vec<Closer> = self
            .listeners
            .iter()
            .map(Listener::closer)
            .collect::<io::Result<_>>()
            .map_err(|error| AppError::Io("listeners", error))?;
        let state = start_state(&settings)?;
        let server = self.serve(&state)?;
        let handle = server.handle();
        let serving = actix_rt::spawn(server);

        let mut look = tokio::time::interval(CERTIFICATE_LOOK);
        loop {
            let signal = tokio::select! {
                signal = signals.next() => signal,
                _ = look.tick() => {
                    if let Some(result) = certificate.as_ref().and_then(|c| c.reload_if_changed()) {
                        report_certificate(result);
                    }
                    continue;
                }
            };
            match signal {
                Signal::Stop => break,
                Signal::Reload => {
                    reload();
                    if let Some(certificate) = &certificate {
                        report_certificate(certificate.reload());
                    }
                }
            }
        }
        let draining = state.drain.run(
            &settings,
            &state.shards,
            &state.admission,
            // Called when it is time: the handle sends its command at once, not when it is awaited.
            async || handle.pause().await,
            closers,
        );
        let stop_now = async { while signals.next().await != Signal::Stop {} };
        tokio::select! {
            _ = draining => {}
            () = stop_now => {
                log::warn!("second signal: ending at once");
                return Ok(Outcome::Aborted);
            }
        }
        if let Some(events) = &state.node.events {
            let left = events.flush(EVENTS_GRACE).await;
            if left > 0 {
                log::warn!("{left} events were not delivered to hooks.events");
            }
        }
        handle.stop(false).await;
        let _ = serving.await;
        Ok(Outcome::Drained)
    }

    fn serve(self, state: &Arc<AppState>) -> Result<actix_server::Server, AppError> {
        let failed = |error| AppError::Io("starting to serve", error);
        let tls_config = match &self.certificate {
            Some(certificate) => Some(Arc::new(certificate.server_config()?)),
            None => None,
        };
        let tuning = SocketOptions::new(&self.settings);
        let mut builder = actix_server::Server::build()
            .workers(self.settings.workers)
            .max_concurrent_connections(CONNECTIONS_A_WORKER)
            .disable_signals();
        for listener in self.listeners {
            let state = state.clone();
            let make_app = move || {
                let state = state.clone();
                actix_web::App::new().configure(move |app| http::configure(&state, app))
            };
            builder = listener::serve(builder, listener, tls_config.clone(), tuning, make_app)
                .map_err(failed)?;
        }
        Ok(builder.run())
    }
}

fn report_certificate(result: Result<(), TlsError>) {
    match result {
        Ok(()) => log::info!("the TLS certificate was taken up anew"),
        Err(error) => log::error!("the TLS certificate stays as it was: {error}"),
    }
}

/// Starts the `Server` actor and puts together what the routes share.
fn start_state(settings: &Arc<Settings>) -> Result<Arc<AppState>, AppError> {
    let metrics = Arc::new(Metrics::default());
    let counts = Arc::new(SessionCounts::default());
    let tokens = Arc::new(Tokens::new(&settings.token)?);
    let hooks = HookClient::new(&settings.hooks)?;
    let events = EventSink::start(&settings.hooks, hooks.clone());
    let shards = Arc::new(Shards::new(metrics.clone(), shard_settings(settings)));
    let bounds = broker::memory::MemoryBounds {
        history_bytes_max: settings.limits.history_bytes,
        idempotency_ttl: settings.limits.idempotency_ttl,
    };
    let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::new(
        shards.clone(),
        metrics.clone(),
        bounds,
        occupancy_events(events.clone()),
    ));
    let server = start_server(settings, &counts, &broker)?;
    let node = Arc::new(Node {
        settings: settings.clone(),
        metrics: metrics.clone(),
        shards: shards.clone(),
        broker: broker.clone(),
        server: server.clone(),
        tokens,
        hooks,
        events,
        users: Users::new(
            settings.limits.sessions_per_user,
            settings.limits.messages_per_second_per_user,
        ),
        emulation: EmulationRegistry::default(),
        node_id: uuid::Uuid::new_v4().to_string(),
    });
    Ok(Arc::new(AppState {
        admission: Admission::new(
            settings.limits.sessions,
            settings.limits.sessions_per_address,
        ),
        endpoints: settings.raw.iter().map(Endpoint::new).collect(),
        api: ApiKeys::new(settings),
        settings: settings.clone(),
        counts,
        metrics,
        server,
        shards,
        broker,
        polls: start_polls(&node)?,
        node,
        drain: Arc::new(Drain::default()),
        started: Instant::now(),
    }))
}

/// The `[[poll]]`s, each a task of the calling thread, which delivers nothing.
fn start_polls(node: &Arc<Node>) -> Result<Vec<PollWatch>, AppError> {
    let mut watches = Vec::new();
    for poll in &node.settings.poll {
        let channel: ChannelName = poll.channel.as_str().into();
        let target = Target::Channel(channel.clone());
        let broker = node.broker.clone();
        let heard = Box::new(move || broker.is_heard(&target));
        let publisher = node.clone();
        let publish = Box::new(move |body: Bytes, is_text: bool| {
            let (node, channel) = (publisher.clone(), channel.clone());
            let future: Pin<Box<dyn Future<Output = Result<(), ()>> + Send>> =
                Box::pin(async move {
                    let payload = if is_text {
                        Payload::guess(body)
                    } else {
                        Payload::Binary(body)
                    };
                    let draft = node.unchecked_publish_request(&channel, payload);
                    node.publish(draft).await.map(|_| ()).map_err(|_| ())
                });
            future
        });
        let poller = Poller::new(poll, node.hooks.http(), heard, publish)?;
        watches.push(poller.watch());
        actix_rt::spawn(poller.run());
    }
    Ok(watches)
}

/// The `Server` actor on a thread of its own.
fn start_server(
    settings: &Arc<Settings>,
    counts: &Arc<SessionCounts>,
    broker: &Arc<dyn Broker>,
) -> Result<Addr<Server>, AppError> {
    let (settings, counts, broker) = (settings.clone(), counts.clone(), broker.clone());
    let (sender, receiver) = mpsc::channel();
    Arbiter::new().spawn_fn(move || {
        let server = Server::new(
            counts,
            &settings.push,
            &settings.channels,
            settings.limits.outbox_bytes,
            broker,
        )
        .start();
        // The other end waits for exactly this.
        let _ = sender.send(server);
    });
    receiver
        .recv()
        .map_err(|_| AppError::Io("the server's thread", io::ErrorKind::BrokenPipe.into()))
}

/// Tells the backend which channels are listened to.
fn occupancy_events(events: Option<EventSink>) -> Box<broker::memory::Occupancy> {
    Box::new(move |channel, occupied| {
        if let Some(events) = &events {
            let (time_ms, channel) = (now_ms(), channel.to_string());
            events.send(if occupied {
                Event::ChannelOccupied { time_ms, channel }
            } else {
                Event::ChannelVacated { time_ms, channel }
            });
        }
    })
}

fn shard_settings(settings: &Arc<Settings>) -> ShardSettings {
    let queue = QueueBounds {
        publications_max: settings.limits.shard_queue,
        bytes_max: settings.limits.shard_queue_bytes,
    };
    let settings = settings.clone();
    ShardSettings {
        queue,
        config: Box::new(move |stats| ConnectionConfig {
            outbox: OutboxConfig {
                bytes_max: settings.limits.outbox_bytes,
                frame_overhead: FRAME_OVERHEAD,
                policy: settings.slow.policy,
                compression: Compression {
                    min_bytes: settings.deflate.min_bytes,
                    level: settings.deflate.level,
                },
            },
            heartbeat: HeartbeatConfig {
                ping_interval: settings.heartbeat.ping_interval,
                pong_timeout: settings.heartbeat.pong_timeout,
            },
            write_timeout: settings.slow.write_timeout,
            close_timeout: settings.close.timeout,
            wheel: RefCell::new(Wheel::new(Instant::now())),
            timers: Cell::new(0),
            stats,
        }),
    }
}

/// Every session is a descriptor. Raises the soft limit as far as the sessions need and the hard limit allows.
fn raise_descriptor_limit(sessions: u64) {
    let needed = sessions.saturating_add(DESCRIPTORS_BESIDE_SESSIONS);
    match rlimit::increase_nofile_limit(needed) {
        Ok(limit) if limit < needed => log::warn!(
            "only {limit} file descriptors can be open, which is less than limits.sessions = {sessions} needs; raise \
             the hard limit (ulimit -Hn, LimitNOFILE= in systemd) or lower limits.sessions"
        ),
        Ok(_) => {}
        Err(error) => log::warn!("the limit on file descriptors cannot be raised: {error}"),
    }
}
