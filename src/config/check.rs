//! What must hold between settings, beyond the form of each; turns a sheet into checked [`Settings`].

mod access;
mod channels;
mod elements;
mod hooks;
mod open;
mod routes;

use std::{path::PathBuf, time::Duration};

use super::{
    load::{Errors, Warning},
    settings::{Settings, Tls},
    sheet::{Origin, Sheet},
    types::Listen,
};

pub(super) fn check(
    sheet: Sheet,
    file: Option<PathBuf>,
    errors: &mut Errors,
    warnings: &mut Vec<Warning>,
) -> Settings {
    check_numbers(&sheet, errors, warnings);
    let tls = check_tls(&sheet, errors);
    check_listen(&sheet, errors);
    let channels = channels::check_channels(&sheet, errors);
    let client = access::check_access(&sheet, errors);
    let hooks = hooks::check_hooks(&sheet, errors);
    let poll = hooks::check_polls(&sheet, &channels, errors);
    let raw = elements::check_raws(&sheet, &channels, errors);
    let push = elements::check_pushes(&sheet, &channels, errors, warnings);
    let demonstration = file.is_none();
    let root = sheet.root;
    let settings = Settings {
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
        connection: sheet.connection,
        sse: sheet.sse,
        longpoll: sheet.longpoll,
        send: sheet.send,
        channels,
        token: sheet.token,
        client,
        api: sheet.api,
        hooks,
        poll,
        raw,
        push,
        demonstration,
        file,
    };
    open::warn(&settings, warnings);
    settings
}

fn check_numbers(sheet: &Sheet, errors: &mut Errors, warnings: &mut Vec<Warning>) {
    let mut fault = |path: &str, what: String| {
        if !sheet.is_broken(path) {
            errors.add(&sheet.origin(path), path, what);
        }
    };
    if let Err(error) = env_filter::Builder::new().try_parse(&sheet.log.filter) {
        fault(
            "log.filter",
            format!("{error}; expected levels such as \"info\" or \"info,fanfare=debug\""),
        );
    }
    let positive = [
        ("workers", sheet.root.workers),
        ("limits.sessions", sheet.limits.sessions),
        ("limits.message_bytes", sheet.limits.message_bytes),
        ("limits.outbox_bytes", sheet.limits.outbox_bytes),
        ("limits.shard_queue", sheet.limits.shard_queue),
        ("limits.shard_queue_bytes", sheet.limits.shard_queue_bytes),
        ("limits.history_bytes", sheet.limits.history_bytes),
        ("limits.commands_pending", sheet.limits.commands_pending),
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
        ("limits.presence_ttl", sheet.limits.presence_ttl),
        ("limits.broker_timeout", sheet.limits.broker_timeout),
        ("limits.poll_wait", sheet.limits.poll_wait),
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
    let is_given =
        !sheet.is_broken("heartbeat.ping_interval") && !sheet.is_broken("heartbeat.pong_timeout");
    if is_given && beat.pong_timeout >= beat.ping_interval {
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
    if sheet.limits.recovery_bytes() > sheet.limits.outbox_bytes {
        warnings.push(Warning(
            "limits.recovery_bytes is larger than limits.outbox_bytes: a recovery may run into the bound of the outbox, and \
             its client is closed instead of told"
                .to_string(),
        ));
    }
    if sheet.limits.messages_burst > 0 && sheet.limits.messages_per_second == 0 {
        warnings.push(Warning(
            "limits.messages_burst is not used as long as limits.messages_per_second is 0"
                .to_string(),
        ));
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
        // Given, but told already that it cannot be read.
        _ if sheet.is_broken("tls.cert") || sheet.is_broken("tls.key") => {}
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
