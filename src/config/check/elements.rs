//! What must hold for each `[[raw]]` and `[[push]]`, and among them; turns them as written into checked ones.

use std::{collections::HashMap, time::Duration};

use super::super::{
    load::Errors,
    settings::{Push, PushTable, RawEndpoint, RawTable},
    sheet::{Origin, Sheet},
    types::{OnMessage, check_channel_name},
};

/// Pushes more often than this would be a load test.
const EVERY_MIN: Duration = Duration::from_millis(100);

/// Paths of the built-in routes, with the table that can leave them out.
const ROUTES: [(&str, &str); 7] = [
    ("/", "page"),
    ("/status", "status"),
    ("/status/sessions", "status"),
    ("/health", "health"),
    ("/ready", "ready"),
    ("/metrics", "metrics"),
    ("/diag", "diag"),
];

pub(super) fn check_raws(sheet: &Sheet, errors: &mut Errors) -> Vec<RawEndpoint> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut endpoints = Vec::new();
    for (index, table) in sheet.raw.iter().enumerate() {
        let place = |name: &str| match sheet.origin(&format!("raw.{index}.{name}")) {
            Origin::BuiltIn => sheet.origin(&format!("raw.{index}")),
            origin => origin,
        };
        let is_broken = |name: &str| sheet.is_broken(&format!("raw.{index}.{name}"));
        let mut fault = |name: &str, what: String| {
            if !is_broken(name) {
                errors.add(&place(name), &format!("raw.{name}"), what);
            }
        };
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
        } else if let Some(route) = taken_by(sheet, &table.path) {
            fault(
                "path",
                format!(
                    "{} is a built-in route; choose another path, or set {route}.enabled = false",
                    table.path
                ),
            );
        }
        for channel in &table.channels {
            if let Err(what) = check_channel(channel) {
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
        let on_message = if is_broken("on_message") || is_broken("reply") {
            OnMessage::Ignore
        } else {
            on_message(table, fault)
        };
        endpoints.push(RawEndpoint {
            path: table.path.clone(),
            greeting: table.greeting.clone(),
            on_message,
            subprotocols: table.subprotocols.clone(),
            origins: table.origins.clone(),
            channels: table.channels.clone(),
        });
    }
    endpoints
}

fn on_message(table: &RawTable, mut fault: impl FnMut(&str, String)) -> OnMessage {
    let word = table.on_message.as_str();
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
                    "{word:?} is unknown; expected \"ignore\", \"echo\", \"reply\" or \"relay\""
                ),
            );
            OnMessage::Ignore
        }
    }
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

fn taken_by(sheet: &Sheet, path: &str) -> Option<&'static str> {
    let enabled = |route: &str| match route {
        "page" => sheet.page.enabled,
        "status" => sheet.status.enabled,
        "health" => sheet.health.enabled,
        "ready" => sheet.ready.enabled,
        "metrics" => sheet.metrics.enabled,
        _ => sheet.diag.enabled,
    };
    if path.starts_with("/static/") && sheet.page.enabled {
        return Some("page");
    }
    ROUTES
        .iter()
        .find(|(taken, route)| *taken == path && enabled(route))
        .map(|(_, route)| *route)
}

fn check_channel(name: &str) -> Result<(), String> {
    check_channel_name(name).map_err(|why| format!("{name:?}: {why}"))
}

fn check_origin(origin: &str) -> Result<(), String> {
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

pub(super) fn check_pushes(sheet: &Sheet, errors: &mut Errors) -> Vec<Push> {
    let mut pushes = Vec::new();
    for (index, table) in sheet.push.iter().enumerate() {
        let place = |name: &str| match sheet.origin(&format!("push.{index}.{name}")) {
            Origin::BuiltIn => sheet.origin(&format!("push.{index}")),
            origin => origin,
        };
        let mut fault = |name: &str, what: &str| {
            if !sheet.is_broken(&format!("push.{index}.{name}")) {
                errors.add(&place(name), &format!("push.{name}"), what);
            }
        };
        let PushTable {
            every,
            channel,
            data,
            only_changed,
        } = table.clone();
        if every.is_zero() {
            fault(
                "every",
                "must be set; expected a time of at least 100ms, such as \"10s\"",
            );
        } else if every < EVERY_MIN {
            fault("every", "expected at least 100ms");
        }
        if let Some(Err(what)) = channel.as_deref().map(check_channel) {
            fault("channel", &what);
        }
        if data.is_empty() {
            fault("data", "is missing; expected the text to push");
        } else if data.len() > sheet.limits.outbox_bytes {
            fault("data", "is larger than limits.outbox_bytes");
        }
        pushes.push(Push {
            every,
            channel,
            data,
            only_changed,
        });
    }
    pushes
}
