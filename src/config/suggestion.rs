//! What is said of an unknown name: the nearest name that a setting has, if one is near.

/// Likeness (Jaro-Winkler, 0 to 1) above which a name counts as meant.
const NEAR: f64 = 0.85;

/// What stands at the top of Centrifugo's settings, and has another name here.
const OF_CENTRIFUGO: [&str; 14] = [
    "http_server",
    "http_api",
    "grpc_api",
    "channel",
    "websocket",
    "http_stream",
    "uni_websocket",
    "uni_http_stream",
    "uni_sse",
    "rpc",
    "engine",
    "broker",
    "prometheus",
    "consumers",
];

/// The error for a name in the file that no setting among `names` has.
pub(super) fn unknown(name: &str, names: &[&str]) -> String {
    let inner = format!("{name}.");
    if let Some(known) = names.iter().find(|known| known.starts_with(&inner)) {
        return format!("expected settings below it, such as {known}");
    }
    let last = format!(".{name}");
    let mut ending = names.iter().filter(|known| known.ends_with(&last));
    if OF_CENTRIFUGO.contains(&name) {
        return "a setting of Centrifugo; docs/centrifugo.md says how it is written here"
            .to_string();
    }
    match (ending.next(), ending.next()) {
        (Some(first), Some(_)) => {
            format!("unknown setting; each has its own, <name>.{name}, such as {first}")
        }
        _ => format!("unknown setting{}", suggestion(name, names.iter().copied())),
    }
}

/// The end of such an error: the nearest of `names`, or where to find them all.
pub(super) fn suggestion<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = names
        .filter(|known| !known.is_empty())
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((likeness, known)) if likeness > NEAR => format!("; did you mean {known}?"),
        _ => "; `fanfare config` prints all there are".to_string(),
    }
}
