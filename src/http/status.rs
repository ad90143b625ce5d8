//! `/status`: the node in numbers, for anyone. `/status/sessions`: who is connected, for the
//! administrator, who can also end a session there.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Path, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{HttpState, admin::sessions::tell_of_end, api, auth, request, ways};
use crate::{
    close::Close,
    connection::info::SessionInfo,
    hooks::EventSink,
    id::SessionId,
    logger::Address,
    node::{Node, phase::Phase},
    server::{Overview, PushStatus, SessionFilter, poll::PollStatus},
    state::StateStats,
};

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1000;

/// Answers `/status`.
pub(super) async fn status(
    request: HttpRequest,
    node: Data<Node>,
    http: Data<HttpState>,
) -> HttpResponse {
    // Where things are inside is for those who may see the metrics; `/status` itself is for anyone.
    let inside = node.sees_inside(&api::credentials(&request, &node, &http));
    match node.overview().await {
        Some(overview) => json(&describe(&request, &node, &http, &overview, inside)),
        None => unavailable(),
    }
}

/// What `/status` tells; `inside` is for whom where things are inside is shown.
pub(super) fn describe(
    request: &HttpRequest,
    node: &Node,
    http: &HttpState,
    overview: &Overview,
    inside: bool,
) -> Value {
    let mut answer = numbers(node);
    answer["uptime_seconds"] = json!(seconds(http.uptime()));
    answer["endpoints"] = endpoints_json(http, overview);
    answer["ways"] = ways::ways_json(node, http, overview);
    answer["api"] = json!(node.settings.api.enabled);
    answer["page"] = ways::page_json(request, node);
    answer["pushes"] = overview.pushes.iter().map(push_json).collect();
    let polls = http.polls.iter();
    answer["polls"] = polls
        .map(|poll| poll_json(&poll.status(), inside))
        .collect();
    if inside {
        answer["hooks"] = json!(node.hooks.stats());
    }
    answer["events"] = json!(node.events.as_ref().map(events_json));
    answer["state"] = state_json(node);
    answer
}

/// The node's own numbers.
fn numbers(node: &Node) -> Value {
    let counts = node.session_counts();
    let usage = node.usage();
    let metrics = &node.metrics;
    let workers = metrics.workers();
    let workers: Vec<Value> = workers
        .iter()
        .enumerate()
        .map(|(worker, stats)| json!({ "worker": worker, "sessions": stats.sessions.get() }))
        .collect();
    let limited: serde_json::Map<String, Value> = metrics
        .limits()
        .map(|(limit, count)| (limit.to_string(), json!(count)))
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": node.settings.node,
        "node_id": node.node_id,
        "draining": node.phase() > Phase::Running,
        "sessions": counts.now,
        "sessions_peak": counts.peak,
        "sessions_total": counts.total,
        "sessions_max": node.settings.limits.sessions,
        "channels": node.count_channels(),
        "messages_in": metrics.sum(|stats| &stats.messages_in),
        "messages_out": metrics.sum(|stats| &stats.messages_out),
        "bytes_in": metrics.sum(|stats| &stats.bytes_in),
        "bytes_out": metrics.sum(|stats| &stats.bytes_out),
        "slow_disconnects": metrics.sum(|stats| &stats.slow_disconnects),
        "slow_dropped": metrics.sum(|stats| &stats.dropped),
        "workers": workers,
        "published": metrics.published.load(Relaxed),
        "publish_refused": metrics.publish_refused.load(Relaxed),
        "joins_leaves_untold": metrics.joins_leaves_untold.load(Relaxed),
        "history_bytes": usage.history_bytes,
        "history_bytes_max": node.settings.limits.history_bytes,
        "position_bytes": usage.position_bytes,
        "idempotency_bytes": usage.idempotency_bytes,
        "evicted_publications": usage.evicted_publications,
        "limited": limited,
    })
}

/// Sessions of each raw endpoint of the settings.
fn endpoints_json(http: &HttpState, overview: &Overview) -> Value {
    let endpoints = http.endpoints.iter().map(|endpoint| {
        let mut by_endpoint = overview.by_endpoint.iter();
        let here = by_endpoint.find(|(path, _)| *path == endpoint.path);
        let sessions = here.map_or(0, |(_, count)| *count);
        (endpoint.path.to_string(), json!(sessions))
    });
    Value::Object(endpoints.collect())
}

fn events_json(events: &EventSink) -> Value {
    let stats = events.stats();
    json!({
        "sent": stats.sent,
        "delivered": stats.delivered,
        "dropped": stats.dropped,
        "pending": stats.pending,
        "retries": stats.retries,
    })
}

