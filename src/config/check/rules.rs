//! Rules for single values that several sections have: URLs, origins, channels, intervals.

use std::time::Duration;

use crate::{channel_name, config::channels::Channels};

/// Shortest interval of pushes and polls; more often would be a load test.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// The rule for the interval of a push or a poll, which has no default.
pub(super) fn check_interval(every: Duration, is_written: bool) -> Result<(), &'static str> {
    if every.is_zero() && !is_written {
        Err("must be set; expected a time of at least 100ms, such as \"10s\"")
    } else if every < INTERVAL_MIN {
        Err("expected at least 100ms")
    } else {
        Ok(())
    }
}

/// The rule for URLs that fanfare itself calls.
pub(super) fn check_url(url: &str) -> Result<(), &'static str> {
    let fits = reqwest::Url::parse(url)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if fits {
        Ok(())
    } else {
        Err("expected a URL with http or https, such as \"http://127.0.0.1:3000/fanfare\"")
    }
}

/// The rule for channels that the server itself uses: a valid name in a namespace that exists.
pub(super) fn check_channel(name: &str, channels: &Channels) -> Result<(), String> {
    channel_name::check(name).map_err(|why| format!("{name:?}: {why}"))?;
    if channels.configured && channels.rules(name).is_none() {
        let (namespace, _) = name.split_once(':').unwrap_or_default();
        return Err(format!(
            "{name:?}: there is no [[namespace]] with name = {namespace:?}"
        ));
    }
    Ok(())
}

/// The rule for allowed origins. `null` is what browsers send for sandboxed frames and some for
/// files, `file://` what others send for files.
pub(super) fn check_origin(origin: &str) -> Result<(), String> {
    let fits = ["*", "null", "file://"].contains(&origin)
        || origin.split_once("://").is_some_and(|(scheme, host)| {
            let host = host.strip_prefix("*.").unwrap_or(host);
            !scheme.is_empty() && !host.is_empty() && !host.contains(['/', '*'])
        });
    if fits {
        Ok(())
    } else {
        Err(format!(
            "{origin:?} is no origin; expected scheme://host or scheme://host:port without a path, \
             such as \"https://www.example.com\", or \"https://*.example.com\" for all names below \
             example.com, or \"null\", \"file://\" or \"*\""
        ))
    }
}
