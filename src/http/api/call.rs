//! What every method of the API works with: whose call it is, its body, and how much it does at a
//! time.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use bytes::Bytes;
use log::Level;

use super::{
    about::About,
    answer::{self, bad_request},
    keys,
};
use crate::{
    config::Namespace,
    http::{
        HttpState,
        body::{self, BodyLimit},
        request,
    },
    logger::{self, Address, REFUSAL_PAUSE, Subject, escape::Cut},
    node::{Node, auth::ApiCaller},
    protocol::ReplyError,
    registry::ChannelName,
};

/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Methods that change nothing.
const READING: [&str; 6] = [
    "presence",
    "presence_stats",
    "history",
    "channels",
    "info",
    "connections",
];

/// Bytes of what a call is about that a line of the log has.
const ABOUT_BYTES_MAX: usize = 300;

/// Methods that take something from a client: a session, a channel, a right, a history. There are
/// few of them, and who asks why it is gone looks into the log.
const TAKING: [&str; 8] = [
    "unsubscribe",
    "disconnect",
    "refresh",
    "history_remove",
    "block_user",
    "unblock_user",
    "revoke_token",
    "invalidate_user_tokens",
];

/// Whose call it is.
pub(super) struct ApiCall<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) node: &'a Node,
    pub(super) http: &'a HttpState,
    pub(super) caller: ApiCaller,
}

impl ApiCall<'_> {
    /// Commands and publications after which the others of the same worker get their turn.
    pub(super) fn turn(&self) -> usize {
        self.node.settings.limits.commands_per_turn.max(1)
    }

    /// Says in the log that the administrator changes something, or that a key takes something from
    /// a client, and from whom.
    pub(super) fn tell(&self, method: &'static str, request: &impl About) {
        match self.caller {
            ApiCaller::Admin if !READING.contains(&method) => {
                self.tell_of_admin(method, &request.about());
            }
            ApiCaller::Key(index) if TAKING.contains(&method) => {
                self.tell_of_key(index, method, &request.about());
            }
            _ => {}
        }
    }

    fn tell_of_admin(&self, method: &str, about: &str) {
        let address = Address(request::address_of(self.request, self.node));
        let about = Cut(about, ABOUT_BYTES_MAX);
        log::info!(address:%, method, about:%; "an administrator calls the API");
    }

    /// A backend may do it to thousands at once.
    fn tell_of_key(&self, index: usize, method: &'static str, about: &str) {
        // Its place in api.key, from 1.
        let (what, key) = ("the API is called", index + 1);
        let address = Address(request::address_of(self.request, self.node));
        let about = Cut(about, ABOUT_BYTES_MAX);
        let subject = Subject::new(Level::Info, module_path!(), what)
            .from(address)
            .with("key", key)
            .with("method", method)
            .with("about", &about);
        logger::throttled(subject, REFUSAL_PAUSE, |times| {
            log::info!(address:%, key, method, about:%, times; "{what}");
        });
    }

    /// A channel and its rules.
    pub(super) fn channel(&self, name: &str) -> Result<(ChannelName, &Arc<Namespace>), ReplyError> {
        if name.is_empty() {
            return Err(bad_request("bad request: channel is missing".to_string()));
        }
        Ok((name.into(), self.node.rules_for_server(name)?))
    }
}

/// Whose request it is, and its body, which is not read before; or the answer to give instead: 401,
/// 403, 429, 413, 415, 408 or 400.
pub(super) async fn admit(
    request: &HttpRequest,
    node: &Node,
    http: &HttpState,
    payload: web::Payload,
) -> Result<(ApiCaller, Bytes), Box<HttpResponse>> {
    let caller = keys::admit(request, node, http);
    let caller = caller.map_err(|denied| Box::new(answer::denied(request, denied)))?;
    body::vouch_for(request);
    let limit = BodyLimit {
        bytes: node.settings.api.body_bytes,
        setting: "api.body_bytes",
        timeout: BODY_TIMEOUT,
    };
    let body = body::read(request, payload, limit).await;
    match body {
        Ok(body) => Ok((caller, body::without_mark(&body))),
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let error = bad_request(error.to_string());
            Err(Box::new(answer::with_status(request, status, &error)))
        }
    }
}
