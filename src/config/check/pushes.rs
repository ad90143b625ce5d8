//! What must hold for each `[[push]]`; turns them as written into checked ones. Of a push's file it only asks whether there is one.

use super::{
    element::Element,
    rules::{EVERY_MIN, check_channel},
};
use crate::config::{
    channels::Channels,
    errors::{Errors, Warning},
    raw_settings::RawSettings,
    sections::PushSection,
    settings::Push,
};

pub(super) fn check_pushes(
    raw: &RawSettings,
    channels: &Channels,
    errors: &mut Errors,
    warnings: &mut Vec<Warning>,
) -> Vec<Push> {
    let mut pushes = Vec::new();
    for (index, table) in raw.push.iter().enumerate() {
        let element = Element {
            raw,
            table: "push",
            index,
        };
        let mut fault = |name: &str, what: &str| element.fault(errors, name, what);
        let PushSection {
            every,
            channel,
            data,
            only_changed,
            data_file,
        } = table.clone();
        match (&data, &data_file) {
            (Some(_), Some(_)) => fault("data_file", "stands beside data; expected one of the two"),
            (None, None) if !element.is_unreadable("data_file") => fault(
                "data",
                "is missing; expected the text to push, or data_file with a file that has it",
            ),
            (Some(data), _) if data.is_empty() => {
                fault("data", "is missing; expected the text to push");
            }
            (Some(data), _) if data.len() > raw.limits.outbox_bytes => {
                fault("data", "is larger than limits.outbox_bytes");
            }
            (_, Some(file)) if !file.is_file() => warnings.push(Warning(format!(
                "push.data_file: {} is no file now; nothing is pushed until it is one",
                file.display()
            ))),
            _ => {}
        }
        if every.is_zero() {
            fault(
                "every",
                "must be set; expected a time of at least 100ms, such as \"10s\"",
            );
        } else if every < EVERY_MIN {
            fault("every", "expected at least 100ms");
        }
        if let Some(Err(what)) = channel.as_deref().map(|name| check_channel(name, channels)) {
            fault("channel", &what);
        }
        pushes.push(Push {
            every,
            channel,
            data: data.unwrap_or_default(),
            file: data_file,
            only_changed,
        });
    }
    pushes
}
