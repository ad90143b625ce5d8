//! What must hold between settings, beyond the form of each; turns a sheet into checked [`Settings`].

use std::{collections::HashMap, path::PathBuf, time::Duration};

use super::{
    load::{Errors, Warning},
    settings::{Push, PushTable, RawEndpoint, RawTable, Settings, Tls},
    sheet::{Origin, Sheet},
    types::{Listen, OnMessage},
};

/// Longest channel name, in bytes.
const CHANNEL_BYTES_MAX: usize = 255;
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

pub(super) fn check(
    sheet: Sheet,
    file: Option<PathBuf>,
    errors: &mut Errors,
    warnings: &mut Vec<Warning>,
) -> Settings {
    check_numbers(&sheet, errors, warnings);
    let tls = check_tls(&sheet, errors);
    check_listen(&sheet, errors);
    let raw = check_raws(&sheet, errors);
    let push = check_pushes(&sheet, errors);
    let demonstration = file.is_none();
    if !demonstration && raw.is_empty() && errors.0.is_empty() {
        warnings.push(Warning(
            "no [[raw]] endpoint is set: nobody can connect; `fanfare config` shows an example"
                .to_string(),
        ));
    }
    let root = sheet.root;
    Settings {
        listen: root.listen,
        workers: root.workers,
        node: root.node,
        trusted_proxies: root.trusted_proxies,
        limits: sheet.limits,
        heartbeat: sheet.heartbeat,
        slow: sheet.slow,
        close: sheet.close,
        deflate: sheet.deflate,
        tcp: sheet.tcp,
        http: sheet.http,
        drain: sheet.drain,
        tls,
        admin: sheet.admin,
        log: sheet.log,
        page: sheet.page,
        status: sheet.status,
        health: sheet.health,
        ready: sheet.ready,
        metrics: sheet.metrics,
        diag: sheet.diag,
        raw,
        push,
        demonstration,
        file,
    }
}

fn check_numbers(sheet: &Sheet, errors: &mut Errors, warnings: &mut Vec<Warning>) {
    let mut fault = |path: &str, what: String| errors.add(&sheet.origin(path), path, what);
    let positive = [
        ("workers", sheet.root.workers),
        ("limits.sessions", sheet.limits.sessions),
        ("limits.message_bytes", sheet.limits.message_bytes),
        ("limits.outbox_bytes", sheet.limits.outbox_bytes),
        ("limits.shard_queue", sheet.limits.shard_queue),
        ("limits.shard_queue_bytes", sheet.limits.shard_queue_bytes),
        ("tcp.backlog", sheet.tcp.backlog as usize),
    ];
    for (path, value) in positive {
        if value == 0 {
            fault(
                path,
                "0 would serve nobody; expected at least 1".to_string(),
            );
        }
    }
    let times = [
        ("heartbeat.ping_interval", sheet.heartbeat.ping_interval),
        ("heartbeat.pong_timeout", sheet.heartbeat.pong_timeout),
        ("slow.write_timeout", sheet.slow.write_timeout),
        ("close.timeout", sheet.close.timeout),
        ("http.request_timeout", sheet.http.request_timeout),
    ];
    for (path, value) in times {
        if value < Duration::from_millis(1) {
            fault(path, "expected a time above 0".to_string());
        }
    }
    if sheet.root.workers > 1024 {
        fault(
            "workers",
            "expected at most 1024; one a core is right".to_string(),
        );
    }
    if !(1..=9).contains(&sheet.deflate.level) {
        fault(
            "deflate.level",
            "expected 1 (fast) to 9 (small)".to_string(),
        );
    }
    let beat = &sheet.heartbeat;
    if beat.pong_timeout >= beat.ping_interval {
        // Named where the author can see it: at the one of the two that was set.
        let path = match sheet.origin("heartbeat.pong_timeout") {
            Origin::BuiltIn => "heartbeat.ping_interval",
            _ => "heartbeat.pong_timeout",
        };
        fault(
            path,
            format!(
                "the pong timeout ({}) must be shorter than the ping interval ({}), or a second ping goes out before the \
                 first one is missed",
                humantime::format_duration(beat.pong_timeout),
                humantime::format_duration(beat.ping_interval)
            ),
        );
    }
    if beat.ping_interval > Duration::from_secs(60) {
        warnings.push(Warning(format!(
            "heartbeat.ping_interval is {}: nginx and most proxies cut connections that are idle for 60 s",
            humantime::format_duration(beat.ping_interval)
        )));
    }
    if sheet.limits.outbox_bytes < sheet.limits.message_bytes {
        warnings.push(Warning(
            "limits.outbox_bytes is smaller than limits.message_bytes: a message of the largest size only passes when nothing \
             else waits"
                .to_string(),
        ));
    }
}

