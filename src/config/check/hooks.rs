//! What must hold for `[hooks]`. No fault repeats a URL, since there may be a password in it. Nothing is connected to.

use super::rules::check_url;
use crate::config::{
    backend::Hooks, errors::Errors, raw_settings::RawSettings, setting_type::check_header_name,
};

/// Headers that a hook's call sets itself.
const OWN_PREFIX: &str = "x-fanfare-";

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
