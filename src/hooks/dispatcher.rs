//! [`Dispatcher`]: how a call to the backend goes out and comes back.
//!
//! Owned by [`HookClient`](super::HookClient). A call first takes a permit (`hooks.concurrency`,
//! `hooks.queue`), is signed as it leaves, and has the hook's timeout for all of it, the wait
//! included. It must not send twice what the backend may have acted on: only `refresh` and
//! `sub_refresh` are repeated, once, and only where no connection came about.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use log::Level;
use reqwest::{
    Url,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use tokio::time::{sleep, timeout};

use super::{
    concurrency::ConcurrencyLimit,
    failure::{CallFault, HookFailure, HookResult},
    signer::{SIGNATURE_HEADER, Signer},
    stats::{CallOutcome, HookKind, HookSnapshot, HookStats, LastFailure, PerHookSnapshot},
};
use crate::{
    config::{Hook, Hooks},
    http_client::{HttpClient, HttpError, HttpResponse, HttpSetupError, parse_url, redacted},
    logger::{self, FAULT_PAUSE, Subject},
    unix_time::unix_now,
};

/// Pause before the second try: time for a backend that restarts to listen again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The endpoint of one hook.
#[derive(Debug)]
struct HookTarget {
    url: Url,
    /// The address as it may be logged.
    shown: String,
    timeout: Duration,
    binary_encoding: bool,
}

/// A request on its way to the backend.
pub(super) struct Outgoing {
    pub(super) body: Bytes,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Outgoing {
    pub(super) fn json(body: Bytes, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self {
            body,
            content_type: "application/json",
            headers,
        }
    }
}

/// The hooks that are set, as administrators see them.
#[derive(Clone, Debug)]
pub(crate) struct HookOverview {
    /// Calls that wait for their turn.
    pub(crate) waiting: usize,
    /// One entry a hook that is set, in the order of [`HookKind::ALL`].
    pub(crate) hooks: Vec<PerHookOverview>,
}

/// One hook that is set.
#[derive(Clone, Debug)]
pub(crate) struct PerHookOverview {
    /// Its address as it may be shown.
    pub(crate) url: String,
    /// How long a call may take.
    pub(crate) timeout: Duration,
    /// Its calls by how they ended.
    pub(crate) counts: PerHookSnapshot,
    /// The last one that had no usable answer.
    pub(crate) last_error: Option<LastFailure>,
}

fn timed_out(target: &HookTarget) -> CallFault {
    let limit = humantime::format_duration(target.timeout);
    CallFault {
        failure: HookFailure::from(CallOutcome::Timeout),
        why: format!("no whole answer within {limit}").into(),
    }
}

/// Says in the log that the backend does not do what it should.
fn tell(fault: &CallFault, kind: HookKind, target: &HookTarget) {
    if !matches!(fault.failure, HookFailure::Unavailable(_)) {
        return;
    }
    let (hook, what) = (kind.word(), "hook failed");
    let subject = Subject::new(Level::Warn, module_path!(), what)
        .with("hook", hook)
        .with("reason", &fault.why);
    logger::throttled(subject, FAULT_PAUSE, |times| {
        let (url, reason) = (&target.shown, &fault.why);
        log::warn!(hook, url:%, reason:%, times; "{what}");
    });
}

/// Sends calls to the endpoints of the hooks that are set.
#[derive(Debug)]
pub(super) struct Dispatcher {
    http: HttpClient,
    targets: [Option<HookTarget>; HookKind::ALL.len()],
    signer: Option<Signer>,
    /// For calls that a client makes once a session or channel.
    limit: ConcurrencyLimit,
    /// For calls that a client can make as often as it likes, so that no flood of them keeps
    /// anybody from connecting.
    frequent_limit: ConcurrencyLimit,
    stats: HookStats,
}

impl Dispatcher {
    /// A dispatcher for the hooks that are set.
    ///
    /// # Errors
    /// An address is none, or TLS cannot be set up.
    pub(super) fn new(settings: &Hooks) -> Result<Self, HttpSetupError> {
        let mut targets = [const { None }; HookKind::ALL.len()];
        for &kind in HookKind::ALL {
            if let Some(hook) = hook(settings, kind) {
                targets[kind as usize] = Some(HookTarget {
                    url: parse_url(&format!("hooks.{}", kind.word()), &hook.url)?,
                    shown: redacted(&hook.url),
                    timeout: hook.timeout,
                    binary_encoding: hook.binary_encoding,
                });
            }
        }
        Ok(Self {
            http: HttpClient::new()?,
            targets,
            signer: settings.secret.as_ref().map(Signer::new),
            limit: ConcurrencyLimit::new(settings.concurrency, settings.queue),
            frequent_limit: ConcurrencyLimit::new(settings.concurrency, settings.queue),
            stats: HookStats::default(),
        })
    }

    /// Whether this hook is set.
    pub(super) fn has(&self, kind: HookKind) -> bool {
        self.targets[kind as usize].is_some()
    }

    /// Whether this hook wants data as base64, JSON too.
    pub(super) fn binary_encoding(&self, kind: HookKind) -> bool {
        let target = self.targets[kind as usize].as_ref();
        target.is_some_and(|target| target.binary_encoding)
    }

    /// The pool of connections, for others who ask backends.
    pub(super) fn http_client(&self) -> HttpClient {
        self.http.clone()
    }

    /// The counts of all hooks now.
    pub(super) fn stats(&self) -> HookSnapshot {
        let waiting = self.limit.waiting() + self.frequent_limit.waiting();
        self.stats.snapshot(waiting)
    }

    /// The hooks that are set, with how they do.
    pub(super) fn overview(&self) -> HookOverview {
        let HookSnapshot { waiting, hooks } = self.stats();
        let all = HookKind::ALL.iter().zip(hooks);
        let set = all.filter_map(|(&kind, counts)| {
            let target = self.targets[kind as usize].as_ref()?;
            Some(PerHookOverview {
                url: target.shown.clone(),
                timeout: target.timeout,
                counts,
                last_error: self.stats.last_failure(kind),
            })
        });
        HookOverview {
            waiting,
            hooks: set.collect(),
        }
    }

    /// Posts a batch of events and tells the answer's status.
    ///
    /// # Errors
    /// There was no answer.
    pub(super) async fn post_events(&self, body: Bytes) -> Result<u16, Cow<'static, str>> {
        let outgoing = Outgoing::json(body, Vec::new());
        let Some(target) = &self.targets[HookKind::Events as usize] else {
            return Err("hooks.events is not set".into());
        };
        // No permit: one sender has one batch at a time, and the limits are for what clients cause.
        let measure = self.stats.begin(HookKind::Events);
        let sent = match timeout(target.timeout, self.send(target, &outgoing)).await {
            Ok(Ok(reply)) => Ok(reply.status),
            Ok(Err(error)) => Err(CallFault::from(error)),
            Err(_) => Err(timed_out(target)),
        };
        let (outcome, why) = match &sent {
            Ok(200..=299) => (CallOutcome::Ok, None),
            Ok(status) => (
                CallOutcome::Status,
                Some(format!("answered {status}").into()),
            ),
            Err(fault) => (fault.failure.outcome(), Some(fault.why.clone())),
        };
        measure.ends(outcome);
        if let Some(why) = why {
            self.stats.failed(HookKind::Events, outcome, &why);
        }
        sent.map_err(|fault| fault.why)
    }

    /// Asks a hook; `is_answer` says whether a response has a result, `read` takes it out.
    ///
    /// # Errors
    /// [`HookFailure`]: no response, or what `read` makes of it.
    pub(super) async fn call<T>(
        &self,
        kind: HookKind,
        outgoing: Outgoing,
        is_answer: impl Fn(&HttpResponse) -> bool,
        read: impl Fn(HttpResponse) -> Result<T, CallFault>,
    ) -> HookResult<T> {
        let Some(target) = &self.targets[kind as usize] else {
            return Err(HookFailure::NOT_CONFIGURED);
        };
        let measure = self.stats.begin(kind);
        let sent = timeout(target.timeout, self.send_in_turn(kind, target, &outgoing)).await;
        let answer = match sent {
            Err(_) => Err(timed_out(target)),
            Ok(Err(fault)) => Err(fault),
            Ok(Ok(reply)) if is_answer(&reply) => read(reply),
            Ok(Ok(reply)) => Err(CallFault {
                failure: HookFailure::from(CallOutcome::Status),
                why: format!("answered {}", reply.status).into(),
            }),
        };
        measure.ends(
            answer
                .as_ref()
                .err()
                .map_or(CallOutcome::Ok, |fault| fault.failure.outcome()),
        );
        answer.map_err(|fault| {
            if matches!(fault.failure, HookFailure::Unavailable(_)) {
                self.stats.failed(kind, fault.failure.outcome(), &fault.why);
            }
            tell(&fault, kind, target);
            fault.into()
        })
    }

    /// Waits for a permit and sends, twice where that is safe.
    async fn send_in_turn(
        &self,
        kind: HookKind,
        target: &HookTarget,
        outgoing: &Outgoing,
    ) -> Result<HttpResponse, CallFault> {
        let limit = match kind {
            HookKind::Publish | HookKind::Rpc | HookKind::Message => &self.frequent_limit,
            _ => &self.limit,
        };
        let Ok(_permit) = limit.acquire().await else {
            return Err(CallFault {
                failure: HookFailure::from(CallOutcome::Busy),
                why: "as many calls wait as may (hooks.queue)".into(),
            });
        };
        let sent = match self.send(target, outgoing).await {
            Err(HttpError::Connect(_))
                if matches!(kind, HookKind::Refresh | HookKind::SubRefresh) =>
            {
                self.stats.retried(kind);
                sleep(RETRY_PAUSE).await;
                self.send(target, outgoing).await
            }
            sent => sent,
        };
        Ok(sent?)
    }

    async fn send(
        &self,
        target: &HookTarget,
        outgoing: &Outgoing,
    ) -> Result<HttpResponse, HttpError> {
        let mut request = self
            .http
            .post(&target.url)
            .header(CONTENT_TYPE, outgoing.content_type);
        for (name, value) in &outgoing.headers {
            request = request.header(name, value);
        }
        if let Some(signer) = &self.signer {
            // As it leaves, so that a wait does not make it look old.
            let signature = signer.sign(unix_now(), &outgoing.body);
            request = request.header(SIGNATURE_HEADER, signature);
        }
        self.http.send(request.body(outgoing.body.clone())).await
    }
}

fn hook(settings: &Hooks, kind: HookKind) -> Option<&Hook> {
    match kind {
        HookKind::Connect => &settings.connect,
        HookKind::Refresh => &settings.refresh,
        HookKind::Subscribe => &settings.subscribe,
        HookKind::SubRefresh => &settings.sub_refresh,
        HookKind::Publish => &settings.publish,
        HookKind::Rpc => &settings.rpc,
        HookKind::Message => &settings.message,
        HookKind::Events => &settings.events,
    }
    .as_ref()
}
