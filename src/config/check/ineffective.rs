//! Warnings about settings that are valid but will not do what they seem to: something beside them
//! was forgotten, or nothing uses them. Each names the setting that ends it, also where it is
//! meant.

use std::{sync::Arc, time::Duration};

use humantime::format_duration;

use super::{element::elements, listen};
use crate::config::{
    channels::{Channels, Namespace},
    errors::{SettingOrigin, Warning},
    raw_settings::RawSettings,
    settings::RawEndpoint,
    values::{Listen, OnMessage},
};

/// After SIGTERM most supervisors kill a process that is still there: systemd after 90 s,
/// Kubernetes after 30 s, docker after 10 s, unless they are told otherwise.
const SUPERVISOR_PATIENCE: Duration = Duration::from_secs(90);

/// What is filled in the text of a push.
const PUSH_PLACEHOLDERS: [&str; 3] = ["time", "sessions", "seq"];

/// Adds a warning for everything that will not work. The settings are a file's, not the
/// demonstration's.
pub(super) fn warn_of_ineffective(
    raw: &RawSettings,
    channels: &Channels,
    endpoints: &[RawEndpoint],
    warnings: &mut Vec<Warning>,
) {
    let mut texts = Vec::new();
    if channels.configured {
        texts.extend(closed_to_all(raw, channels));
        texts.extend(unkept(raw, channels));
        texts.extend(untold_joins(raw, channels));
        texts.extend(no_raw_endpoint(raw));
    }
    texts.extend(token_for_raw(raw, endpoints));
    texts.extend(unused_tls(raw));
    texts.extend(unused_beside(raw));
    texts.extend(no_page(raw));
    texts.extend(unasked_hooks(raw, channels, endpoints));
    texts.extend(placeholders(raw));
    texts.extend(long_drain(raw));
    warnings.extend(texts.into_iter().map(Warning::of));
}

/// Rights that no namespace gives to anyone, where that is written nowhere.
fn closed_to_all(raw: &RawSettings, channels: &Channels) -> Vec<String> {
    let rights = [
        (
            0,
            "clients get only the channels that a token, the backend or a raw endpoint gives them, \
             and who asks for another is refused",
        ),
        (1, "clients cannot publish, only the API and the server can"),
    ];
    let mut texts = Vec::new();
    for (index, what) in rights {
        let name = channels.default.allow_lists()[index].0;
        let is_closed = channels
            .all()
            .all(|rules| rules.allow_lists()[index].1.is_empty());
        if is_closed && !is_written(raw, name) {
            texts.push(format!(
                "{name} is written nowhere: {what}; {name} = [] in [channels] says that it is meant"
            ));
        }
    }
    texts
}

/// Whether a rule of channels is written anywhere, be it empty.
fn is_written(raw: &RawSettings, name: &str) -> bool {
    let path = format!("channels.{name}");
    let mut places = elements(raw, "namespace", &raw.namespace);
    raw.origin(&path) != SettingOrigin::BuiltIn || places.any(|(place, _)| place.is_written(name))
}

/// Rights to read what is not kept, in namespaces that write them, and in `[channels]` where no
/// namespace keeps it either.
fn unkept(raw: &RawSettings, channels: &Channels) -> Vec<String> {
    let kinds = [
        ("allow.history", "history_size is 0", 2),
        ("allow.presence", "presence is false", 3),
    ];
    let is_kept = |rules: &Namespace, name: &str| match name {
        "allow.history" => rules.history_size > 0,
        _ => rules.presence,
    };
    let mut texts = Vec::new();
    for (name, lacking, index) in kinds {
        let is_void = |rules: &&Arc<Namespace>| {
            !rules.allow_lists()[index].1.is_empty() && !is_kept(rules, name)
        };
        let is_kept_anywhere = channels.all().any(|rules| is_kept(rules, name));
        for rules in channels.all().filter(is_void) {
            let mut places = elements(raw, "namespace", &raw.namespace);
            let is_own =
                places.any(|(place, section)| section.name == rules.name && place.is_written(name));
            let is_default = rules.name.is_empty();
            if is_own || (is_default && !is_kept_anywhere) {
                let place = rules.section();
                texts.push(format!(
                    "{name} of {place} names someone, and {lacking} there: asking is answered \
                     with 108 (not available)"
                ));
            }
        }
    }
    texts
}

