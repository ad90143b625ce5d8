//! What must hold for single numbers and times, a rule a line, and what is odd between them.

use std::time::Duration;

use humantime::format_duration;

use crate::config::{
    errors::{Errors, SettingOrigin, Warning},
    raw_settings::RawSettings,
    sections::State,
    values::{ADMIN_TOKEN_PREFIX, SyncPolicy},
};

/// Most workers; each has a thread of its own, so that more are a mistake.
const WORKERS_MAX: usize = 1024;

/// Largest message that can be taken; each is held in memory as a whole before it is understood.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// What is odd for each single client to have kept in memory.
const EACH_BYTES_ODD: usize = 256 << 20;

/// Longest ping interval: clients count it in milliseconds of 31 bits, and some lose a longer one.
const PING_INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// nginx and most proxies cut connections that are idle for this long.
const PROXY_IDLE: Duration = Duration::from_secs(60);

/// A state that the disk holds later than this is one to be warned of.
const SYNC_LATE: Duration = Duration::from_secs(10);

pub(super) fn check_numbers(raw: &RawSettings, errors: &mut Errors, warnings: &mut Vec<Warning>) {
    let all = rules(raw).into_iter().chain(kept(raw)).chain(admin(raw));
    for (path, fault) in all {
        if let Some(what) = fault {
            raw.refuse(errors, path, what);
        }
    }
    let odd = oddities(raw).into_iter().chain(large_for_each(raw));
    warnings.extend(odd.flatten().map(Warning::of));
}

