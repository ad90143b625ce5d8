//! What must hold for single numbers and times and among them.

use std::time::Duration;

use crate::config::{
    errors::{Errors, Origin, Warning},
    raw_settings::RawSettings,
};

pub(super) fn check_numbers(raw: &RawSettings, errors: &mut Errors, warnings: &mut Vec<Warning>) {
    let mut fault = |path: &str, what: String| {
        if !raw.is_unreadable(path) {
            errors.add(&raw.origin(path), path, what);
        }
    };
    if let Err(error) = env_filter::Builder::new().try_parse(&raw.log.filter) {
        fault(
            "log.filter",
            format!("{error}; expected levels such as \"info\" or \"info,fanfare=debug\""),
        );
    }
    let positive = [
        ("workers", raw.root.workers),
        ("limits.sessions", raw.limits.sessions),
        ("limits.message_bytes", raw.limits.message_bytes),
        ("limits.outbox_bytes", raw.limits.outbox_bytes),
        ("limits.shard_queue", raw.limits.shard_queue),
        ("limits.shard_queue_bytes", raw.limits.shard_queue_bytes),
        ("limits.history_bytes", raw.limits.history_bytes),
        ("limits.commands_pending", raw.limits.commands_pending),
        ("tcp.backlog", raw.tcp.backlog as usize),
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
        ("heartbeat.ping_interval", raw.heartbeat.ping_interval),
        ("heartbeat.pong_timeout", raw.heartbeat.pong_timeout),
        ("slow.write_timeout", raw.slow.write_timeout),
        ("close.timeout", raw.close.timeout),
        ("limits.broker_timeout", raw.limits.broker_timeout),
        ("limits.presence_ttl", raw.limits.presence_ttl),
        ("limits.poll_wait", raw.limits.poll_wait),
        ("http.request_timeout", raw.http.request_timeout),
    ];
    for (path, value) in times {
        if value < Duration::from_millis(1) {
            fault(path, "expected a time above 0".to_string());
        }
    }
    if raw.root.workers > 1024 {
        fault(
            "workers",
            "expected at most 1024; one a core is right".to_string(),
        );
    }
    if !(1..=9).contains(&raw.deflate.level) {
        fault(
            "deflate.level",
            "expected 1 (fast) to 9 (small)".to_string(),
        );
    }
    let beat = &raw.heartbeat;
    let is_given = !raw.is_unreadable("heartbeat.ping_interval")
        && !raw.is_unreadable("heartbeat.pong_timeout");
    if is_given && beat.pong_timeout >= beat.ping_interval {
        // Named where the author can see it: at the one of the two that was set.
        let path = match raw.origin("heartbeat.pong_timeout") {
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
    if raw.limits.recovery_bytes() > raw.limits.outbox_bytes {
        warnings.push(Warning(
            "limits.recovery_bytes is larger than limits.outbox_bytes: a recovery may run into the bound of the outbox, and \
             its client is closed instead of told"
                .to_string(),
        ));
    }
    if raw.limits.messages_burst > 0 && raw.limits.messages_per_second == 0 {
        warnings.push(Warning(
            "limits.messages_burst is not used as long as limits.messages_per_second is 0"
                .to_string(),
        ));
    }
    if raw.limits.outbox_bytes < raw.limits.message_bytes {
        warnings.push(Warning(
            "limits.outbox_bytes is smaller than limits.message_bytes: a message of the largest size only passes when nothing \
             else waits"
                .to_string(),
        ));
    }
}
