//! What must hold for `[channels]` and each `[[namespace]]`; makes the rules of channels, in which
//! a namespace has what it leaves out from `[channels]`. What is wrong with a rule that is
//! inherited is an error once, where it is written.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::element::{Element, elements};
use crate::{
    channel_name,
    config::{
        channels::{Allow, Channels, Namespace},
        errors::Errors,
        raw_settings::RawSettings,
        sections::NamespaceSection,
    },
};

pub(super) fn check_channels(raw: &RawSettings, errors: &mut Errors) -> Channels {
    let default = defaults(raw);
    let mut refuse = |name: &str, what: String| {
        let path = format!("channels.{name}");
        raw.refuse(errors, &path, what);
    };
    if !raw.is_unreadable("channels.history_size") {
        for (name, is_on) in needing_history(&default) {
            if is_on && default.history_size == 0 {
                refuse(name, "needs history_size above 0".to_string());
            }
        }
    }
    if default.history_ttl.is_zero() {
        refuse("history_ttl", "expected a time above 0".to_string());
    }
    let all = ["window", "window_bytes", "keep", "recovery", "delta"];
    check_window(&default, &all, &mut refuse);
    for (name, allow) in default.allow_lists() {
        check_allow(raw, name, allow, |what| refuse(name, what));
    }
    let mut namespaces = BTreeMap::new();
    for (place, section) in elements(raw, "namespace", &raw.namespace) {
        let rules = inherit(section, &default);
        check_namespace(section, &rules, place, errors);
        if namespaces.contains_key(&section.name) {
            let what = format!("{:?} is there twice", section.name);
            place.refuse(errors, "name", what);
        } else {
            namespaces.insert(section.name.clone(), Arc::new(rules));
        }
    }
    Channels {
        configured: raw.writes_channels(),
        default: Arc::new(default),
        namespaces,
    }
}

fn check_namespace(
    section: &NamespaceSection,
    rules: &Namespace,
    place: Element<'_>,
    errors: &mut Errors,
) {
    if let Err(what) = check_name(&section.name) {
        place.refuse(
            errors,
            "name",
            format!("{what}; expected letters, digits, -, _ and ., such as \"chat\" or \"聊天\""),
        );
    }
    let own = [
        section.recovery.is_some(),
        section.cache_recovery.is_some(),
        section.delta.is_some(),
    ];
    let is_unknown = place.is_unreadable("history_size")
        || (section.history_size.is_none() && place.raw.is_unreadable("channels.history_size"));
    for ((name, is_on), is_own) in needing_history(rules).into_iter().zip(own) {
        if !is_on || rules.history_size > 0 || is_unknown {
            continue;
        }
        if is_own {
            place.refuse(errors, name, "needs history_size above 0");
        } else if section.history_size.is_some() {
            let what = format!(
                "{name} is on in [channels] and needs history_size above 0; set {name} = false here"
            );
            place.refuse(errors, "history_size", what);
        }
    }
    if section.history_ttl.is_some_and(|ttl| ttl.is_zero()) {
        place.refuse(errors, "history_ttl", "expected a time above 0");
    }
    let written = [
        ("window", section.window.is_some()),
        ("window_bytes", section.window_bytes.is_some()),
        ("keep", section.keep.is_some()),
        ("recovery", section.recovery.is_some()),
        ("delta", section.delta.is_some()),
    ];
    let written = written.iter().filter(|(_, is_written)| *is_written);
    let written: Vec<&str> = written.map(|(name, _)| *name).collect();
    check_window(rules, &written, |name, what| {
        place.refuse(errors, name, what)
    });
    let written = [
        section.allow_subscribe,
        section.allow_publish,
        section.allow_history,
        section.allow_presence,
    ];
    for ((name, _), allow) in rules.allow_lists().into_iter().zip(written) {
        let refuse = |what| place.refuse(errors, name, what);
        check_allow(place.raw, name, allow.unwrap_or_default(), refuse);
    }
}

/// The rule for the name of a namespace: what may begin a channel's, up to its `:`. Of ASCII only
/// what needs no escape anywhere.
fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("must be set".to_string());
    }
    let in_names = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.chars().all(in_names) {
        return Err(format!("{name:?} is no name of a namespace"));
    }
    // Its channels have a colon and one more byte at least.
    channel_name::check(&format!("{name}:x"))
        .map_err(|why| format!("{name:?} begins no channel: {why}"))
}

/// The longest window: what waits longer is no news.
const WINDOW_MAX: Duration = Duration::from_secs(10);

