//! `docs/settings.md`: a table of settings for each section. A test holds the file against it.

use std::fmt::Write as _;

use super::portable_settings;
use crate::config::{
    raw_settings::RawSettings,
    sections::{NamespaceSection, PollSection, PushSection, RawSection, Section, Setting},
};

const HEAD: &str = "# Settings\n\n\
    One TOML file (`--config F` or `FANFARE_CONFIG`), environment variables over it, flags over \
    those. `fanfare config` prints all of this as a file (`--short`: what most set; `--demo`: the demonstration's settings), `fanfare check --config F` checks one. \
    Without a file the demonstration runs.\n\n\
    Times are `\"10s\"` or bare seconds, sizes `\"64KiB\"` or bare bytes. In the environment, \
    lists are separated by commas. An unknown key is an error; an unknown `FANFARE_…` variable \
    only a warning.\n\n\
    This file is made from the sections in `src/config/sections`; a test keeps the two equal.\n";

/// The documentation of the settings.
#[must_use]
pub fn render_markdown() -> String {
    let settings = portable_settings(&RawSettings::default());
    let mut text = HEAD.to_string();
    for (section, about) in RawSettings::sections() {
        match section {
            "" => heading(&mut text, "Top of the file", about),
            section => heading(&mut text, &format!("`[{section}]`"), about),
        }
        let here = settings.iter().filter(|setting| setting.section == section);
        rows(&mut text, here, |setting| {
            format!(" `{}`", setting.variable())
        });
    }
    array::<RawSection>(&mut text, "raw");
    array::<PushSection>(&mut text, "push");
    array::<NamespaceSection>(&mut text, "namespace");
    array::<PollSection>(&mut text, "poll");
    text
}

/// A section that the file may have any number of times; environment variables set none of those.
fn array<S: Section>(text: &mut String, section: &'static str) {
    heading(text, &format!("`[[{section}]]`"), S::ABOUT);
    rows(text, S::default().settings(section).iter(), |_| {
        String::new()
    });
}

fn heading(text: &mut String, title: &str, about: &str) {
    let _ = write!(text, "\n## {title}\n\n{about}\n\n");
}

/// A row for each setting; `variable` is what the last column ends with.
fn rows<'a>(
    text: &mut String,
    settings: impl Iterator<Item = &'a Setting>,
    variable: fn(&Setting) -> String,
) {
    text.push_str("| setting | default | |\n| --- | --- | --- |\n");
    for setting in settings {
        let default = default(setting);
        let sentence = setting.sentence.replace('|', "\\|");
        let expected = setting.expected.replace('|', "\\|");
        let variable = variable(setting);
        let _ = writeln!(
            text,
            "| `{}` | {default} | {sentence} Form: {expected}.{variable} |",
            setting.name
        );
    }
}

/// The default of a setting, or a word where it has no value to show.
fn default(setting: &Setting) -> String {
    match (setting.path.as_str(), &setting.value) {
        ("workers", _) => "cores".to_string(),
        ("node", _) => "host name".to_string(),
        (
            "raw.path" | "push.every" | "namespace.name" | "poll.url" | "poll.every"
            | "poll.channel",
            _,
        ) => "required".to_string(),
        (_, Some(value)) => format!("`{value}`"),
        (path, None) if path.starts_with("namespace.") => "inherited".to_string(),
        (_, None) => "none".to_string(),
    }
}
