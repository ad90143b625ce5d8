//! What every method of the API works with: whose call it is, its body, and how much it does at a
//! time.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use bytes::Bytes;

use super::{
    answer::{self, bad_request},
    keys::{ApiKeys, Denied, KeyId},
};
use crate::{
    config::Namespace,
    http::{
        HttpState, auth,
        body::{self, BodyLimit},
    },
    node::Node,
    protocol::ReplyError,
    registry::ChannelName,
};

/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Whose call it is.
pub(super) struct ApiCall<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) node: &'a Node,
    pub(super) http: &'a HttpState,
    pub(super) key: KeyId,
}

impl ApiCall<'_> {
    /// Commands and publications after which the others of the same worker get their turn.
    pub(super) fn turn(&self) -> usize {
        self.node.settings.limits.commands_per_turn.max(1)
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
