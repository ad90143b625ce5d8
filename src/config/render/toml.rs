//! What `fanfare config` prints: every setting with its default and its sentence, as a file that
//! `fanfare check` accepts and that runs the demonstration.

use std::fmt::Write as _;

use super::portable_settings;
use crate::config::{
    demonstration::demonstration,
    raw_settings::RawSettings,
    sections::{NamespaceSection, PollSection, PushSection, Section, Setting},
};

const HEAD: &str = "Every setting of fanfare with its default. Each can be left out. \
    An environment variable goes over the file, a flag over both. Times: \"10s\" or bare seconds; \
    sizes: \"64KiB\" or bare bytes; lists in the environment by commas.";

/// Said below what `[channels]` is about.
const DEMONSTRATION_CHANNELS: &str = "These are the demonstration's, open to everyone; by default \
    nothing is kept or known and nobody is allowed anything: 0, false and [].";

/// Said instead of what `[[raw]]` is about.
const DEMONSTRATION_ENDPOINTS: &str = "Raw WebSocket endpoints, any number of them: plain clients \
    connect here without an SDK. With a file, only those that it lists exist; these two are the \
    demonstration's.";

/// Columns that comments are filled to.
const WIDTH: usize = 100;

/// Every setting with its default and its sentence, as a file of settings.
#[must_use]
pub fn render_toml() -> String {
    let raw = demonstration();
    let settings = portable_settings(&raw);
    let mut text = String::new();
    comment(&mut text, HEAD);
    for (section, about) in RawSettings::sections() {
        text.push('\n');
        if !section.is_empty() {
            comment(&mut text, about);
            if section == "channels" {
                comment(&mut text, DEMONSTRATION_CHANNELS);
            }
            let _ = writeln!(text, "[{section}]");
        }
        for setting in settings.iter().filter(|setting| setting.section == section) {
            let sentence = format!("{} ({})", setting.sentence, setting.variable());
            comment(&mut text, &sentence);
            line(&mut text, setting);
        }
    }
    array(&mut text, "raw", DEMONSTRATION_ENDPOINTS, &raw.raw);
    array(&mut text, "push", PushSection::ABOUT, &raw.push);
    example_array::<NamespaceSection>(&mut text, "namespace");
    example_array::<PollSection>(&mut text, "poll");
    text
}

/// The demonstration's elements of an array of tables; the sentences stand at the first one.
fn array<S: Section>(text: &mut String, section: &'static str, about: &str, elements: &[S]) {
    text.push('\n');
    comment(text, about);
    for (index, element) in elements.iter().enumerate() {
        let _ = writeln!(text, "[[{section}]]");
        for setting in &element.settings(section) {
            if index == 0 {
                comment(text, setting.sentence);
                line(text, setting);
            } else if setting.value.is_some() {
                line(text, setting);
            }
        }
    }
}

/// An array of tables of which the demonstration has none: an element that is commented out.
fn example_array<S: Section>(text: &mut String, section: &'static str) {
    text.push('\n');
    comment(text, S::ABOUT);
    let _ = writeln!(text, "#[[{section}]]");
    for setting in &S::default().settings(section) {
        comment(text, setting.sentence);
        let _ = writeln!(text, "#{} = {}", setting.name, example(setting));
    }
}

/// A setting as a line; commented out where it has no value, so that taking the mark away leaves a
/// file that is right.
fn line(text: &mut String, setting: &Setting) {
    let name = setting.name;
    if matches!(
        setting.path.as_str(),
        "raw.reply" | "raw.on_failure" | "raw.failure_reply" | "push.data_file"
    ) {
        // Right only with other settings than those of the demonstration.
        return comment(text, &format!("For example: {name} = {}", example(setting)));
    }
    let _ = match &setting.value {
        Some(value) => writeln!(text, "{name} = {value}"),
        None => writeln!(text, "#{name} = {}", example(setting)),
    };
}

/// A value to show where there is none.
fn example(setting: &Setting) -> &'static str {
    match setting.name {
        name if name.ends_with("timeout") => "\"5s\"",
        name if name.ends_with(".url") => "\"http://127.0.0.1:3000/fanfare\"",
        name if name.starts_with("allow.") => "[\"client\"]",
        "workers" => "4",
        "node" => "\"node-1\"",
        "cert" => "\"/etc/fanfare/fullchain.pem\"",
        "origins" => "[\"https://www.example.com\"]",
        "relay_self" => "false",
        "channel" => "\"news\"",
        "greeting" => "\"welcome\"",
        "reply" => "\"Server: Received({message})\"",
        "key" if setting.section == "tls" => "\"/etc/fanfare/privkey.pem\"",
        "recovery_bytes" => "\"512KiB\"",
        "anonymous" | "recovery" | "cache_recovery" | "presence" | "join_leave" | "delta" => "true",
        "publish_failures" => "false",
        "history_size" => "100",
        "history_ttl" => "\"5m\"",
        "slow_policy" => "\"disconnect\"",
        "name" => "\"chat\"",
        "jwks_url" => "\"https://id.example.com/.well-known/jwks.json\"",
        "audience" => "\"fanfare\"",
        "issuer" => "\"https://id.example.com\"",
        "on_failure" => "\"reply\"",
        "failure_reply" => "\"try again later\"",
        "data_file" => "\"/run/news.json\"",
        "url" => "\"http://127.0.0.1:3000/news.json\"",
        "every" => "\"10s\"",
        "headers" => "{ \"X-Key\" = \"secret\" }",
        _ => "\"…\"",
    }
}

/// Text as comment lines.
fn comment(text: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split_whitespace() {
        if column == 0 || column + 1 + word.chars().count() > WIDTH {
            text.push_str(if column == 0 { "#" } else { "\n#" });
            column = 1;
        }
        let _ = write!(text, " {word}");
        column += 1 + word.chars().count();
    }
    text.push('\n');
}
