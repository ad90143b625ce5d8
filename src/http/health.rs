//! `/health`: the process answers. `/ready`: it takes new sessions.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web,
};

use crate::node::{Node, phase::Phase};

fn answer(status: StatusCode, text: &'static str) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/plain; charset=utf-8")
        .body(text)
}

/// 200 as long as the process answers at all.
pub(super) async fn health() -> HttpResponse {
    answer(StatusCode::OK, "ok\n")
}

/// 503 from the moment a drain begins, and while the session limit is reached.
pub(super) async fn ready(node: web::Data<Node>) -> HttpResponse {
    if node.phase() > Phase::Running {
        answer(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if node.admission.is_full() {
        answer(StatusCode::SERVICE_UNAVAILABLE, "full\n")
    } else {
        answer(StatusCode::OK, "ready\n")
    }
}