/// Joins and leaves that everyone is to be told of, where none are told.
fn untold_joins(raw: &RawSettings, channels: &Channels) -> Vec<String> {
    let name = "force_push_join_leave";
    let are_told_anywhere = channels.all().any(|rules| rules.join_leave);
    let is_void = |rules: &&Arc<Namespace>| {
        let mut places = elements(raw, "namespace", &raw.namespace);
        let is_own =
            places.any(|(place, section)| section.name == rules.name && place.is_written(name));
        rules.force_push_join_leave
            && !rules.join_leave
            && (is_own || (rules.name.is_empty() && !are_told_anywhere))
    };
    let text = |rules: &Arc<Namespace>| {
        let place = rules.section();
        format!(
            "{name} of {place} is true, and join_leave is false there: nobody is told of joins \
             and leaves, unless a token or the backend turns join_leave on"
        )
    };
    channels.all().filter(is_void).map(text).collect()
}

/// Rules of channels without an endpoint for plain clients.
fn no_raw_endpoint(raw: &RawSettings) -> Option<String> {
    let is_forgotten = raw.raw.is_empty() && raw.origin("raw") == SettingOrigin::BuiltIn;
    (is_forgotten && raw.connection.enabled).then(|| {
        "no [[raw]] is written: plain WebSocket clients have no endpoint (/ws is only the \
         demonstration's), those of the client protocol have /connection/websocket; raw = [] at \
         the top of the file says that it is meant"
            .to_string()
    })
}

/// Endpoints that have become closed to whoever brings no token, since keys for tokens are set.
fn token_for_raw(raw: &RawSettings, endpoints: &[RawEndpoint]) -> Option<String> {
    if raw.client.anonymous.is_some() || !raw.has_token_keys() {
        return None;
    }
    let closed = endpoints.iter().filter(|endpoint| !endpoint.connect_hook);
    let paths: Vec<&str> = closed.map(|endpoint| endpoint.path.as_str()).collect();
    (!paths.is_empty()).then(|| {
        format!(
            "a key for tokens is set, so that client.anonymous is false and {} takes only clients \
             that bring a token; write client.anonymous = true to let in the others too, or false \
             to say that it is meant",
            paths.join(", ")
        )
    })
}

/// Files for TLS that no listener uses.
fn unused_tls(raw: &RawSettings) -> Option<String> {
    let is_used = listen::entries(raw).any(|(_, listen)| matches!(listen, Listen::Tls(_)));
    (raw.tls.cert.is_some() && !is_used).then(|| {
        "tls.cert is set and listen has no tls: address: nothing is served with TLS; write for \
         example listen = [\"tls:0.0.0.0:443\"]"
            .to_string()
    })
}

/// Settings that do nothing without another one.
fn unused_beside(raw: &RawSettings) -> Vec<String> {
    let has_proxies = !raw.root.trusted_proxies.is_empty() || raw.is_unreadable("trusted_proxies");
    let has_keys = raw.has_token_keys();
    let pairs = [
        (
            raw.root.address_header.is_some() && !has_proxies,
            "address_header is set and trusted_proxies names nobody: the header is never read",
        ),
        (
            raw.token.audience.is_some() && !has_keys,
            "token.audience is set and no key for tokens is: no token is read",
        ),
        (
            raw.token.issuer.is_some() && !has_keys,
            "token.issuer is set and no key for tokens is: no token is read",
        ),
        (
            raw.admin.listen.is_some()
                && raw.admin.key.is_none()
                && !raw.is_unreadable("admin.key"),
            "admin.listen is set and admin.key is not: there is no /admin on it either",
        ),
    ];
    let idle = pairs.iter().filter(|(is_idle, _)| *is_idle);
    idle.map(|(_, text)| (*text).to_string()).collect()
}