/// What is kept on disk; before it is read, what waits for that; null where nothing is kept.
fn state_json(node: &Node) -> Value {
    if node.settings.state.dir.is_none() {
        return Value::Null;
    }
    let held = node.gate.stats().held;
    match node.state.get() {
        Some(state) => kept_json(&state.stats(), held),
        None => json!({ "reading": true, "held": held }),
    }
}

fn kept_json(stats: &StateStats, held: u64) -> Value {
    json!({
        "reading": false,
        "held": held,
        "writable": stats.is_writable,
        "whole": stats.is_whole,
        "bytes": stats.bytes,
        "segments": stats.segments,
        "queue": stats.queue,
        "queue_bytes": stats.queue_bytes,
        "write_wait_seconds": seconds(stats.write_wait),
        "sync_age_seconds": seconds(stats.sync_age),
        "snapshots": stats.snapshots,
        "failed_writes": stats.failed_writes,
        "damaged": stats.damaged,
    })
}

fn push_json(push: &PushStatus) -> Value {
    json!({
        "channel": push.channel,
        "every_seconds": seconds(push.every),
        "runs": push.runs,
        "skipped": push.skipped,
        "refused": push.refused,
        "unreadable": push.unreadable,
        "next_in_seconds": seconds(push.next_in),
    })
}

/// A poll; `inside` is for whom where it asks, and what the system says, is shown.
fn poll_json(poll: &PollStatus, inside: bool) -> Value {
    let mut answer = json!({
        "channel": poll.channel,
        "every_seconds": seconds(poll.every),
        "runs": poll.runs,
        "changes": poll.changes,
        "failures": poll.failures,
        "refused": poll.refused,
        "next_in_seconds": seconds(poll.next_in),
    });
    if inside {
        answer["url"] = json!(poll.url);
        answer["last_error"] = json!(poll.last_error);
        answer["last_reason"] = json!(poll.last_reason);
    }
    answer
}

/// The query of `/status/sessions`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusSessionsQuery {
    user: Option<String>,
    address: Option<std::net::IpAddr>,
    endpoint: Option<String>,
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// Answers `/status/sessions`.
pub(super) async fn sessions(request: HttpRequest, node: Data<Node>) -> HttpResponse {
    if let Err(refused) = auth::admit(&request, &node) {
        return *refused;
    }
    let query = match Query::<StatusSessionsQuery>::from_query(request.query_string()) {
        Ok(query) => query.into_inner(),
        Err(error) => {
            return HttpResponse::BadRequest()
                .content_type("text/plain; charset=utf-8")
                .body(format!(
                    "the query takes user, address, endpoint, after and limit: {error}\n"
                ));
        }
    };
    let filter = SessionFilter {
        user: query.user,
        address: query.address.map(|address| address.to_canonical()),
        endpoint: query.endpoint,
        after: query.after,
        limit: query.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX),
    };
    let Some(page) = node.list_sessions(filter).await else {
        return unavailable();
    };
    json(&json!({
        "sessions": page.sessions.iter().map(|info| session_json(info)).collect::<Vec<_>>(),
        "next": page.next,
        "total": node.session_counts().now,
    }))
}

fn session_json(info: &SessionInfo) -> Value {
    let traffic = &info.traffic;
    json!({
        "id": info.id.to_string(),
        "user": info.user(),
        "address": info.address,
        "endpoint": &*info.endpoint,
        "subprotocol": info.subprotocol(),
        "user_agent": info.user_agent(),
        "transport": info.transport.as_str(),
        "worker": info.worker,
        "since": humantime::format_rfc3339_millis(info.since()).to_string(),
        "duration_seconds": seconds(info.started.elapsed()),
        "messages_in": traffic.messages_in.get(),
        "messages_out": traffic.messages_out.get(),
        "bytes_in": traffic.bytes_in.get(),
        "bytes_out": traffic.bytes_out.get(),
    })
}

/// Answers `DELETE /status/sessions/{id}`: ends a session with 3503, which tells clients not to
/// come back.
pub(super) async fn disconnect(
    request: HttpRequest,
    node: Data<Node>,
    id: Path<String>,
) -> HttpResponse {
    if let Err(refused) = auth::admit(&request, &node) {
        return *refused;
    }
    let session = SessionId::parse(&id);
    let found = match session {
        Some(session) => node.disconnect(session, Close::KICKED).await,
        None => false,
    };
    if let Some(session) = session.filter(|_| found) {
        let address = Address(request::address_of(&request, &node));
        tell_of_end(address, session, &Close::KICKED);
        HttpResponse::NoContent().finish()
    } else {
        HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("no such session\n")
    }
}

/// Seconds to the millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

fn json(value: &Value) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(value.to_string())
}

fn unavailable() -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .content_type("text/plain; charset=utf-8")
        .body("the server is stopping\n")
}
