//! How a call of [`HookClient`] goes out and comes back.
//!
//! A call first passes the gate (`hooks.concurrency`, `hooks.queue`), is signed as it leaves, and has the hook's timeout
//! for all of it, the wait included. It must not send twice what the backend may have acted on: only `refresh` and
//! `sub_refresh` are repeated, once, and only where no connection came about.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Url,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use tokio::time::{sleep, timeout};

use super::{
    Answer, HookClient, HookContext, HookFailure, Kind, Outcome, SIGNATURE_HEADER,
    envelope::{FromResult, read},
    event::now_ms,
    http::{Fault, Reply},
    log_throttle::LogThrottle,
    request::Request,
};

/// Before the second try: time for a backend that restarts to listen again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Where a hook goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) url: Url,
    /// The address as it may be logged.
    pub(super) shown: String,
    pub(super) timeout: Duration,
    pub(super) log: LogThrottle,
}

/// One question on its way.
pub(super) struct Outgoing {
    pub(super) body: Bytes,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl HookClient {
    /// Posts a batch of events.
    pub(super) async fn post_events(&self, body: Bytes) -> Result<u16, HookFailure> {
        let outgoing = Outgoing {
            body,
            content_type: "application/json",
            headers: Vec::new(),
        };
        let Some(target) = &self.targets[Kind::Events as usize] else {
            return Err(HookFailure::Unavailable("not_configured"));
        };
        // One sender with one batch at a time: the gate is for calls that clients cause.
        let measure = self.stats.begin(Kind::Events);
        let sent = match timeout(target.timeout, self.send(target, &outgoing)).await {
            Ok(Ok(reply)) => Ok(reply.status),
            Ok(Err(fault)) => Err(HookFailure::from(fault)),
            Err(_) => Err(HookFailure::Unavailable(Outcome::Timeout.word())),
        };
        measure.ends(match &sent {
            Ok(200..=299) => Outcome::Ok,
            Ok(_) => Outcome::Status,
            Err(failure) => failure.outcome(),
        });
        sent
    }

    pub(super) async fn ask<T: FromResult>(
        &self,
        kind: Kind,
        hook_context: &HookContext,
        request: &Request<'_>,
    ) -> Answer<T> {
        let outgoing = Outgoing {
            body: request.body(),
            content_type: "application/json",
            headers: self.headers.pick(hook_context).collect(),
        };
        let is_answer = |reply: &Reply| reply.status == 200;
        self.call(kind, outgoing, is_answer, |reply| read(&reply.body))
            .await
    }

    pub(super) async fn call<T>(
        &self,
        kind: Kind,
        outgoing: Outgoing,
        is_answer: impl Fn(&Reply) -> bool,
        read: impl Fn(Reply) -> Answer<T>,
    ) -> Answer<T> {
        let Some(target) = &self.targets[kind as usize] else {
            return Err(HookFailure::Unavailable("not_configured"));
        };
        let measure = self.stats.begin(kind);
        let answer = match timeout(target.timeout, self.pass(kind, target, &outgoing)).await {
            Err(_) => Err(HookFailure::Unavailable(Outcome::Timeout.word())),
            Ok(Err(failure)) => Err(failure),
            Ok(Ok(reply)) if is_answer(&reply) => read(reply),
            Ok(Ok(_)) => Err(HookFailure::Unavailable(Outcome::Status.word())),
        };
        measure.ends(
            answer
                .as_ref()
                .err()
                .map_or(Outcome::Ok, HookFailure::outcome),
        );
        if let Err(HookFailure::Unavailable(word)) = &answer
            && let Some(times) = target.log.happened()
        {
            let (hook, shown) = (kind.word(), &target.shown);
            log::warn!("hook {hook} at {shown} failed: {word} ({times} since the last such line)");
        }
        answer
    }

    /// Through the gate and out, twice where that is safe.
    async fn pass(
        &self,
        kind: Kind,
        target: &Target,
        outgoing: &Outgoing,
    ) -> Result<Reply, HookFailure> {
        let gate = usize::from(matches!(kind, Kind::Publish | Kind::Rpc | Kind::Message));
        let Ok(_pass) = self.gates[gate].enter().await else {
            return Err(HookFailure::Unavailable(Outcome::Busy.word()));
        };
        let sent = match self.send(target, outgoing).await {
            Err(Fault::Connect) if matches!(kind, Kind::Refresh | Kind::SubRefresh) => {
                self.stats.retried(kind);
                sleep(RETRY_PAUSE).await;
                self.send(target, outgoing).await
            }
            sent => sent,
        };
        Ok(sent?)
    }

    async fn send(&self, target: &Target, outgoing: &Outgoing) -> Result<Reply, Fault> {
        let mut request = self
            .http
            .post(&target.url)
            .header(CONTENT_TYPE, outgoing.content_type);
        for (name, value) in &outgoing.headers {
            request = request.header(name, value);
        }
        if let Some(signer) = &self.signer {
            // As it leaves, so that a wait does not make it look old.
            let signature = signer.sign(now_ms() / 1000, &outgoing.body);
            request = request.header(SIGNATURE_HEADER, signature);
        }
        self.http.send(request.body(outgoing.body.clone())).await
    }
}
