//! What must hold for `[channels]` and each `[[namespace]]`; makes the rules of channels, in which a namespace has what it
//! leaves out from `[channels]`. What is inherited is told once, where it is written.

use std::{collections::BTreeMap, sync::Arc};

use super::element::Element;
use crate::config::{
    channels::{Allow, Channels, Namespace},
    errors::Errors,
    raw_settings::RawSettings,
    sections::NamespaceSection,
};

pub(super) fn check_channels(raw: &RawSettings, errors: &mut Errors) -> Channels {
    let default = defaults(raw);
    let mut fault = |name: &str, what: String| {
        let path = format!("channels.{name}");
        if !raw.is_unreadable(&path) {
            errors.add(&raw.origin(&path), &path, what);
        }
    };
    if !raw.is_unreadable("channels.history_size") {
        for (name, is_on) in needing_history(&default) {
            if is_on && default.history_size == 0 {
                fault(name, "needs history_size above 0".to_string());
            }
        }
    }
    if default.history_ttl.is_zero() {
        fault("history_ttl", "expected a time above 0".to_string());
    }
    for (name, allow) in default.allow_lists() {
        check_allow(raw, name, allow, |what| fault(name, what));
    }
    let mut namespaces = BTreeMap::new();
    for (index, table) in raw.namespace.iter().enumerate() {
        let element = Element {
            raw,
            table: "namespace",
            index,
        };
        let rules = inherit(table, &default);
        check_namespace(table, &rules, element, errors);
        if namespaces.contains_key(&table.name) {
            let what = format!("{:?} is there twice", table.name);
            element.fault(errors, "name", what);
        } else {
            namespaces.insert(table.name.clone(), Arc::new(rules));
        }
    }
    Channels {
        configured: raw.writes_channels(),
        default: Arc::new(default),
        namespaces,
    }
}

fn check_namespace(
    table: &NamespaceSection,
    rules: &Namespace,
    element: Element<'_>,
    errors: &mut Errors,
) {
    let in_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if table.name.is_empty() || !table.name.bytes().all(in_names) {
        let what = if table.name.is_empty() {
            "must be set".to_string()
        } else {
            format!("{:?} is no name of a namespace", table.name)
        };
        element.fault(
            errors,
            "name",
            format!("{what}; expected letters, digits, -, _ and ., such as \"chat\""),
        );
    }
    let own = [
        table.recovery.is_some(),
        table.cache_recovery.is_some(),
        table.delta.is_some(),
    ];
    let is_unknown = element.is_unreadable("history_size")
        || (table.history_size.is_none() && element.raw.is_unreadable("channels.history_size"));
    for ((name, is_on), is_own) in needing_history(rules).into_iter().zip(own) {
        if !is_on || rules.history_size > 0 || is_unknown {
            continue;
        }
        if is_own {
            element.fault(errors, name, "needs history_size above 0");
        } else if table.history_size.is_some() {
            let what = format!(
                "{name} is on in [channels] and needs history_size above 0; set {name} = false here"
            );
            element.fault(errors, "history_size", what);
        }
    }
    if table.history_ttl.is_some_and(|ttl| ttl.is_zero()) {
        element.fault(errors, "history_ttl", "expected a time above 0");
    }
    let written = [
        table.allow_subscribe,
        table.allow_publish,
        table.allow_history,
        table.allow_presence,
    ];
    for ((name, _), allow) in rules.allow_lists().into_iter().zip(written) {
        let fault = |what| element.fault(errors, name, what);
        check_allow(element.raw, name, allow.unwrap_or_default(), fault);
    }
}

fn check_allow(raw: &RawSettings, name: &str, allow: Allow, mut fault: impl FnMut(String)) {
    let hook = match name {
        "allow.publish" => "publish",
        // What else it lets a client do, the answer of the subscribe hook says.
        _ => "subscribe",
    };
    if allow.hook && !raw.has_hook(hook) {
        fault(format!(
            "\"hook\" needs hooks.{hook}.url, which is to be asked"
        ));
    }
    if allow.token && !raw.has_keys() {
        fault(
            "\"token\" needs a key to check tokens with: token.hmac_secret, token.public_keys or token.jwks_url"
                .to_string(),
        );
    }
}

fn needing_history(rules: &Namespace) -> [(&'static str, bool); 3] {
    [
        ("recovery", rules.recovery),
        ("cache_recovery", rules.cache_recovery),
        ("delta", rules.delta),
    ]
}

fn defaults(raw: &RawSettings) -> Namespace {
    let table = &raw.channels;
    Namespace {
        name: String::new(),
        history_size: table.history_size,
        history_ttl: table.history_ttl,
        recovery: table.recovery,
        cache_recovery: table.cache_recovery,
        presence: table.presence,
        join_leave: table.join_leave,
        delta: table.delta,
        slow_policy: table.slow_policy,
        allow_subscribe: table.allow_subscribe,
        allow_publish: table.allow_publish,
        allow_history: table.allow_history,
        allow_presence: table.allow_presence,
    }
}

fn inherit(table: &NamespaceSection, default: &Namespace) -> Namespace {
    Namespace {
        name: table.name.clone(),
        history_size: table.history_size.unwrap_or(default.history_size),
        history_ttl: table.history_ttl.unwrap_or(default.history_ttl),
        recovery: table.recovery.unwrap_or(default.recovery),
        cache_recovery: table.cache_recovery.unwrap_or(default.cache_recovery),
        presence: table.presence.unwrap_or(default.presence),
        join_leave: table.join_leave.unwrap_or(default.join_leave),
        delta: table.delta.unwrap_or(default.delta),
        slow_policy: table.slow_policy.or(default.slow_policy),
        allow_subscribe: table.allow_subscribe.unwrap_or(default.allow_subscribe),
        allow_publish: table.allow_publish.unwrap_or(default.allow_publish),
        allow_history: table.allow_history.unwrap_or(default.allow_history),
        allow_presence: table.allow_presence.unwrap_or(default.allow_presence),
    }
}
