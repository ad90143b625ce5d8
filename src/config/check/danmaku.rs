//! What must hold for `page.danmaku`: whoever opens the console, and brings nothing, sees what is
//! written there and writes itself. A screen that stays empty is worse than none.

use super::rules::check_channel;
use crate::config::{
    channels::{Allow, Channels},
    errors::{Errors, SettingOrigin},
    raw_settings::RawSettings,
    sections::Page,
    settings::ClientSettings,
};

/// The page. The demonstration's channel is left out where variables or flags close it; one that
/// was written is an error then.
pub(super) fn check_page(
    raw: &RawSettings,
    channels: &Channels,
    client: &ClientSettings,
    errors: &mut Errors,
) -> Page {
    Page {
        danmaku: check_danmaku(raw, channels, client, errors),
        ..raw.page.clone()
    }
}

fn check_danmaku(
    raw: &RawSettings,
    channels: &Channels,
    client: &ClientSettings,
    errors: &mut Errors,
) -> Option<String> {
    let channel = raw.page.danmaku.as_ref()?;
    let fault = check_channel(channel, channels)
        .err()
        .or_else(|| closed_page(raw))
        .or_else(|| closed_node(raw, client))
        .or_else(|| closed_channel(raw, channels, channel));
    match fault {
        None => Some(channel.clone()),
        Some(_) if raw.origin("page.danmaku") == SettingOrigin::BuiltIn => None,
        Some(what) => {
            raw.refuse(errors, "page.danmaku", what);
            None
        }
    }
}

fn closed_page(raw: &RawSettings) -> Option<String> {
    let needed = [
        (raw.page.enabled, "page.enabled"),
        (raw.connection.enabled, "connection.enabled"),
    ];
    let lacking = needed.iter().find(|(is_enabled, _)| !is_enabled);
    lacking.map(|(_, setting)| format!("needs {setting} = true"))
}

/// The page has no token, so its visitors are nobody, or whoever the backend says.
fn closed_node(raw: &RawSettings, client: &ClientSettings) -> Option<String> {
    let is_open = client.anonymous || raw.has_hook("connect");
    (!is_open).then(|| {
        "the page's visitors bring no token: needs client.anonymous = true, or hooks.connect"
            .to_string()
    })
}

fn closed_channel(raw: &RawSettings, channels: &Channels, channel: &str) -> Option<String> {
    if channel.contains('#') {
        return Some(
            "is for the users named behind its #, and the page's visitors are nobody".into(),
        );
    }
    if !channels.configured {
        return Some(
            "needs [channels] or a [[namespace]] with allow.subscribe and allow.publish = \
             [\"anonymous\"]: without them clients of the protocol may do nothing"
                .to_string(),
        );
    }
    // Without a namespace that exists the name is an error already.
    let rules = channels.rules(channel)?;
    let by_backend = raw.has_hook("connect");
    let is_open = |allow: Allow, hook: &str| {
        allow.anonymous || (by_backend && allow.client) || (allow.hook && raw.has_hook(hook))
    };
    let publish = rules.allow_publish;
    let rights = [
        (
            "allow.subscribe",
            is_open(rules.allow_subscribe, "subscribe"),
        ),
        (
            "allow.publish",
            publish.subscriber || is_open(publish, "publish"),
        ),
    ];
    let closed = rights.iter().find(|(_, is_open)| !is_open);
    closed.map(|(name, _)| {
        let section = rules.section();
        format!("{name} of {section} does not let the page's visitors in; add \"anonymous\" to it")
    })
}
