//! What must hold for each `[[raw]]` and `[[push]]`, and among them; turns them as written into checked ones. Reads nothing;
//! of a push's file it only asks whether there is one.

use std::{collections::HashMap, fmt, time::Duration};

use super::{
    super::{
        channels::Channels,
        load::{Errors, Warning},
        raw_settings::{Origin, RawSettings},
        settings::{Push, PushSection, RawEndpoint, RawSection},
        values::{HookFailureAction, OnMessage, check_channel_name},
    },
    hooks::has_hook,
    routes::taken_by,
};

/// Pushes more often than this would be a load test.
pub(super) const EVERY_MIN: Duration = Duration::from_millis(100);

/// One element of a list of tables: where its settings were written, so that faults name the place.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) raw: &'a RawSettings,
    pub(super) table: &'static str,
    pub(super) index: usize,
}

impl Element<'_> {
    fn path(&self, name: &str) -> String {
        format!("{}.{}.{name}", self.table, self.index)
    }

    /// Whether a setting could not be read, which was told already.
    pub(super) fn is_unreadable(&self, name: &str) -> bool {
        self.raw.is_unreadable(&self.path(name))
    }

    /// Tells what is wrong with a setting, at its line or at the element's.
    pub(super) fn fault(&self, errors: &mut Errors, name: &str, what: impl fmt::Display) {
        if self.is_unreadable(name) {
            return;
        }
        let origin = match self.raw.origin(&self.path(name)) {
            Origin::BuiltIn => self.raw.origin(&format!("{}.{}", self.table, self.index)),
            origin => origin,
        };
        errors.add(&origin, &format!("{}.{name}", self.table), what);
    }
}

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
        if table.connect_hook && !has_hook(raw, "connect") {
            fault(
                "connect_hook",
                "needs hooks.connect.url, which is to be asked".to_string(),
            );
        }
        let words = ["on_message", "reply", "on_failure", "failure_reply"];
        let on_message = if words.iter().any(|name| element.is_unreadable(name)) {
            OnMessage::Ignore
        } else {
            on_message(table, has_hook(raw, "message"), fault)
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

/// A channel that the server itself is to use: named rightly, and of a namespace that exists.
pub(super) fn check_channel(name: &str, channels: &Channels) -> Result<(), String> {
    check_channel_name(name).map_err(|why| format!("{name:?}: {why}"))?;
    if channels.configured && channels.rules(name).is_none() {
        let (namespace, _) = name.split_once(':').unwrap_or_default();
        return Err(format!(
            "{name:?}: there is no [[namespace]] with name = {namespace:?}"
        ));
    }
    Ok(())
}

pub(super) fn check_origin(origin: &str) -> Result<(), String> {
    let fits = origin == "*"
        || origin.split_once("://").is_some_and(|(scheme, host)| {
            !scheme.is_empty() && !host.is_empty() && !host.contains('/')
        });
    if fits {
        Ok(())
    } else {
        Err(format!(
            "{origin:?} is no origin; expected scheme://host or scheme://host:port without a path, such as \
             \"https://www.example.com\", or \"*\""
        ))
    }
}

pub(super) fn check_pushes(
    raw: &RawSettings,
    channels: &Channels,
    errors: &mut Errors,
    warnings: &mut Vec<Warning>,
) -> Vec<Push> {
    let mut pushes = Vec::new();
    for (index, table) in raw.push.iter().enumerate() {
        let element = Element {
            raw,
            table: "push",
            index,
        };
        let mut fault = |name: &str, what: &str| element.fault(errors, name, what);
        let PushSection {
            every,
            channel,
            data,
            only_changed,
            data_file,
        } = table.clone();
        match (&data, &data_file) {
            (Some(_), Some(_)) => fault("data_file", "stands beside data; expected one of the two"),
            (None, None) if !element.is_unreadable("data_file") => fault(
                "data",
                "is missing; expected the text to push, or data_file with a file that has it",
            ),
            (Some(data), _) if data.is_empty() => {
                fault("data", "is missing; expected the text to push");
            }
            (Some(data), _) if data.len() > raw.limits.outbox_bytes => {
                fault("data", "is larger than limits.outbox_bytes");
            }
            (_, Some(file)) if !file.is_file() => warnings.push(Warning(format!(
                "push.data_file: {} is no file now; nothing is pushed until it is one",
                file.display()
            ))),
            _ => {}
        }
        if every.is_zero() {
            fault(
                "every",
                "must be set; expected a time of at least 100ms, such as \"10s\"",
            );
        } else if every < EVERY_MIN {
            fault("every", "expected at least 100ms");
        }
        if let Some(Err(what)) = channel.as_deref().map(|name| check_channel(name, channels)) {
            fault("channel", &what);
        }
        pushes.push(Push {
            every,
            channel,
            data: data.unwrap_or_default(),
            file: data_file,
            only_changed,
        });
    }
    pushes
}