fn check_tls(sheet: &Sheet, errors: &mut Errors) -> Option<Tls> {
    let wants = sheet
        .root
        .listen
        .iter()
        .any(|listen| matches!(listen, Listen::Tls(_)));
    match (&sheet.tls.cert, &sheet.tls.key) {
        (Some(cert), Some(key)) => {
            return Some(Tls {
                cert: cert.clone(),
                key: key.clone(),
            });
        }
        (Some(_), None) => errors.add(
            &sheet.origin("tls.cert"),
            "tls.cert",
            "needs tls.key beside it",
        ),
        (None, Some(_)) => errors.add(
            &sheet.origin("tls.key"),
            "tls.key",
            "needs tls.cert beside it",
        ),
        (None, None) if wants => errors.add(
            &sheet.origin("listen"),
            "listen",
            "a tls: listener needs tls.cert and tls.key (PEM files)",
        ),
        (None, None) => {}
    }
    None
}

fn check_listen(sheet: &Sheet, errors: &mut Errors) {
    let listen = &sheet.root.listen;
    for (index, entry) in listen.iter().enumerate() {
        let address = |listen: &Listen| match listen {
            Listen::Tcp(address) | Listen::Tls(address) if !address.ends_with(":0") => {
                Some(address.clone())
            }
            Listen::Unix(path) => Some(path.display().to_string()),
            _ => None,
        };
        let this = address(entry);
        if this.is_some() && listen[..index].iter().any(|other| address(other) == this) {
            errors.add(
                &sheet.origin("listen"),
                "listen",
                format!("{entry} stands there twice"),
            );
        }
    }
}

fn check_raws(sheet: &Sheet, errors: &mut Errors) -> Vec<RawEndpoint> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut endpoints = Vec::new();
    for (index, table) in sheet.raw.iter().enumerate() {
        let place = |name: &str| match sheet.origin(&format!("raw.{index}.{name}")) {
            Origin::BuiltIn => sheet.origin(&format!("raw.{index}")),
            origin => origin,
        };
        let mut fault =
            |name: &str, what: String| errors.add(&place(name), &format!("raw.{name}"), what);
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
        let on_message = on_message(table, fault);
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
    let fits = (1..=CHANNEL_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits {
        return Err(format!(
            "{name:?} is no channel name; expected 1 to {CHANNEL_BYTES_MAX} bytes of visible ASCII"
        ));
    }
    if name.starts_with('$') {
        return Err(format!(
            "{name:?}: names that begin with $ are the server's own"
        ));
    }
    Ok(())
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

fn check_pushes(sheet: &Sheet, errors: &mut Errors) -> Vec<Push> {
    let mut pushes = Vec::new();
    for (index, table) in sheet.push.iter().enumerate() {
        let place = |name: &str| match sheet.origin(&format!("push.{index}.{name}")) {
            Origin::BuiltIn => sheet.origin(&format!("push.{index}")),
            origin => origin,
        };
        let PushTable {
            every,
            channel,
            data,
            only_changed,
        } = table.clone();
        if every.is_zero() {
            errors.add(
                &place("every"),
                "push.every",
                "is missing; expected a time such as \"10s\"",
            );
        } else if every < EVERY_MIN {
            errors.add(&place("every"), "push.every", "expected at least 100ms");
        }
        if let Some(Err(what)) = channel.as_deref().map(check_channel) {
            errors.add(&place("channel"), "push.channel", what);
        }
        if data.is_empty() {
            errors.add(
                &place("data"),
                "push.data",
                "is missing; expected the text to push",
            );
        } else if data.len() > sheet.limits.outbox_bytes {
            errors.add(
                &place("data"),
                "push.data",
                "is larger than limits.outbox_bytes",
            );
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
