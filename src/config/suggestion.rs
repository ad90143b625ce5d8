//! What to say of a name that no setting has: the nearest name, if one is near.

/// What to say of a name that no setting has.
pub(super) fn unknown(name: &str, names: &[&str]) -> String {
    let inner = format!("{name}.");
    match names.iter().find(|known| known.starts_with(&inner)) {
        Some(known) => format!("expected settings below it, such as {known}"),
        None => format!("unknown setting{}", suggestion(name, names.iter().copied())),
    }
}

/// "; did you mean …" for the nearest name, if one is near.
pub(super) fn suggestion<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = names
        .filter(|known| !known.is_empty())
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((likeness, known)) if likeness > 0.85 => format!("; did you mean {known}?"),
        _ => "; `fanfare config` prints all there are".to_string(),
    }
}
