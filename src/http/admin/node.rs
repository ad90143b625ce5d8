//! `GET /admin/node` and `POST /admin/drain`: the node as a whole.

use std::time::SystemTime;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Payload},
};
use serde::{Deserialize, Serialize};
use serde_json::json as value;

use super::{
    AdminError, Administrator,
    answer::{body_of, json},
};
use crate::{
    http::{HttpState, api, status},
    node::{Node, phase::Phase},
};

/// Answers `GET /admin/node`: what `/status` tells, and what only administrators see.
pub(super) async fn about(
    request: HttpRequest,
    _: Administrator,
    node: Data<Node>,
    http: Data<HttpState>,
) -> Result<HttpResponse, AdminError> {
    let overview = node.overview().await.ok_or(AdminError::Stopping)?;
    let mut answer = status::describe(&request, &node, &http, &overview, true);
    let uptime = http.uptime();
    let started = SystemTime::now().checked_sub(uptime);
    answer["started"] = value!(started.map(|at| humantime::format_rfc3339_millis(at).to_string()));
    answer["phase"] = value!(match node.phase() {
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::Draining => "draining",
        Phase::HandingOver => "handing_over",
        Phase::Closed => "closed",
        Phase::HandedOver => "handed_over",
    });
    let process = api::process(uptime.as_secs_f64());
    answer["process"] = process.map_or(serde_json::Value::Null, |process| {
        value!({
            "id": std::process::id(),
            "cpu_percent": process.cpu,
            "rss_bytes": process.rss,
        })
    });
    let written = |entries: &[crate::config::Listen]| -> Vec<String> {
        entries.iter().map(ToString::to_string).collect()
    };
    let settings = &node.settings;
    answer["listen"] = value!(written(&settings.listen));
    answer["admin_listen"] = value!(settings.admin.listen.as_deref().map(written));
    json(&answer)
}

/// The body of `POST /admin/drain`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DrainRequest {
    node: Option<String>,
}

#[derive(Serialize)]
struct Drains<'a> {
    node: &'a str,
    draining: bool,
}

/// Answers `POST /admin/drain`: the node goes away as on SIGTERM. Its name is asked for, so that
/// nobody ends another node than it means to.
pub(super) async fn drain(
    request: HttpRequest,
    administrator: Administrator,
    node: Data<Node>,
    payload: Payload,
) -> Result<HttpResponse, AdminError> {
    let drain: DrainRequest = body_of(&request, payload).await?;
    let Some(name) = drain.node else {
        return Err(AdminError::BadRequest(
            "node is missing: the name of this node".to_string(),
        ));
    };
    if name != node.settings.node {
        return Err(AdminError::OtherNode);
    }
    let address = administrator.address;
    log::warn!(address:%, node = name.as_str(); "an administrator drains this node");
    node.ask_drain();
    let mut answer = json(&Drains {
        node: &name,
        draining: true,
    })?;
    *answer.status_mut() = actix_web::http::StatusCode::ACCEPTED;
    Ok(answer)
}
