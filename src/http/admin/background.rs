//! `GET /admin/pushes` and `GET /admin/hooks`: what the node does by itself and whom it asks, and
//! what went wrong there last.

use std::{collections::BTreeMap, time::SystemTime};

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;

use super::{
    AdminError, Administrator,
    answer::{json, seconds},
};
use crate::{
    hooks::{EventStats, PerHookOverview},
    http::HttpState,
    last_error::LastError,
    node::Node,
    server::{PushStatus, poll::PollStatus},
};

fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

#[derive(Serialize)]
struct ShownError<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    reason: &'a str,
}

impl<'a> ShownError<'a> {
    fn of(error: &'a LastError) -> Self {
        Self {
            time: time(error.at),
            outcome: None,
            reason: &error.reason,
        }
    }
}

#[derive(Serialize)]
struct PushView<'a> {
    channel: Option<&'a str>,
    every_seconds: f64,
    runs: u64,
    skipped: u64,
    refused: u64,
    unreadable: u64,
    next_in_seconds: f64,
    last_run: Option<String>,
    last_error: Option<ShownError<'a>>,
}

impl<'a> PushView<'a> {
    fn of(push: &'a PushStatus) -> Self {
        Self {
            channel: push.channel.as_deref(),
            every_seconds: seconds(push.every),
            runs: push.runs,
            skipped: push.skipped,
            refused: push.refused,
            unreadable: push.unreadable,
            next_in_seconds: seconds(push.next_in),
            last_run: push.last_run.map(time),
            last_error: push.last_error.as_ref().map(ShownError::of),
        }
    }
}

#[derive(Serialize)]
struct PollView<'a> {
    channel: &'a str,
    url: &'a str,
    every_seconds: f64,
    runs: u64,
    changes: u64,
    failures: u64,
    refused: u64,
    failing: bool,
    next_in_seconds: f64,
    last_run: Option<String>,
    last_error: Option<ShownError<'a>>,
}

impl<'a> PollView<'a> {
    fn of(poll: &'a PollStatus) -> Self {
        Self {
            channel: &poll.channel,
            url: &poll.url,
            every_seconds: seconds(poll.every),
            runs: poll.runs,
            changes: poll.changes,
            failures: poll.failures,
            refused: poll.refused,
            failing: poll.last_error.is_some(),
            next_in_seconds: seconds(poll.next_in),
            last_run: poll.last_run.map(time),
            last_error: poll.last_fault.as_ref().map(ShownError::of),
        }
    }
}

#[derive(Serialize)]
struct Pushes<'a> {
    pushes: Vec<PushView<'a>>,
    polls: Vec<PollView<'a>>,
}

/// Answers `GET /admin/pushes`.
pub(super) async fn pushes(
    _: Administrator,
    node: Data<Node>,
    http: Data<HttpState>,
) -> Result<HttpResponse, AdminError> {
    let overview = node.overview().await.ok_or(AdminError::Stopping)?;
    let polls: Vec<PollStatus> = http.polls.iter().map(|poll| poll.status()).collect();
    json(&Pushes {
        pushes: overview.pushes.iter().map(PushView::of).collect(),
        polls: polls.iter().map(PollView::of).collect(),
    })
}

#[derive(Serialize)]
struct HookView<'a> {
    hook: &'static str,
    url: &'a str,
    timeout_seconds: f64,
    calls: BTreeMap<&'static str, u64>,
    retries: u64,
    in_flight: u64,
    mean_seconds: Option<f64>,
    last_error: Option<ShownError<'a>>,
}

impl<'a> HookView<'a> {
    fn of(hook: &'a PerHookOverview) -> Self {
        let ended: u64 = hook.counts.buckets.iter().sum();
        let last = hook.last_error.as_ref();
        Self {
            hook: hook.counts.hook,
            url: &hook.url,
            timeout_seconds: seconds(hook.timeout),
            calls: hook.counts.calls.iter().copied().collect(),
            retries: hook.counts.retries,
            in_flight: hook.counts.in_flight,
            mean_seconds: (ended > 0).then(|| hook.counts.seconds / ended as f64),
            last_error: last.map(|(outcome, error)| ShownError {
                outcome: Some(outcome.word()),
                ..ShownError::of(error)
            }),
        }
    }
}

#[derive(Serialize)]
struct HooksView<'a> {
    hooks: Vec<HookView<'a>>,
    waiting: usize,
    events: Option<EventStats>,
}

/// Answers `GET /admin/hooks`.
pub(super) async fn hooks(_: Administrator, node: Data<Node>) -> Result<HttpResponse, AdminError> {
    let overview = node.hooks.overview();
    json(&HooksView {
        hooks: overview.hooks.iter().map(HookView::of).collect(),
        waiting: overview.waiting,
        events: node.events.as_ref().map(|events| events.stats()),
    })
}