/// The rules for windows. What is wrong is said of one of the settings that are `written` at this
/// place; where none of them is, it is said where they are.
fn check_window(rules: &Namespace, written: &[&str], mut refuse: impl FnMut(&str, String)) {
    let mut refuse = |names: &[&str], what: String| {
        if let Some(name) = names.iter().find(|name| written.contains(name)) {
            refuse(name, what);
        }
    };
    if rules.window > WINDOW_MAX {
        let what = "expected a time of at most 10s, such as \"50ms\"";
        refuse(&["window"], what.to_string());
    }
    if rules.window_bytes == 0 {
        let what = "expected a size above 0, such as \"64KiB\"";
        refuse(&["window_bytes"], what.to_string());
    }
    if !rules.conflates() {
        return;
    }
    if rules.window.is_zero() {
        let what = "without a window nothing waits, so keep = \"newest\" needs window above 0, \
                    such as \"50ms\"; keep = \"all\" is the default";
        refuse(&["keep", "window"], what.to_string());
    }
    for (name, is_on) in [("recovery", rules.recovery), ("delta", rules.delta)] {
        if is_on {
            let what = format!(
                "where only the newest publications are kept (keep), others are missing, and {name} \
                 needs all of them: set {name} = false or keep = \"all\""
            );
            refuse(&["keep", name], what);
        }
    }
}

/// The rule for who may: whoever is to be asked, or to be trusted, must be set.
fn check_allow(raw: &RawSettings, name: &str, allow: Allow, mut refuse: impl FnMut(String)) {
    let hook = match name {
        "allow.publish" => "publish",
        // The answer of the subscribe hook says what else it allows a client.
        _ => "subscribe",
    };
    if allow.hook && !raw.has_hook(hook) {
        refuse(format!(
            "\"hook\" needs hooks.{hook}.url, which is to be asked"
        ));
    }
    if allow.token && !raw.has_token_keys() {
        refuse(
            "\"token\" needs a key to check tokens with: token.hmac_secret, token.public_keys or \
             token.jwks_url"
                .to_string(),
        );
    }
}

/// Settings that do nothing without a history, and whether each is on.
fn needing_history(rules: &Namespace) -> [(&'static str, bool); 3] {
    [
        ("recovery", rules.recovery),
        ("cache_recovery", rules.cache_recovery),
        ("delta", rules.delta),
    ]
}

/// The rules of `[channels]`.
fn defaults(raw: &RawSettings) -> Namespace {
    let section = &raw.channels;
    Namespace {
        name: String::new(),
        history_size: section.history_size,
        history_ttl: section.history_ttl,
        recovery: section.recovery,
        cache_recovery: section.cache_recovery,
        presence: section.presence,
        join_leave: section.join_leave,
        force_push_join_leave: section.force_push_join_leave,
        delta: section.delta,
        slow_policy: section.slow_policy,
        window: section.window,
        window_bytes: section.window_bytes,
        keep: section.keep.clone(),
        allow_subscribe: section.allow_subscribe,
        allow_publish: section.allow_publish,
        allow_history: section.allow_history,
        allow_presence: section.allow_presence,
    }
}

/// The rules of a `[[namespace]]`.
fn inherit(section: &NamespaceSection, default: &Namespace) -> Namespace {
    Namespace {
        name: section.name.clone(),
        history_size: section.history_size.unwrap_or(default.history_size),
        history_ttl: section.history_ttl.unwrap_or(default.history_ttl),
        recovery: section.recovery.unwrap_or(default.recovery),
        cache_recovery: section.cache_recovery.unwrap_or(default.cache_recovery),
        presence: section.presence.unwrap_or(default.presence),
        join_leave: section.join_leave.unwrap_or(default.join_leave),
        force_push_join_leave: section
            .force_push_join_leave
            .unwrap_or(default.force_push_join_leave),
        delta: section.delta.unwrap_or(default.delta),
        slow_policy: section.slow_policy.or(default.slow_policy),
        window: section.window.unwrap_or(default.window),
        window_bytes: section.window_bytes.unwrap_or(default.window_bytes),
        keep: section.keep.as_ref().unwrap_or(&default.keep).clone(),
        allow_subscribe: section.allow_subscribe.unwrap_or(default.allow_subscribe),
        allow_publish: section.allow_publish.unwrap_or(default.allow_publish),
        allow_history: section.allow_history.unwrap_or(default.allow_history),
        allow_presence: section.allow_presence.unwrap_or(default.allow_presence),
    }
}
