//! The settings as text: the file that `fanfare config` prints, and `docs/settings.md`. Both are
//! made from the sections, and of their defaults nothing that differs from machine to machine.

mod markdown;
mod toml;

pub use self::{markdown::render_markdown, toml::render_toml};

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
