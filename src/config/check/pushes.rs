//! What must hold for each `[[push]]`; makes the checked ones. Of a push's file it only asks
//! whether there is one.

use super::{
    element::elements,
    rules::{check_channel, check_interval},
};
use crate::config::{
    channels::Channels,
    errors::{Errors, Warning},
    raw_settings::RawSettings,
    settings::PushSettings,
};

pub(super) fn check_pushes(
    raw: &RawSettings,
    channels: &Channels,
    errors: &mut Errors,
    warnings: &mut Vec<Warning>,
) -> Vec<PushSettings> {
    let mut pushes = Vec::new();
    for (place, section) in elements(raw, "push", &raw.push) {
        let mut refuse = |name: &str, what: &str| place.refuse(errors, name, what);
        match (&section.data, &section.data_file) {
            (Some(_), Some(_)) => {
                refuse("data_file", "stands beside data; expected one of the two");
            }
            (None, None) if !place.is_unreadable("data_file") => refuse(
                "data",
                "is missing; expected the text to push, or data_file with a file that has it",
            ),
            (Some(data), _) if data.is_empty() => {
                refuse("data", "is missing; expected the text to push");
            }
            (Some(data), _) if data.len() > raw.limits.outbox_bytes => {
                refuse("data", "is larger than limits.outbox_bytes");
            }
            (_, Some(file)) if !file.is_file() => warnings.push(Warning::of(format!(
                "push.data_file: {} is no file now; nothing is pushed until it is one",
                file.display()
            ))),
            _ => {}
        }
        if let Err(what) = check_interval(section.every, place.is_written("every")) {
            refuse("every", what);
        }
        if let Some(Err(what)) = section
            .channel
            .as_deref()
            .map(|name| check_channel(name, channels))
        {
            refuse("channel", &what);
        }
        pushes.push(PushSettings {
            every: section.every,
            channel: section.channel.clone(),
            data: section.data.clone().unwrap_or_default(),
            file: section.data_file.clone(),
            only_changed: section.only_changed,
        });
    }
    pushes
}