/// Lists of origins that let no page in.
fn no_page(raw: &RawSettings) -> Vec<String> {
    let is_empty = |origins: &Option<Vec<String>>| origins.as_ref().is_some_and(Vec::is_empty);
    let mut texts = Vec::new();
    if is_empty(&raw.client.origins) {
        texts.push(
            "client.origins is []: no web page may connect, those of this host neither; without \
             the setting those of this host may"
                .to_string(),
        );
    }
    let closed = raw
        .raw
        .iter()
        .filter(|endpoint| is_empty(&endpoint.origins));
    texts.extend(closed.map(|endpoint| {
        let path = &endpoint.path;
        format!("raw.origins of {path} is []: no web page may connect; without it all may")
    }));
    texts
}

/// Hooks that are set and never asked.
fn unasked_hooks(raw: &RawSettings, channels: &Channels, endpoints: &[RawEndpoint]) -> Vec<String> {
    let asks = |index: usize| {
        let mut all = channels.all();
        all.any(|rules| rules.allow_lists()[index].1.hook)
    };
    let relays_to_hook =
        |endpoint: &RawEndpoint| matches!(endpoint.on_message, OnMessage::Hook { .. });
    let needs = [
        (
            "subscribe",
            asks(0) || asks(2) || asks(3),
            "no allow.subscribe has \"hook\"",
        ),
        ("publish", asks(1), "no allow.publish has \"hook\""),
        (
            "message",
            endpoints.iter().any(relays_to_hook),
            "no [[raw]] has on_message = \"hook\"",
        ),
        (
            "refresh",
            raw.has_hook("connect"),
            "only sessions that hooks.connect made are renewed by it, which is not set",
        ),
        (
            "sub_refresh",
            raw.has_hook("subscribe"),
            "only subscriptions that hooks.subscribe made are renewed by it, which is not set",
        ),
    ];
    let unasked = needs
        .iter()
        .filter(|(name, is_asked, _)| raw.has_hook(name) && !is_asked);
    unasked
        .map(|(name, _, why)| format!("hooks.{name}.url is set and never asked: {why}"))
        .collect()
}

/// Names in braces that nothing fills in.
fn placeholders(raw: &RawSettings) -> Vec<String> {
    let pushes = raw.push.iter().filter_map(|push| push.data.as_deref());
    let pushes = pushes.map(|text| ("push.data", text, &PUSH_PLACEHOLDERS[..]));
    let replies = raw.raw.iter().filter_map(|raw| raw.reply.as_deref());
    let replies = replies.map(|text| ("raw.reply", text, &["message"][..]));
    let mut texts = Vec::new();
    for (setting, text, known) in pushes.chain(replies) {
        for name in names_in_braces(text).filter(|name| !known.contains(name)) {
            texts.push(format!(
                "{setting}: {{{name}}} is sent as it stands; {{{}}} is filled in",
                known.join("}, {")
            ));
        }
    }
    texts
}

/// The words in braces of a text, such as `time` of `{time}`; JSON has none.
fn names_in_braces(text: &str) -> impl Iterator<Item = &str> {
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.split('{').skip(1).filter_map(move |rest| {
        let (name, _) = rest.split_once('}')?;
        let starts = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        (starts && name.bytes().all(in_name)).then_some(name)
    })
}

/// A drain that is longer than who ends the process waits.
fn long_drain(raw: &RawSettings) -> Option<String> {
    let drain = raw.drain.notice + raw.drain.spread;
    (drain > SUPERVISOR_PATIENCE).then(|| {
        format!(
            "drain.notice and drain.spread are {} together: systemd kills after 90 s, Kubernetes \
             after 30 s and docker after 10 s, unless they are told otherwise",
            format_duration(drain)
        )
    })
}
