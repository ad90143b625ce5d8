//! What must hold for `[hooks]` and each `[[poll]]`, which both name URLs of the backend. No fault repeats a URL, since there
//! may be a password in it. Nothing is connected to.

use super::{
    super::{
        channels::{Channels, Hooks, Poll},
        load::Errors,
        raw_settings::RawSettings,
        setting_type::check_header_name,
        values::Secret,
    },
    elements::{EVERY_MIN, Element, check_channel},
};

/// Headers that a hook's call sets itself.
const OWN_PREFIX: &str = "x-fanfare-";

/// Whether a hook is set. One that could not be read counts, since that was told already.
pub(super) fn has_hook(raw: &RawSettings, name: &str) -> bool {
    let hooks = &raw.hooks;
    let url = match name {
        "connect" => &hooks.connect_url,
        "subscribe" => &hooks.subscribe_url,
        "publish" => &hooks.publish_url,
        _ => &hooks.message_url,
    };
    url.is_some() || raw.is_unreadable(&format!("hooks.{name}.url"))
}

/// The rule for URLs that fanfare itself calls.
pub(super) fn check_url(url: &str) -> Result<(), String> {
    let fits = reqwest::Url::parse(url)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if fits {
        Ok(())
    } else {
        Err(
            "expected a URL with http or https, such as \"http://127.0.0.1:3000/fanfare\""
                .to_string(),
        )
    }
}

pub(super) fn check_hooks(raw: &RawSettings, errors: &mut Errors) -> Hooks {
    let mut fault = |path: &str, what: String| {
        if !raw.is_unreadable(path) {
            errors.add(&raw.origin(path), path, what);
        }
    };
    let hooks = raw.hooks.checked();
    for (name, hook) in hooks.set() {
        if let Err(what) = check_url(&hook.url) {
            fault(&format!("hooks.{name}.url"), what);
        }
        if hook.timeout.is_zero() {
            fault(
                &format!("hooks.{name}.timeout"),
                "expected a time above 0".to_string(),
            );
        }
    }
    let table = &raw.hooks;
    let timeouts = [
        ("connect", &table.connect_url, table.connect_timeout),
        ("refresh", &table.refresh_url, table.refresh_timeout),
        ("subscribe", &table.subscribe_url, table.subscribe_timeout),
        (
            "sub_refresh",
            &table.sub_refresh_url,
            table.sub_refresh_timeout,
        ),
        ("publish", &table.publish_url, table.publish_timeout),
        ("rpc", &table.rpc_url, table.rpc_timeout),
        ("message", &table.message_url, table.message_timeout),
        ("events", &table.events_url, table.events_timeout),
    ];
    for (name, url, timeout) in timeouts {
        let url_path = format!("hooks.{name}.url");
        if timeout.is_some() && url.is_none() && !raw.is_unreadable(&url_path) {
            fault(
                &format!("hooks.{name}.timeout"),
                format!("needs {url_path} beside it"),
            );
        }
    }
    for name in &hooks.headers {
        if let Err(what) = check_header_name(name) {
            fault("hooks.headers", what);
        } else if name.starts_with(OWN_PREFIX) || name == "content-type" {
            fault(
                "hooks.headers",
                format!("{name} is set by the call itself and cannot be passed on"),
            );
        }
    }
    let counts = [
        ("hooks.concurrency", hooks.concurrency),
        ("hooks.events_queue", hooks.events_queue),
        ("hooks.events_batch", hooks.events_batch),
    ];
    for (path, value) in counts {
        if value == 0 {
            fault(path, "0 would call nobody; expected at least 1".to_string());
        }
    }
    hooks
}

pub(super) fn check_polls(
    raw: &RawSettings,
    channels: &Channels,
    errors: &mut Errors,
) -> Vec<Poll> {
    let mut polls = Vec::new();
    for (index, table) in raw.poll.iter().enumerate() {
        let element = Element {
            raw,
            table: "poll",
            index,
        };
        let mut fault = |name: &str, what: &str| element.fault(errors, name, what);
        if let Err(what) = check_url(&table.url) {
            fault("url", &what);
        }
        if table.every.is_zero() {
            fault(
                "every",
                "must be set; expected a time of at least 100ms, such as \"10s\"",
            );
        } else if table.every < EVERY_MIN {
            fault("every", "expected at least 100ms");
        }
        if table.channel.is_empty() {
            fault(
                "channel",
                "must be set; expected where answers are published",
            );
        } else if let Err(what) = check_channel(&table.channel, channels) {
            fault("channel", &what);
        }
        if table.timeout.is_zero() {
            fault("timeout", "expected a time above 0");
        }
        let header = |(name, value): &(String, Secret)| (name.clone(), value.expose().to_string());
        polls.push(Poll {
            url: table.url.clone(),
            every: table.every,
            channel: table.channel.clone(),
            headers: table.headers.iter().map(header).collect(),
            timeout: table.timeout,
            publish_failures: table.publish_failures,
        });
    }
    polls
}