/// The rules of what is kept or waits, in the same form.
fn kept(raw: &RawSettings) -> [(&'static str, Option<String>); 7] {
    let (limits, state) = (&raw.limits, &raw.state);
    [
        ("state.sync", unsynced(state.sync)),
        ("state.bytes", small_state(state)),
        ("state.queue", none_served(state.queue)),
        ("state.queue_bytes", none_served(state.queue_bytes)),
        ("limits.frames_pending", none_served(limits.frames_pending)),
        ("limits.position_bytes", none_served(limits.position_bytes)),
        ("limits.idempotency_bytes", no_key(limits.idempotency_bytes)),
    ]
}

/// The rules of logins, in the same form.
fn admin(raw: &RawSettings) -> [(&'static str, Option<String>); 4] {
    let admin = &raw.admin;
    let is_token = admin.key.as_ref().is_some_and(|key| {
        // A key of this form would be taken for a token that is over.
        key.expose().starts_with(ADMIN_TOKEN_PREFIX)
    });
    let least = || "expected at least 1s".to_string();
    [
        (
            "admin.key",
            is_token.then(|| {
                format!("begins with {ADMIN_TOKEN_PREFIX}, as tokens of logins do; choose another")
            }),
        ),
        (
            "admin.token_ttl",
            (admin.token_ttl < Duration::from_secs(1)).then(least),
        ),
        (
            "admin.token_lifetime",
            (admin.token_lifetime < Duration::from_secs(1)).then(least),
        ),
        ("admin.tokens", none_served(admin.tokens)),
    ]
}

/// Each rule: the setting that it is about, and what is wrong with its value, if anything.
fn rules(raw: &RawSettings) -> [(&'static str, Option<String>); 30] {
    let (limits, heartbeat) = (&raw.limits, &raw.heartbeat);
    [
        ("log.filter", log_filter(&raw.log.filter)),
        ("log.queue", no_lines(raw.log.queue)),
        ("workers", none_served(raw.root.workers)),
        ("limits.sessions", none_served(limits.sessions)),
        (
            "limits.pending_connections",
            none_served(limits.pending_connections),
        ),
        (
            "limits.pending_body_bytes",
            none_served(limits.pending_body_bytes),
        ),
        ("limits.message_bytes", none_served(limits.message_bytes)),
        (
            "limits.message_bytes",
            too_large_message(limits.message_bytes),
        ),
        ("limits.outbox_bytes", none_served(limits.outbox_bytes)),
        ("limits.shard_queue", none_served(limits.shard_queue)),
        (
            "limits.shard_queue_bytes",
            none_served(limits.shard_queue_bytes),
        ),
        ("limits.history_bytes", none_served(limits.history_bytes)),
        (
            "limits.commands_pending",
            none_served(limits.commands_pending),
        ),
        (
            "limits.commands_per_turn",
            none_served(limits.commands_per_turn),
        ),
        (
            "limits.inflated_bytes_per_turn",
            none_served(limits.inflated_bytes_per_turn),
        ),
        ("tcp.backlog", none_served(raw.tcp.backlog as usize)),
        (
            "heartbeat.ping_interval",
            ping_interval(heartbeat.ping_interval),
        ),
        ("heartbeat.pong_timeout", no_time(heartbeat.pong_timeout)),
        ("slow.write_timeout", no_time(raw.slow.write_timeout)),
        ("close.timeout", no_time(raw.close.timeout)),
        ("limits.broker_timeout", no_time(limits.broker_timeout)),
        ("limits.presence_ttl", no_time(limits.presence_ttl)),
        ("limits.poll_wait", no_time(limits.poll_wait)),
        ("http.head_bytes", head_bytes(raw.http.head_bytes)),
        ("limits.thread_timeout", short_life(limits.thread_timeout)),
        ("http.request_timeout", no_time(raw.http.request_timeout)),
        ("tls.handshake_timeout", no_time(raw.tls.handshake_timeout)),
        ("workers", too_many_workers(raw.root.workers)),
        ("deflate.level", deflate_level(raw.deflate.level)),
        (longer_heartbeat(raw), late_pong(raw)),
    ]
}

fn log_filter(filter: &str) -> Option<String> {
    let expected = "expected off, error, warn, info, debug or trace, and of single modules \
                    for example \"info,fanfare=debug\"";
    if let Err(error) = env_filter::Builder::new().try_parse(filter) {
        return Some(format!("{error}; {expected}"));
    }
    // A pattern for the text of lines stands behind the first slash.
    let words = filter.split('/').next().unwrap_or_default().split(',');
    let mut words = words.map(str::trim);
    let word = words.find(|word| is_no_level(word))?;
    Some(format!("{word:?} is no level; {expected}"))
}

/// Whether a word of a filter is neither empty nor a level nor about a module of this program:
/// alone it would name a module that there is none of, and switch all others off.
fn is_no_level(word: &str) -> bool {
    let is_module = word.contains('=') || word == "fanfare" || word.starts_with("fanfare::");
    !word.is_empty() && !is_module && word.parse::<log::LevelFilter>().is_err()
}

/// A log without room for a line.
fn no_lines(lines: usize) -> Option<String> {
    (lines == 0).then(|| "0 would drop every line; expected at least 1".to_string())
}

/// A count of 0.
fn none_served(count: usize) -> Option<String> {
    (count == 0).then(|| "0 would serve nobody; expected at least 1".to_string())
}

fn too_large_message(bytes: usize) -> Option<String> {
    (bytes > MESSAGE_BYTES_MAX).then(|| {
        "a message is held in memory as a whole, for every client that sends one; expected at most \
         256MiB"
            .to_string()
    })
}

/// A head that browsers' own exceed, or one that actix-http does not keep.
fn head_bytes(bytes: usize) -> Option<String> {
    let range = (1 << 10)..=(128 << 10);
    (!range.contains(&bytes)).then(|| {
        "expected 1KiB to 128KiB: browsers send about 1 KiB, and no more than 128 KiB of a head is \
         read"
            .to_string()
    })
}

/// Too little for one key of one client, which has a hundredth.
fn no_key(bytes: usize) -> Option<String> {
    const LEAST: usize = 64 << 10;
    (bytes < LEAST).then(|| "has no room for a client's key; expected at least 64KiB".to_string())
}

/// A time that is none.
fn unsynced(sync: SyncPolicy) -> Option<String> {
    match sync {
        SyncPolicy::Every(time) => {
            let least = "expected at least 10ms, or \"always\" for every write".to_string();
            (time < Duration::from_millis(10)).then_some(least)
        }
        SyncPolicy::Always | SyncPolicy::Never => None,
    }
}

/// Too little for a history beside what the files need themselves.
fn small_state(state: &State) -> Option<String> {
    const LEAST: usize = 80 << 20;
    let is_small = state.bytes.is_some_and(|bytes| bytes < LEAST);
    let what = "has no room for a history beside the 64 MiB that the files need; expected at least \
                80MiB";
    is_small.then(|| what.to_string())
}

/// A state that the disk holds late.
fn late_sync(state: &State) -> Option<String> {
    let lost = match state.sync {
        SyncPolicy::Every(time) if time > SYNC_LATE => {
            format!(
                "is {}: a crash of the machine loses as much",
                format_duration(time)
            )
        }
        SyncPolicy::Never => "is \"never\": a crash of the machine loses whatever the system has \
                              not written of its own accord"
            .to_string(),
        SyncPolicy::Every(_) | SyncPolicy::Always => return None,
    };
    let tail = "and every client of every channel begins anew";
    state
        .dir
        .as_ref()
        .map(|_| format!("state.sync {lost}, {tail}"))
}

/// A time of less than a millisecond.
fn no_time(time: Duration) -> Option<String> {
    (time < Duration::from_millis(1)).then(|| "expected a time above 0".to_string())
}

/// A ping interval that is no time, or longer than clients can count.
fn ping_interval(interval: Duration) -> Option<String> {
    let too_long = || "expected at most a day, which clients can count".to_string();
    no_time(interval).or_else(|| (interval > PING_INTERVAL_MAX).then(too_long))
}

/// Threads give signs of life twice a second, if the machine is not busy.
fn short_life(time: Duration) -> Option<String> {
    (time < Duration::from_secs(1)).then(|| "expected at least 1s".to_string())
}

fn too_many_workers(workers: usize) -> Option<String> {
    (workers > WORKERS_MAX).then(|| format!("expected at most {WORKERS_MAX}; one a core is right"))
}

fn deflate_level(level: u32) -> Option<String> {
    (!(1..=9).contains(&level)).then(|| "expected 1 (fast) to 9 (small)".to_string())
}

/// The setting at which [`late_pong`] is an error: the one of the two that was written.
fn longer_heartbeat(raw: &RawSettings) -> &'static str {
    match raw.origin("heartbeat.pong_timeout") {
        SettingOrigin::BuiltIn => "heartbeat.ping_interval",
        _ => "heartbeat.pong_timeout",
    }
}

/// A pong that may come after the next ping is due.
fn late_pong(raw: &RawSettings) -> Option<String> {
    let heartbeat = &raw.heartbeat;
    let is_known = ["heartbeat.ping_interval", "heartbeat.pong_timeout"]
        .iter()
        .all(|path| !raw.is_unreadable(path));
    (is_known && heartbeat.pong_timeout >= heartbeat.ping_interval).then(|| {
        format!(
            "the pong timeout ({}) must be shorter than the ping interval ({}), or a second ping \
             goes out before the first one is missed",
            format_duration(heartbeat.pong_timeout),
            format_duration(heartbeat.ping_interval)
        )
    })
}

/// Bounds of single clients that are no bounds in practice.
fn large_for_each(raw: &RawSettings) -> [Option<String>; 2] {
    let limits = &raw.limits;
    let recovery_bytes = limits.recovery_bytes.unwrap_or_default();
    [
        (
            "limits.outbox_bytes",
            limits.outbox_bytes,
            "client that reads nothing",
        ),
        (
            "limits.recovery_bytes",
            recovery_bytes,
            "client that comes back",
        ),
    ]
    .map(|(setting, bytes, each)| {
        (bytes > EACH_BYTES_ODD).then(|| {
            format!("{setting} is more than 256MiB, which each {each} may have kept in memory")
        })
    })
}

/// What is odd with numbers, but does not stop the server.
fn oddities(raw: &RawSettings) -> [Option<String>; 5] {
    let (limits, ping_interval) = (&raw.limits, raw.heartbeat.ping_interval);
    let when = |is_odd: bool, what: &str| is_odd.then(|| what.to_string());
    [
        late_sync(&raw.state),
        (ping_interval > PROXY_IDLE).then(|| {
            format!(
                "heartbeat.ping_interval is {}: nginx and most proxies cut connections that are \
                 idle for 60 s",
                format_duration(ping_interval)
            )
        }),
        when(
            limits.recovery_bytes() > limits.outbox_bytes,
            "limits.recovery_bytes is larger than limits.outbox_bytes: a recovery may run into the \
             bound of the outbox, and its client is closed instead of told",
        ),
        when(
            limits.messages_burst > 0 && limits.messages_per_second == 0,
            "limits.messages_burst is not used as long as limits.messages_per_second is 0",
        ),
        when(
            limits.outbox_bytes < limits.message_bytes,
            "limits.outbox_bytes is smaller than limits.message_bytes: a message of the largest \
             size only passes when nothing else waits",
        ),
    ]
}
