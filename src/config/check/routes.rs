//! The paths of the built-in routes that the settings switch on, so that no raw endpoint takes one
//! of them. The routes themselves are made in `http`.

use crate::config::raw_settings::RawSettings;

/// In place of a section: the client's files cannot be switched off.
const CLIENT_FILES: &str = "";

/// Paths of the built-in routes, each with the section that can switch it off.
const PATHS: [(&str, &str); 15] = [
    ("/fanfare.mjs", CLIENT_FILES),
    ("/fanfare.js", CLIENT_FILES),
    ("/fanfare-worker.js", CLIENT_FILES),
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

/// Prefixes of paths that belong to built-in routes, each with the section that can switch them
/// off.
const PREFIXES: [(&str, &str); 3] = [
    ("/static/", "page"),
    ("/connection/", "connection"),
    ("/api/", "api"),
];

/// The built-in route that serves a path, if one does, with the section that can switch it off, if
/// one can.
pub(super) fn built_in_route(raw: &RawSettings, path: &str) -> Option<Option<&'static str>> {
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
        CLIENT_FILES => true,
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
        .map(|route| (route != CLIENT_FILES).then_some(route))
}
