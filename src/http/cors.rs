//! What a page of another origin may do with an answer (Fetch standard, CORS), by `client.origins`:
//! for all that is not a raw endpoint. Pure over the request's head. An origin that the settings
//! name may send its cookies and see the answer; one that is only let in by `*` may see the answer,
//! but no browser sends it another site's cookies.

use std::future::Future;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
};

use super::request;
use crate::{node::Node, session::handshake};

/// How long a browser may remember what it was told; they cap it at two hours or less.
const MAX_AGE_SECS: &str = "3600";

/// Headers that a page may send, as it is told when it names none itself.
const HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, idempotency-key, last-event-id");

/// Answers what needs no more than the request's head: a page that may not, a page's question
/// whether it may, and methods other than those given.
#[must_use]
pub(super) fn preflight(
    request: &HttpRequest,
    node: &Node,
    methods: &[Method],
) -> Option<HttpResponse> {
    if let Err(refusal) = request::check_client_origin(request, node) {
        return Some(request::refuse(request, node, &refusal));
    }
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let names = names.join(", ");
    let mut answer = if request.method() == Method::OPTIONS {
        HttpResponse::NoContent()
            .insert_header((header::ALLOW, allow(methods)))
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, names))
            .insert_header((
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                allowed_headers(request),
            ))
            .insert_header((header::VARY, "Access-Control-Request-Headers"))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECS))
            .finish()
    } else if request.method() == Method::HEAD && methods.contains(&Method::GET) {
        // What probes ask: whether it is there. It begins nothing.
        HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish()
    } else if !methods.contains(request.method()) {
        HttpResponse::MethodNotAllowed()
            .insert_header((header::ALLOW, allow(methods)))
            .content_type("text/plain; charset=utf-8")
            .body(format!("only {names} is answered here\n"))
    } else {
        return None;
    };
    add_headers(request, node, answer.headers_mut());
    Some(answer)
}

/// The methods of a route that has these.
fn allow(methods: &[Method]) -> String {
    let mut names = Vec::new();
    for method in methods {
        names.push(method.as_str());
        if method == Method::GET {
            names.push("HEAD");
        }
    }
    names.push("OPTIONS");
    names.join(", ")
}

/// What the page asks for: an origin that may come may send what it likes, and libraries for
/// tracing add headers that nobody here has heard of.
fn allowed_headers(request: &HttpRequest) -> HeaderValue {
    let asked = request
        .headers()
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    asked
        .filter(|asked| !asked.is_empty())
        .cloned()
        .unwrap_or(HEADERS)
}

/// Lets the page that asked see the answer; its origin was checked.
pub(super) fn add_headers(request: &HttpRequest, node: &Node, headers: &mut HeaderMap) {
    // Of a page of the same host too: what is stored on the way must not be given to another.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = request.headers().get(header::ORIGIN) else {
        return;
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("retry-after"),
    );
    let named = node.settings.client.origins.as_ref().is_none_or(|origins| {
        origin
            .to_str()
            .is_ok_and(|origin| handshake::is_named(origins, origin))
    });
    if named {
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
    }
}

/// Answers a request of one of these methods for a page that may.
pub(super) async fn with_cors(
    request: &HttpRequest,
    node: &Node,
    methods: &[Method],
    answer: impl Future<Output = HttpResponse>,
) -> HttpResponse {
    if let Some(answer) = preflight(request, node, methods) {
        return answer;
    }
    let mut answer = answer.await;
    add_headers(request, node, answer.headers_mut());
    answer
}
