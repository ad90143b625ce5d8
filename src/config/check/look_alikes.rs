//! Warnings about names of channels and namespaces that look as if they had parts and have none:
//! an input method writes `：`, `＃` and `，` where `:`, `#` and `,` are meant. They are names all
//! the same. Made from the checked settings.

use crate::{
    channel_name::look_alike,
    config::{errors::Warning, settings::Settings},
};

/// Adds a warning for each such name.
pub(super) fn warn_of_look_alikes(settings: &Settings, warnings: &mut Vec<Warning>) {
    let namespaces = settings.channels.namespaces.keys();
    let namespaces = namespaces.map(|name| ("namespace.name", name));
    let raw = settings.raw.iter().flat_map(|raw| &raw.channels);
    let raw = raw.map(|name| ("raw.channels", name));
    let default = settings.raw.iter().flat_map(|raw| &raw.default_channels);
    let raw = raw.chain(default.map(|name| ("raw.default_channels", name)));
    let pushes = settings
        .push
        .iter()
        .filter_map(|push| push.channel.as_ref());
    let pushes = pushes.map(|name| ("push.channel", name));
    let polls = settings.poll.iter().map(|poll| &poll.channel);
    let polls = polls.map(|name| ("poll.channel", name));
    for (setting, name) in namespaces.chain(raw).chain(pushes).chain(polls) {
        if let Some((wide, separator)) = look_alike(name) {
            warnings.push(Warning::of(format!(
                "{setting}: {name:?} has a full-width {wide} (U+{:04X}), which is part of the \
                 name; only an ASCII {separator} separates",
                u32::from(wide)
            )));
        }
    }
}
