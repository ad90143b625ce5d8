//! What `/status` tells the console: where this server can be reached, and what its pages have.
//! Pure.

use actix_web::HttpRequest;
use serde_json::{Value, json};

use super::{HttpState, admin::door::is_at_its_door};
use crate::{
    config::{OnMessage, Settings},
    node::Node,
    server::Overview,
};

/// A path, where it is served.
fn path(is_enabled: bool, path: &str) -> Value {
    match is_enabled {
        true => json!(path),
        false => Value::Null,
    }
}

/// The ways in: raw endpoints, the client protocol, and those of plain clients.
pub(super) fn ways_json(node: &Node, http: &HttpState, overview: &Overview) -> Value {
    let settings: &Settings = &node.settings;
    let client = settings.connection.enabled.then(|| {
        json!({
            "websocket": "/connection/websocket",
            "http_stream": "/connection/http_stream",
            "sse": "/connection/sse",
            "emulation": "/emulation",
        })
    });
    json!({
        "raw": raw_json(settings, http, overview),
        "client": client,
        "sse": path(settings.sse.enabled, "/sse"),
        "poll": path(settings.longpoll.enabled, "/poll"),
        "send": path(settings.send.enabled, "/send"),
        "diag": path(settings.diag.enabled, "/diag"),
    })
}

fn raw_json(settings: &Settings, http: &HttpState, overview: &Overview) -> Value {
    let all = settings.raw.iter().zip(&http.endpoints);
    let all = all.map(|(raw, endpoint)| {
        let mut by_endpoint = overview.by_endpoint.iter();
        let here = by_endpoint.find(|(path, _)| *path == endpoint.path);
        // Those of a session that names none.
        let channels = [&raw.channels[..], &raw.default_channels[..]].concat();
        json!({
            "path": raw.path,
            "on_message": word(&raw.on_message),
            "sessions": here.map_or(0, |(_, count)| *count),
            "channels": channels,
        })
    });
    all.collect()
}

fn word(on_message: &OnMessage) -> &'static str {
    match on_message {
        OnMessage::Ignore => "ignore",
        OnMessage::Echo => "echo",
        OnMessage::Reply(_) => "reply",
        OnMessage::Relay { .. } => "relay",
        OnMessage::Hook { .. } => "hook",
    }
}

/// What the pages have.
pub(super) fn page_json(request: &HttpRequest, node: &Node) -> Value {
    json!({
        "danmaku": node.settings.page.danmaku,
        "admin": node.has_admin() && is_at_its_door(request, node),
    })
}
