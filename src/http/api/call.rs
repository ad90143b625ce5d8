//! What every method of the API works with: whose call it is, its body, and how much it does at a
//! time.

use std::{borrow::Cow, sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use bytes::Bytes;
use serde::Deserialize;

use super::{
    answer::{self, bad_request},
    keys::{ApiKeys, Denied, KeyId},
};
use crate::{
    config::Namespace,
    http::{
        HttpState, auth,
        body::{self, BodyLimit},
        request,
    },
    logger::{Address, escape::Cut},
    node::Node,
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

/// What most calls are about; nothing of what they carry.
#[derive(Default, Deserialize)]
#[serde(default)]
struct About<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    user: Cow<'a, str>,
    #[serde(borrow)]
    client: Cow<'a, str>,
}

/// What the body of a call says of what it is about; empty where that is not to be told.
pub(super) fn about(key: KeyId, body: &[u8]) -> String {
    if key != KeyId::Admin {
        return String::new();
    }
    // What cannot be read is no call either.
    let about: About<'_> = serde_json::from_slice(body).unwrap_or_default();
    let named = [
        ("channel", about.channel),
        ("user", about.user),
        ("client", about.client),
    ];
    let named = named.iter().filter(|(_, value)| !value.is_empty());
    let named: Vec<String> = named
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    named.join(" ")
}

/// Whose call it is.
pub(super) struct ApiCall<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) node: &'a Node,
    pub(super) http: &'a HttpState,
    pub(super) key: KeyId,
    /// What it is about, as the log shows it where the administrator calls.
    pub(super) about: String,
}

impl ApiCall<'_> {
    /// Commands and publications after which the others of the same worker get their turn.
    pub(super) fn turn(&self) -> usize {
        self.node.settings.limits.commands_per_turn.max(1)
    }

    /// Says in the log that the administrator changes something.
    pub(super) fn tell_of_admin(&self, method: &str, about: &str) {
        if self.key != KeyId::Admin || READING.contains(&method) {
            return;
        }
        let address = Address(request::address_of(self.request, self.node));
        let about = Cut(about, ABOUT_BYTES_MAX);
        log::info!(address:%, method, about:%; "an administrator calls the API");
    }

    /// A channel and its rules.
    pub(super) fn channel(&self, name: &str) -> Result<(ChannelName, &Arc<Namespace>), ReplyError> {
        if name.is_empty() {
            return Err(bad_request("bad request: channel is missing".to_string()));
        }
        Ok((name.into(), self.node.rules_for_server(name)?))
    }
}

/// By a key of the API, or by the administrator's right where the request brings only that.
fn admit_caller(request: &HttpRequest, node: &Node, http: &HttpState) -> Result<KeyId, Denied> {
    if ApiKeys::is_brought(request) {
        return http.api.admit(request);
    }
    match auth::check_if_brought(request, node) {
        None => http.api.admit(request),
        Some(Ok(_)) => Ok(KeyId::Admin),
        Some(Err(why)) => Err(Denied::Admin(why)),
    }
}

/// Whose request it is, and its body, which is not read before; or the answer to give instead: 401,
/// 403, 429, 413, 415, 408 or 400.
pub(super) async fn admit(
    request: &HttpRequest,
    node: &Node,
    http: &HttpState,
    payload: web::Payload,
) -> Result<(KeyId, Bytes), Box<HttpResponse>> {
    let key = admit_caller(request, node, http);
    let key = key.map_err(|denied| Box::new(answer::denied(request, denied)))?;
    body::vouch_for(request);
    let limit = BodyLimit {
        bytes: node.settings.api.body_bytes,
        setting: "api.body_bytes",
        timeout: BODY_TIMEOUT,
    };
    let body = body::read(request, payload, limit).await;
    match body {
        Ok(body) => Ok((key, body::without_mark(&body))),
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let error = bad_request(error.to_string());
            Err(Box::new(answer::with_status(request, status, &error)))
        }
    }
}
