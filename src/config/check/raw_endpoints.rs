//! What must hold for each `[[raw]]` and among them; turns them as written into checked ones. Reads nothing.

use std::collections::HashMap;

use super::{
    element::Element,
    routes::taken_by,
    rules::{check_channel, check_origin},
};
use crate::config::{
    channels::Channels,
    errors::Errors,
    raw_settings::RawSettings,
    sections::RawSection,
    settings::RawEndpoint,
    values::{HookFailureAction, OnMessage},
};

pub(super) fn check_raws(
    raw: &RawSettings,
    channels: &Channels,
    errors: &mut Errors,
) -> Vec<RawEndpoint> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut endpoints = Vec::new();
    for (index, table) in raw.raw.iter().enumerate() {
        let element = Element {
            raw,
            table: "raw",
            index,
        };
        let mut fault = |name: &str, what: String| element.fault(errors, name, what);
        if let Err(what) = check_path(&table.path) {
            fault("path", what);
        } else if seen.insert(table.path.clone(), index).is_some() {
            fault(
                "path",
                format!(
                    "{} has an endpoint already; each needs a path of its own",
                    table.path
                ),
            );
        } else if let Some(route) = taken_by(raw, &table.path) {
            fault(
                "path",
                format!(
                    "{} is a built-in route; choose another path, or set {route}.enabled = false",
                    table.path
                ),
            );
        }
        for channel in &table.channels {
            if let Err(what) = check_channel(channel, channels) {
                fault("channels", what);
            }
        }
        for name in &table.subprotocols {
            if name.is_empty()
                || !name
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b"(),/:;<=>?@[\\]{}\"".contains(&byte))
            {
                fault(
                    "subprotocols",
                    format!(
                        "{name:?} is no subprotocol; expected a token such as \"chat\", or \"*\""
                    ),
                );
            }
        }
        for origin in table.origins.iter().flatten() {
            if let Err(what) = check_origin(origin) {
                fault("origins", what);
            }
        }
        if table.connect_hook && !raw.has_hook("connect") {
            fault(
                "connect_hook",
                "needs hooks.connect.url, which is to be asked".to_string(),
            );
        }
        let words = ["on_message", "reply", "on_failure", "failure_reply"];
        let on_message = if words.iter().any(|name| element.is_unreadable(name)) {
            OnMessage::Ignore
        } else {
            on_message(table, raw.has_hook("message"), fault)
        };
        endpoints.push(RawEndpoint {
            path: table.path.clone(),
            greeting: table.greeting.clone(),
            on_message,
            subprotocols: table.subprotocols.clone(),
            origins: table.origins.clone(),
            channels: table.channels.clone(),
            connect_hook: table.connect_hook,
        });
    }
    endpoints
}

fn on_message(
    table: &RawSection,
    has_hook: bool,
    mut fault: impl FnMut(&str, String),
) -> OnMessage {
    let word = table.on_message.as_str();
    let on_failure = on_failure(table, &mut fault);
    if table.reply.is_some() && word != "reply" {
        fault(
            "reply",
            "is only used with on_message = \"reply\"".to_string(),
        );
    }
    if table.relay_self.is_some() && word != "relay" {
        fault(
            "relay_self",
            "is only used with on_message = \"relay\"".to_string(),
        );
    }
    match (word, &table.reply) {
        ("ignore", _) => OnMessage::Ignore,
        ("echo", _) => OnMessage::Echo,
        ("relay", _) => OnMessage::Relay {
            relay_self: table.relay_self.unwrap_or(false),
        },
        ("hook", _) => {
            if !has_hook {
                fault(
                    "on_message",
                    "\"hook\" needs hooks.message.url, which is to be asked".to_string(),
                );
            }
            OnMessage::Hook { on_failure }
        }
        ("reply", Some(reply)) => OnMessage::Reply(reply.clone()),
        ("reply", None) => {
            fault(
                "on_message",
                "\"reply\" needs the text to send back: reply = \"Server: Received({message})\""
                    .to_string(),
            );
            OnMessage::Ignore
        }
        _ => {
            fault(
                "on_message",
                format!(
                    "{word:?} is unknown; expected \"ignore\", \"echo\", \"reply\", \"relay\" or \"hook\""
                ),
            );
            OnMessage::Ignore
        }
    }
}

fn on_failure(table: &RawSection, fault: &mut impl FnMut(&str, String)) -> HookFailureAction {
    if table.on_failure.is_some() && table.on_message != "hook" {
        fault(
            "on_failure",
            "is only used with on_message = \"hook\"".to_string(),
        );
    }
    if table.failure_reply.is_some() && table.on_failure.as_deref() != Some("reply") {
        fault(
            "failure_reply",
            "is only used with on_failure = \"reply\"".to_string(),
        );
    }
    match (table.on_failure.as_deref(), &table.failure_reply) {
        (None | Some("close"), _) => return HookFailureAction::Close,
        (Some("reply"), Some(reply)) => return HookFailureAction::Reply(reply.clone()),
        (Some("reply"), None) => fault(
            "on_failure",
            "\"reply\" needs the text to send: failure_reply = \"try again later\"".to_string(),
        ),
        (Some(word), _) => fault(
            "on_failure",
            format!("{word:?} is unknown; expected \"close\" or \"reply\""),
        ),
    }
    HookFailureAction::Close
}

fn check_path(path: &str) -> Result<(), String> {
    let right = "expected a path such as \"/ws\", without ?, # and braces";
    if !path.starts_with('/') {
        return Err(format!("{path:?} does not begin with a slash; {right}"));
    }
    if !path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"?#{}%\"".contains(&byte))
    {
        return Err(format!("{path:?} cannot be a path here; {right}"));
    }
    Ok(())
}
