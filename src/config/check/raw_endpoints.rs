//! What must hold for each `[[raw]]` and among them; makes the checked ones. Reads nothing.

use std::collections::HashSet;

use super::{
    element::elements,
    routes::{SwitchedOff, built_in_route},
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

pub(super) fn check_raw_endpoints(
    raw: &RawSettings,
    channels: &Channels,
    errors: &mut Errors,
) -> Vec<RawEndpoint> {
    let mut paths = HashSet::new();
    let mut endpoints = Vec::new();
    for (place, section) in elements(raw, "raw", &raw.raw) {
        let mut refuse = |name: &str, what: String| place.refuse(errors, name, what);
        let path = check_path(&section.path).and_then(|()| check_is_free(section, raw, &mut paths));
        if let Err(what) = path {
            refuse("path", what);
        }
        check_lists(section, channels, &mut refuse);
        if section.connect_hook && !raw.has_hook("connect") {
            refuse(
                "connect_hook",
                "needs hooks.connect.url, which is to be asked".to_string(),
            );
        }
        let names = ["on_message", "reply", "on_failure", "failure_reply"];
        let on_message = if names.iter().any(|name| place.is_unreadable(name)) {
            OnMessage::Ignore
        } else {
            on_message(section, raw.has_hook("message"), refuse)
        };
        endpoints.push(endpoint(section, on_message));
    }
    endpoints
}

fn endpoint(section: &RawSection, on_message: OnMessage) -> RawEndpoint {
    RawEndpoint {
        path: section.path.clone(),
        greeting: section.greeting.clone(),
        on_message,
        subprotocols: section.subprotocols.clone(),
        origins: section.origins.clone(),
        channels: section.channels.clone(),
        default_channels: section.default_channels.clone(),
        connect_hook: section.connect_hook,
    }
}

/// The rule for paths, apart from whether they are free.
fn check_path(path: &str) -> Result<(), String> {
    let right = "expected a path such as \"/ws\", of visible ASCII without escapes (%), ?, #, \
                 quotes and braces";
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

/// Takes the endpoint's path, which neither an endpoint before it nor a built-in route may have.
fn check_is_free<'a>(
    section: &'a RawSection,
    raw: &RawSettings,
    paths: &mut HashSet<&'a str>,
) -> Result<(), String> {
    let path = section.path.as_str();
    if !paths.insert(path) {
        return Err(format!(
            "{path} has an endpoint already; each needs a path of its own"
        ));
    }
    match built_in_route(raw, path) {
        Some(SwitchedOff::By(section)) => Err(format!(
            "{path} is a built-in route; choose another path, or set {section}.enabled = false"
        )),
        Some(SwitchedOff::WithoutKey) => Err(format!(
            "{path} is the administrator's while admin.key is set; choose another path"
        )),
        Some(SwitchedOff::Never) => Err(format!(
            "{path} is a file of the client, which is always served; choose another path"
        )),
        None => Ok(()),
    }
}

/// What must hold for each channel, subprotocol and origin.
fn check_lists(section: &RawSection, channels: &Channels, refuse: &mut impl FnMut(&str, String)) {
    let lists = [
        ("channels", &section.channels),
        ("default_channels", &section.default_channels),
    ];
    for (name, list) in lists {
        for channel in list {
            if let Err(what) = check_channel(channel, channels) {
                refuse(name, what);
            }
        }
    }
    for name in &section.subprotocols {
        if let Err(what) = check_subprotocol(name) {
            refuse("subprotocols", what);
        }
    }
    for origin in section.origins.iter().flatten() {
        if let Err(what) = check_origin(origin) {
            refuse("origins", what);
        }
    }
}

/// The rule for subprotocols: a token (RFC 6455, section 4.1), or `*`.
fn check_subprotocol(name: &str) -> Result<(), String> {
    let in_token = |byte: u8| byte.is_ascii_graphic() && !b"(),/:;<=>?@[\\]{}\"".contains(&byte);
    if !name.is_empty() && name.bytes().all(in_token) {
        return Ok(());
    }
    Err(format!(
        "{name:?} is no subprotocol; expected a token such as \"chat\", or \"*\""
    ))
}

/// What the endpoint does with a message; `has_hook` is whether hooks.message is set.
fn on_message(
    section: &RawSection,
    has_hook: bool,
    mut refuse: impl FnMut(&str, String),
) -> OnMessage {
    let word = section.on_message.as_str();
    let on_failure = on_failure(section, &mut refuse);
    if section.reply.is_some() && word != "reply" {
        refuse(
            "reply",
            "is only used with on_message = \"reply\"".to_string(),
        );
    }
    if section.relay_self.is_some() && word != "relay" {
        refuse(
            "relay_self",
            "is only used with on_message = \"relay\"".to_string(),
        );
    }
    match (word, &section.reply) {
        ("ignore", _) => OnMessage::Ignore,
        ("echo", _) => OnMessage::Echo,
        ("relay", _) => OnMessage::Relay {
            relay_self: section.relay_self.unwrap_or(false),
        },
        ("hook", _) => {
            if !has_hook {
                refuse(
                    "on_message",
                    "\"hook\" needs hooks.message.url, which is to be asked".to_string(),
                );
            }
            OnMessage::Hook { on_failure }
        }
        ("reply", Some(reply)) => OnMessage::Reply(reply.clone()),
        ("reply", None) => {
            refuse(
                "on_message",
                "\"reply\" needs the text to send back: reply = \"Server: Received({message})\""
                    .to_string(),
            );
            OnMessage::Ignore
        }
        _ => {
            refuse(
                "on_message",
                format!(
                    "{word:?} is unknown; expected \"ignore\", \"echo\", \"reply\", \"relay\" or \
                     \"hook\""
                ),
            );
            OnMessage::Ignore
        }
    }
}

/// What a client sees when the backend does not answer.
fn on_failure(section: &RawSection, refuse: &mut impl FnMut(&str, String)) -> HookFailureAction {
    if section.on_failure.is_some() && section.on_message != "hook" {
        refuse(
            "on_failure",
            "is only used with on_message = \"hook\"".to_string(),
        );
    }
    if section.failure_reply.is_some() && section.on_failure.as_deref() != Some("reply") {
        refuse(
            "failure_reply",
            "is only used with on_failure = \"reply\"".to_string(),
        );
    }
    match (section.on_failure.as_deref(), &section.failure_reply) {
        (None | Some("close"), _) => return HookFailureAction::Close,
        (Some("reply"), Some(reply)) => return HookFailureAction::Reply(reply.clone()),
        (Some("reply"), None) => refuse(
            "on_failure",
            "\"reply\" needs the text to send: failure_reply = \"try again later\"".to_string(),
        ),
        (Some(word), _) => refuse(
            "on_failure",
            format!("{word:?} is unknown; expected \"close\" or \"reply\""),
        ),
    }
    HookFailureAction::Close
}
