//! Which paths the built-in routes have, so that no raw endpoint takes one of them. Knows only what the settings switch on.

use crate::config::raw_settings::RawSettings;

/// Paths of the built-in routes, with the table that can leave them out.
const PATHS: [(&str, &str); 12] = [
    ("/", "page"),
    ("/status", "status"),
    ("/status/sessions", "status"),
    ("/health", "health"),
    ("/ready", "ready"),
    ("/metrics", "metrics"),
    ("/diag", "diag"),
    ("/emulation", "connection"),
    ("/sse", "sse"),
    ("/poll", "longpoll"),
    ("/send", "send"),
    ("/api", "api"),
];

/// Prefixes of whose paths none is free.
const PREFIXES: [(&str, &str); 3] = [
    ("/static/", "page"),
    ("/connection/", "connection"),
    ("/api/", "api"),
];

/// The table of the built-in route that serves a path, if one does.
pub(super) fn built_in_route(raw: &RawSettings, path: &str) -> Option<&'static str> {
    let enabled = |route: &str| match route {
        "page" => raw.page.enabled,
        "status" => raw.status.enabled,
        "health" => raw.health.enabled,
        "ready" => raw.ready.enabled,
        "metrics" => raw.metrics.enabled,
        "connection" => raw.connection.enabled,
        "sse" => raw.sse.enabled,
        "longpoll" => raw.longpoll.enabled,
        "send" => raw.send.enabled,
        "api" => raw.api.enabled,
        _ => raw.diag.enabled,
    };
    let exact = PATHS.iter().filter(|(taken, _)| *taken == path);
    let below = PREFIXES
        .iter()
        .filter(|(prefix, _)| path.starts_with(prefix));
    exact
        .chain(below)
        .map(|(_, route)| *route)
        .find(|route| enabled(route))
}
