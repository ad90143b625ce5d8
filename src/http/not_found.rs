//! The answer at a path that nothing is served at: which paths there are for WebSockets, since a
//! misspelt one is what brings most people here.

use actix_web::{HttpResponse, web::Data};

use super::HttpState;

/// Answers every path that nothing is served at.
pub(super) async fn not_found(http: Data<HttpState>) -> HttpResponse {
    nothing_here(&http)
}

/// The same, for whoever finds out for itself.
pub(super) fn nothing_here(http: &HttpState) -> HttpResponse {
    let mut paths: Vec<&str> = http.endpoints.iter().map(|e| &*e.path).collect();
    paths.sort_unstable();
    HttpResponse::NotFound()
        .content_type("text/plain; charset=utf-8")
        .body(format!(
            "nothing is served at this path; WebSocket endpoints: {}\n",
            if paths.is_empty() {
                "none".to_string()
            } else {
                paths.join(", ")
            }
        ))
}
