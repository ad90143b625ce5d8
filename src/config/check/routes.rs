//! The paths of the built-in routes that the settings switch on, so that no raw endpoint takes one
//! of them. The routes themselves are made in `http`.

use crate::config::raw_settings::RawSettings;

/// In place of a section: the client's files cannot be switched off.
const CLIENT_FILES: &str = "";

/// What `admin.key` switches on.
const ADMIN: &str = "admin";

/// How a built-in route is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SwitchedOff {
    /// By `enabled = false` in this section.
    By(&'static str),
    /// By leaving `admin.key` out.
    WithoutKey,
    /// Not at all.
    Never,
}

/// Paths of the built-in routes, each with the section that can switch it off.
const PATHS: [(&str, &str); 16] = [
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
    ("/admin", ADMIN),
];

/// Prefixes of paths that belong to built-in routes, each with the section that can switch them
/// off.
const PREFIXES: [(&str, &str); 5] = [
    ("/static/", "page"),
    ("/static/", ADMIN),
    ("/connection/", "connection"),
    ("/api/", "api"),
    ("/admin/", ADMIN),
];

/// How the built-in route that serves a path is switched off, if one does.
pub(super) fn built_in_route(raw: &RawSettings, path: &str) -> Option<SwitchedOff> {
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
        ADMIN => raw.admin.key.is_some(),
        CLIENT_FILES => true,
        _ => raw.diag.enabled,
    };
    let exact = PATHS.iter().filter(|(taken, _)| *taken == path);
    let below = PREFIXES
        .iter()
        .filter(|(prefix, _)| path.starts_with(prefix));
    let mut routes = exact.chain(below).map(|(_, route)| *route);
    let route = routes.find(|route| enabled(route))?;
    Some(match route {
        CLIENT_FILES => SwitchedOff::Never,
        ADMIN => SwitchedOff::WithoutKey,
        section => SwitchedOff::By(section),
    })
}
