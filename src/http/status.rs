//! `/status`: the node in numbers, for anyone. `/status/sessions`: who is connected, for the administrator, who can
//! also end a session there.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Path, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{State, auth};
use crate::{
    close::Close,
    connection::info::SessionInfo,
    id::SessionId,
    server::{Filter, GetOverview, ListSessions, PushStatus, poll::PollStatus},
    shard::Disconnect,
};

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1000;

/// Answers `/status`.
pub async fn status(request: HttpRequest, state: State) -> HttpResponse {
    // Where things are inside is for those who may see the metrics; `/status` itself is for anyone.
    let inside = auth::is_admin(&request, &state) || state.api.admit_reader(&request).is_ok();
    let Ok(overview) = state.server.send(GetOverview).await else {
        return unavailable();
    };
    let (sessions, peak, total) = state.counts.read();
    let metrics = &state.metrics;
    let workers: Vec<Value> = metrics
        .workers()
        .iter()
        .enumerate()
        .map(|(worker, stats)| json!({ "worker": worker, "sessions": stats.sessions.get() }))
        .collect();
    let endpoints: serde_json::Map<String, Value> = state
        .endpoints
        .iter()
        .map(|endpoint| {
            let here = overview
                .by_endpoint
                .iter()
                .find(|(path, _)| *path == endpoint.path);
            (
                endpoint.path.to_string(),
                json!(here.map_or(0, |(_, count)| *count)),
            )
        })
        .collect();
    json(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": state.settings.node,
        "uptime_seconds": seconds(state.started.elapsed()),
        "draining": state.drain.has_begun(),
        "sessions": sessions,
        "sessions_peak": peak,
        "sessions_total": total,
        "sessions_max": state.settings.limits.sessions,
        "channels": state.broker.channels(),
        "messages_in": metrics.sum(|stats| &stats.messages_in),
        "messages_out": metrics.sum(|stats| &stats.messages_out),
        "bytes_in": metrics.sum(|stats| &stats.bytes_in),
        "bytes_out": metrics.sum(|stats| &stats.bytes_out),
        "slow_disconnects": metrics.sum(|stats| &stats.slow_disconnects),
        "slow_dropped": metrics.sum(|stats| &stats.dropped),
        "endpoints": endpoints,
        "workers": workers,
        "published": metrics.published.load(Relaxed),
        "publish_refused": metrics.publish_refused.load(Relaxed),
        "history_bytes": state.broker.history_bytes(),
        "history_bytes_max": state.settings.limits.history_bytes,
        "limited": metrics.limits().map(|(limit, count)| (limit.to_string(), json!(count)))
            .collect::<serde_json::Map<_, _>>(),
        "pushes": overview.pushes.iter().map(push_json).collect::<Vec<_>>(),
        "polls": state
            .polls
            .iter()
            .map(|poll| poll_json(&poll.status(), inside)).collect::<Vec<_>>(),
        "hooks": inside.then(|| state.node.hooks.stats()),
        "events": state.node.events.as_ref().map(|events| {
            let stats = events.stats();
            json!({
                "sent": stats.sent,
                "delivered": stats.delivered,
                "dropped": stats.dropped,
                "pending": stats.pending,
                "retries": stats.retries,
            })
        }),
    }))
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

fn poll_json(poll: &PollStatus, inside: bool) -> Value {
    json!({
        "url": inside.then_some(&poll.url),
        "channel": poll.channel,
        "every_seconds": seconds(poll.every),
        "runs": poll.runs,
        "changes": poll.changes,
        "failures": poll.failures,
        "refused": poll.refused,
        "last_error": inside.then_some(&poll.last_error),
        "next_in_seconds": seconds(poll.next_in),
    })
}

/// The query of `/status/sessions`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsQuery {
    user: Option<String>,
    address: Option<std::net::IpAddr>,
    endpoint: Option<String>,
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// Answers `/status/sessions`.
pub async fn sessions(request: HttpRequest, state: State) -> HttpResponse {
    if let Err(refused) = auth::admin(&request, &state) {
        return *refused;
    }
    let query = match Query::<SessionsQuery>::from_query(request.query_string()) {
        Ok(query) => query.into_inner(),
        Err(error) => {
            return HttpResponse::BadRequest()
                .content_type("text/plain; charset=utf-8")
                .body(format!(
                    "the query takes user, address, endpoint, after and limit: {error}\n"
                ));
        }
    };
    let filter = Filter {
        user: query.user,
        address: query.address.map(|address| address.to_canonical()),
        endpoint: query.endpoint,
        after: query.after,
        limit: query.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX),
    };
    let Ok(page) = state.server.send(ListSessions(filter)).await else {
        return unavailable();
    };
    json(&json!({
        "sessions": page.sessions.iter().map(|info| session_json(info)).collect::<Vec<_>>(),
        "next": page.next,
        "total": state.counts.read().0,
    }))
}

fn session_json(info: &SessionInfo) -> Value {
    let traffic = &info.traffic;
    json!({
        "id": info.id.to_string(),
        "user": info.user(),
        "address": info.address,
        "endpoint": &*info.endpoint,
        "subprotocol": info.subprotocol,
        "user_agent": info.user_agent,
        "transport": info.transport.as_str(),
        "worker": info.worker,
        "since": humantime::format_rfc3339_millis(info.since).to_string(),
        "duration_seconds": seconds(info.started.elapsed()),
        "messages_in": traffic.messages_in.get(),
        "messages_out": traffic.messages_out.get(),
        "bytes_in": traffic.bytes_in.get(),
        "bytes_out": traffic.bytes_out.get(),
    })
}

/// Answers `DELETE /status/sessions/{id}`: ends a session with 3503, which tells clients not to come back.
pub async fn kick(request: HttpRequest, state: State, id: Path<String>) -> HttpResponse {
    if let Err(refused) = auth::admin(&request, &state) {
        return *refused;
    }
    let mut found = false;
    if let Some(session) = SessionId::parse(&id) {
        for shard in state.shards.all() {
            let close = Close::KICKED;
            found |= shard
                .addr()
                .send(Disconnect { session, close })
                .await
                .unwrap_or(false);
        }
    }
    if found {
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
