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

use std::borrow::Cow;

use actix_web::{
    HttpRequest, HttpResponse, Scope,
    http::{Method, StatusCode, header},
    web,
};
use percent_encoding::percent_decode_str;

use self::{
    batch::batch,
    call::{ApiCall, admit},
    table::{Call, METHODS},
};
pub(super) use self::{channels::ChannelPattern, info::process, keys::credentials};
use super::{HttpState, hold, plain};
use crate::{node::Node, protocol::ReplyError};

/// The API's routes, in a scope of their own: whatever stands beside it is passed over at once.
/// Which route it is, is said [here](ApiPath) and not by a resource for each: those cost every call
/// patterns, guards and allocations, a ninth of all that a publication takes in user space.
pub(super) fn scope() -> Scope {
    web::scope("/api").default_service(web::to(answer))
}

/// What is asked for, by the path behind `/api`.
#[derive(Debug, PartialEq, Eq)]
enum ApiPath<'a> {
    /// `/openapi.json`.
    Document,
    /// Nothing: commands as lines.
    CommandLines,
    /// `/channels/<name>`, which may hold slashes.
    Channel,
    /// `/<method>`, or what is none.
    Method(Cow<'a, str>),
}

impl<'a> ApiPath<'a> {
    fn of(path: &'a str) -> Self {
        match path.strip_prefix('/').unwrap_or(path) {
            "" => Self::CommandLines,
            "openapi.json" => Self::Document,
            rest if rest.starts_with("channels/") => Self::Channel,
            rest => Self::Method(percent_decode_str(rest).decode_utf8_lossy()),
        }
    }
}

/// The answer to a call that cannot be made yet, whichever it is: error 100, with the reason.
fn come_again(request: &HttpRequest, why: String) -> HttpResponse {
    let error = ReplyError {
        message: why.into(),
        ..ReplyError::INTERNAL
    };
    answer::with_status(request, StatusCode::SERVICE_UNAVAILABLE, &error)
}

/// Answers whatever is asked under `/api`.
async fn answer(
    request: HttpRequest,
    node: web::Data<Node>,
    http: web::Data<HttpState>,
    payload: web::Payload,
) -> HttpResponse {
    if let Err(why) = hold::until_open(&request, &node, true).await {
        return come_again(&request, why);
    }
    let path = ApiPath::of(request.match_info().unprocessed());
    if path == ApiPath::Document {
        return match *request.method() {
            Method::GET | Method::HEAD => openapi::document(),
            Method::OPTIONS => plain::options().await,
            _ => plain::only_get().await,
        };
    }
    if request.method() != Method::POST {
        return only_post(&request);
    }
    let (caller, body) = match admit(&request, &node, &http, payload).await {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    let call = ApiCall {
        request: &request,
        node: &node,
        http: &http,
        caller,
    };
    match path {
        ApiPath::Method(method) => answer_method(&call, &method, &body).await,
        // They are rarer, and their futures would be room in that of every call.
        ApiPath::Channel => Box::pin(raw_publish::publish(&call, body)).await,
        _ => Box::pin(command_lines::run(&call, &body)).await,
    }
}

fn only_post(request: &HttpRequest) -> HttpResponse {
    let error = ReplyError {
        message: "only POST is answered here".into(),
        ..ReplyError::METHOD_NOT_FOUND
    };
    let mut response = answer::with_status(request, StatusCode::METHOD_NOT_ALLOWED, &error);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, header::HeaderValue::from_static("POST"));
    response
}

/// Answers `POST /api/<method>`.
async fn answer_method(call: &ApiCall<'_>, method: &str, body: &[u8]) -> HttpResponse {
    let request = call.request;
    let body = match body.trim_ascii() {
        b"" => b"{}",
        body => body,
    };
    // A sequence would be read as the fields in their order.
    if !body.starts_with(b"{") {
        return answer::no_object(request, body);
    }
    if method == "batch" {
        return match serde_json::from_slice(body) {
            // Centrifugo's batch has no `result` around its replies.
            Ok(commands) => {
                let replies = Box::pin(batch(call, commands)).await;
                answer::of_method(request, "replies", &replies)
            }
            Err(error) => answer::unreadable(request, &error),
        };
    }
    match Call::read(method, body) {
        None => unknown_method(request),
        Some(Err(error)) => answer::unreadable(request, &error),
        Some(Ok(method)) => answer::of_method(request, "result", &method.run(call).await),
    }
}

fn unknown_method(request: &HttpRequest) -> HttpResponse {
    let error = ReplyError {
        message: format!("method not found; there are {}", METHODS.join(", ")).into(),
        ..ReplyError::METHOD_NOT_FOUND
    };
    answer::with_status(request, StatusCode::NOT_FOUND, &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stands_behind_the_prefix() {
        let method = |name: &'static str| ApiPath::Method(name.into());
        for (path, expected) in [
            ("", ApiPath::CommandLines),
            ("/", ApiPath::CommandLines),
            ("/openapi.json", ApiPath::Document),
            ("/publish", method("publish")),
            ("/pub%6cish", method("publish")),
            ("/channels", method("channels")),
            ("/channels/", ApiPath::Channel),
            ("/channels/a/b", ApiPath::Channel),
            // Nothing that there is; the call says so.
            ("/publish/", method("publish/")),
            ("//publish", method("/publish")),
            ("/openapi.json/", method("openapi.json/")),
        ] {
            assert_eq!(ApiPath::of(path), expected, "{path}");
        }
    }
}
