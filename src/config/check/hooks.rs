//! What must hold for `[hooks]`. No error repeats a URL, since there may be a password in it.
//! Connects to nothing.

use super::rules::check_url;
use crate::config::{
    backend::Hooks, errors::Errors, raw_settings::RawSettings, setting_type::check_header_name,
};

/// Headers that a hook's call sets itself begin with this.
const OWN_PREFIX: &str = "x-fanfare-";

pub(super) fn check_hooks(raw: &RawSettings, errors: &mut Errors) -> Hooks {
    let hooks = raw.hooks.checked();
    check_calls(raw, &hooks, errors);
    check_logged_headers(raw, errors);
    for name in &hooks.headers {
        if let Err(what) = check_passed_header(name) {
            raw.refuse(errors, "hooks.headers", what);
        }
    }
    let counts = [
        ("hooks.concurrency", hooks.concurrency),
        ("hooks.events_queue", hooks.events_queue),
        ("hooks.events_batch", hooks.events_batch),
    ];
    for (path, count) in counts {
        if count == 0 {
            raw.refuse(errors, path, "0 would call nobody; expected at least 1");
        }
    }
    hooks
}

/// URLs and timeouts: of the hooks that are set, and then of those that only have a timeout.
fn check_calls(raw: &RawSettings, hooks: &Hooks, errors: &mut Errors) {
    for (name, hook) in hooks.configured() {
        if let Err(what) = check_url(&hook.url) {
            raw.refuse(errors, &format!("hooks.{name}.url"), what);
        }
        if hook.timeout.is_zero() {
            let path = format!("hooks.{name}.timeout");
            raw.refuse(errors, &path, "expected a time above 0");
        }
    }
    for hook in raw.hooks.calls() {
        let url_path = format!("hooks.{}.url", hook.name);
        if hook.timeout.is_some() && hook.url.is_none() && !raw.is_unreadable(&url_path) {
            let path = format!("hooks.{}.timeout", hook.name);
            raw.refuse(errors, &path, format!("needs {url_path} beside it"));
        }
    }
}

/// The rule for a header of the client's request that is passed on.
fn check_passed_header(name: &str) -> Result<(), String> {
    check_header_name(name)?;
    if name.starts_with(OWN_PREFIX) || name == "content-type" {
        return Err(format!(
            "{name} is set by the call itself and cannot be passed on"
        ));
    }
    Ok(())
}

/// Headers that the log shows: names, and none that carries a secret.
fn check_logged_headers(raw: &RawSettings, errors: &mut Errors) {
    const SECRET: [&str; 5] = [
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "sec-websocket-protocol",
    ];
    for name in &raw.log.headers {
        if let Err(what) = check_header_name(name) {
            raw.refuse(errors, "log.headers", what);
        } else if SECRET
            .iter()
            .any(|secret| name.eq_ignore_ascii_case(secret))
        {
            let what = format!("{name} may carry a secret, which would stand in the log");
            raw.refuse(errors, "log.headers", what);
        }
    }
}
