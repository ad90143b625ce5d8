//! The server's API: what a backend tells the node by `POST /api/<method>`, in Centrifugo's shapes,
//! and the raw publish of shells.
//!
//! Handlers run on the workers, hold no state and no lock, and wait for the broker, the shards and
//! the `Server` actor only. Bounds: `api.body_bytes`, `BODY_TIMEOUT`, `COMMANDS_MAX`. Nothing
//! here parses a publication into a tree, and nothing is read before the key is known.

mod about;
mod answer;
mod batch;
mod call;
mod channels;
mod command_lines;
mod form;
mod info;
mod keys;
mod message;
mod openapi;
mod raw_publish;
mod request;
mod sessions;
mod table;
mod users;

use actix_web::{
    HttpRequest, HttpResponse, Resource, Route, Scope,
    http::{Method, StatusCode, header},
    web,
};

use self::{
    batch::batch,
    call::{ApiCall, admit},
    table::{Call, METHODS},
};
pub(super) use self::{channels::ChannelPattern, info::process, keys::credentials};
use super::HttpState;
use crate::{node::Node, protocol::ReplyError};

/// The API's routes, in a scope of their own: whatever stands beside it is passed over at once, and
/// calls have a prefix and two patterns before them.
pub(super) fn scope() -> Scope {
    web::scope("/api")
        .service(
            web::resource("/openapi.json")
                .route(web::get().to(openapi::document))
                .route(web::head().to(openapi::document))
                .route(web::method(Method::OPTIONS).to(super::plain::options))
                .default_service(web::to(super::plain::only_get)),
        )
        .service(posted(web::resource("/{method}"), web::post().to(call)))
        // A name may hold slashes.
        .service(posted(
            web::resource("/channels/{channel:.*}"),
            web::post().to(raw_publish::publish),
        ))
        .service(posted(
            web::resource(["", "/"]),
            web::post().to(command_lines::call),
        ))
        // Nothing that there is; the call says so.
        .service(posted(web::resource("/{method:.*}"), web::post().to(call)))
}

fn posted(resource: Resource, route: Route) -> Resource {
    resource.route(route).default_service(web::to(only_post))
}

/// Whether a path is one of the API's.
pub(super) fn is_path(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// The answer to a call that cannot be made yet, whichever it is: error 100, with the reason.
pub(super) fn come_again(request: &HttpRequest, why: String) -> HttpResponse {
    let error = ReplyError {
        message: why.into(),
        ..ReplyError::INTERNAL
    };
    answer::with_status(request, StatusCode::SERVICE_UNAVAILABLE, &error)
}

async fn only_post(request: HttpRequest) -> HttpResponse {
    let error = ReplyError {
        message: "only POST is answered here".into(),
        ..ReplyError::METHOD_NOT_FOUND
    };
    let mut response = answer::with_status(&request, StatusCode::METHOD_NOT_ALLOWED, &error);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, header::HeaderValue::from_static("POST"));
    response
}

/// Answers `POST /api/<method>`.
async fn call(
    request: HttpRequest,
    node: web::Data<Node>,
    http: web::Data<HttpState>,
    method: web::Path<String>,
    payload: web::Payload,
) -> HttpResponse {
    let (caller, body) = match admit(&request, &node, &http, payload).await {
        Ok(admitted) => admitted,
        Err(response) => return *response,
    };
    let body = match body.trim_ascii() {
        b"" => b"{}",
        body => body,
    };
    // A sequence would be read as the fields in their order.
    if !body.starts_with(b"{") {
        return answer::no_object(&request, body);
    }
    let call = ApiCall {
        request: &request,
        node: &node,
        http: &http,
        caller,
    };
    if *method == "batch" {
        return match serde_json::from_slice(body) {
            // Centrifugo's batch has no `result` around its replies.
            Ok(commands) => answer::of_method(&request, "replies", &batch(&call, commands).await),
            Err(error) => answer::unreadable(&request, &error),
        };
    }
    match Call::read(&method, body) {
        None => unknown_method(&request),
        Some(Err(error)) => answer::unreadable(&request, &error),
        Some(Ok(method)) => answer::of_method(&request, "result", &method.run(&call).await),
    }
}

fn unknown_method(request: &HttpRequest) -> HttpResponse {
    let error = ReplyError {
        message: format!("method not found; there are {}", METHODS.join(", ")).into(),
        ..ReplyError::METHOD_NOT_FOUND
    };
    answer::with_status(request, StatusCode::NOT_FOUND, &error)
}
