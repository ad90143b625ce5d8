//! `/health`: the process answers. `/ready`: it takes new sessions.

use std::time::Instant;

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web,
};

use super::refused;
use crate::node::{Node, phase::Phase};

fn answer(status: StatusCode, text: impl Into<String>) -> HttpResponse {
    let mut answer = HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/plain; charset=utf-8")
        .body(text.into());
    // A probe is told how things stand.
    refused::not_refused(&mut answer);
    answer
}

/// 200 as long as the process answers at all.
pub(super) async fn health() -> HttpResponse {
    answer(StatusCode::OK, "ok\n")
}

/// 503 until the node has what it needs, from the moment a drain begins, while the session limit is
/// reached, while what is to be kept cannot be written, and while a thread of the server is stuck.
pub(super) async fn ready(node: web::Data<Node>) -> HttpResponse {
    if node.phase() > Phase::Running {
        answer(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if node.phase() < Phase::Running {
        answer(StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    } else if node.is_full() {
        answer(StatusCode::SERVICE_UNAVAILABLE, "full\n")
    } else if is_stateless(&node) {
        answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "the state cannot be written to disk\n",
        )
    } else {
        let stuck = node.stuck_threads(Instant::now());
        if stuck.is_empty() {
            answer(StatusCode::OK, "ready\n")
        } else {
            let text = format!("stuck: {}\n", stuck.join(", "));
            answer(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

/// Whether there is a state on disk that takes nothing now.
fn is_stateless(node: &Node) -> bool {
    let state = node.state.get();
    state.is_some_and(|state| !state.stats().is_writable)
}
