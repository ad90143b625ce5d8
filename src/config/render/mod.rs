//! The settings as text: the files that `fanfare config` prints, and `docs/settings.md`. All are
//! made from the sections but the short one, and of their defaults nothing that differs from
//! machine to machine.

mod markdown;
mod short;
mod toml;

pub use self::{
    markdown::render_markdown,
    short::render_short,
    toml::{render_defaults, render_demonstration},
};

use super::{raw_settings::RawSettings, sections::Setting};

/// The settings without the values that differ from machine to machine.
fn portable_settings(raw: &RawSettings) -> Vec<Setting> {
    let mut settings = raw.settings();
    for setting in &mut settings {
        if matches!(setting.path.as_str(), "workers" | "node") {
            setting.value = None;
        }
    }
    settings
}
