//! What `fanfare config` prints: every setting with its sentence, as a file that `fanfare check`
//! accepts. With the defaults it does what no file at all would do but for the demonstration; with
//! the demonstration's values it runs that.

use std::fmt::Write as _;

use super::portable_settings;
use crate::config::{
    demonstration::demonstration,
    raw_settings::RawSettings,
    sections::{NamespaceSection, PollSection, PushSection, RawSection, Section, Setting},
};

const HEAD: &str = "Every setting of fanfare with its default. Each can be left out. \
    An environment variable goes over the file, a flag over both. Times: \"10s\" or bare seconds; \
    sizes: \"64KiB\" or bare bytes; lists in the environment by commas. `fanfare config --short` \
    prints what most set, `fanfare config --demo` the demonstration's settings.";

const DEMONSTRATION_HEAD: &str = "The settings of the demonstration, which runs where no file is \
    given, open to everyone who reaches it. Each can be left out. An environment variable goes over \
    the file, a flag over both. Times: \"10s\" or bare seconds; sizes: \"64KiB\" or bare bytes; \
    lists in the environment by commas.";

/// Said below what `[channels]` is about.
const DEMONSTRATION_CHANNELS: &str = "These are the demonstration's, open to everyone; by default \
    nothing is kept or known and nobody is allowed anything: 0, false and [].";

/// Said instead of what `[[raw]]` is about.
const DEMONSTRATION_ENDPOINTS: &str = "Raw WebSocket endpoints, any number of them: plain clients \
    connect here without an SDK. With a file, only those that it lists exist; these two are the \
    demonstration's.";

/// Columns that comments are filled to.
const WIDTH: usize = 100;

/// Every setting with its default and its sentence, as a file of settings. What counts as written
/// as soon as its heading stands there (`[channels]`), and what a file has any number of times, is
/// commented out.
#[must_use]
pub fn render_defaults() -> String {
    let mut text = String::new();
    comment(&mut text, HEAD);
    sections(&mut text, &RawSettings::default(), "");
    example_array::<RawSection>(&mut text, "raw");
    example_array::<PushSection>(&mut text, "push");
    example_array::<NamespaceSection>(&mut text, "namespace");
    example_array::<PollSection>(&mut text, "poll");
    text
}

/// Every setting with its sentence and the demonstration's value, as a file of settings.
#[must_use]
pub fn render_demonstration() -> String {
    let raw = demonstration();
    let mut text = String::new();
    comment(&mut text, DEMONSTRATION_HEAD);
    sections(&mut text, &raw, DEMONSTRATION_CHANNELS);
    array(&mut text, "raw", DEMONSTRATION_ENDPOINTS, &raw.raw);
    array(&mut text, "push", PushSection::ABOUT, &raw.push);
    example_array::<NamespaceSection>(&mut text, "namespace");
    example_array::<PollSection>(&mut text, "poll");
    text
}

/// The sections that a file has once. `of_channels` is said below what `[channels]` is about; where
/// it is empty the section is an example.
fn sections(text: &mut String, raw: &RawSettings, of_channels: &str) {
    let settings = portable_settings(raw);
    for (section, about) in RawSettings::sections() {
        let is_example = section == "channels" && of_channels.is_empty();
        let mark = if is_example { "#" } else { "" };
        text.push('\n');
        if !section.is_empty() {
            comment(text, about);
            if section == "channels" && !is_example {
                comment(text, of_channels);
            }
            let _ = writeln!(text, "{mark}[{section}]");
        }
        for setting in settings.iter().filter(|setting| setting.section == section) {
            let sentence = format!("{} ({})", setting.sentence, setting.variable());
            comment(text, &sentence);
            line(text, setting, mark);
        }
    }
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
                line(text, setting, "");
            } else if setting.value.is_some() {
                line(text, setting, "");
            }
        }
    }
}

/// An array of tables: an element that is commented out.
fn example_array<S: Section>(text: &mut String, section: &'static str) {
    text.push('\n');
    comment(text, S::ABOUT);
    let _ = writeln!(text, "#[[{section}]]");
    for setting in &S::default().settings(section) {
        comment(text, setting.sentence);
        // What must be set has an empty default.
        let value = setting.value.as_deref();
        let value = value.filter(|value| !matches!(*value, "\"\"" | "\"0s\""));
        let value = value.unwrap_or_else(|| example(setting));
        if stands_alone(setting) {
            let _ = writeln!(text, "#{} = {value}", setting.name);
        } else {
            comment(text, &format!("For example: {} = {value}", setting.name));
        }
    }
}

/// A setting as a line, with `mark` before it; commented out where it has no value, so that taking
/// the mark away leaves a file that is right.
fn line(text: &mut String, setting: &Setting, mark: &str) {
    let name = setting.name;
    if !stands_alone(setting) {
        return comment(text, &format!("For example: {name} = {}", example(setting)));
    }
    let _ = match &setting.value {
        Some(value) => writeln!(text, "{mark}{name} = {value}"),
        None => writeln!(text, "#{name} = {}", example(setting)),
    };
}

/// Whether a setting is right with the others as they are printed.
fn stands_alone(setting: &Setting) -> bool {
    !matches!(
        setting.path.as_str(),
        "raw.reply"
            | "raw.relay_self"
            | "raw.on_failure"
            | "raw.failure_reply"
            | "push.data_file"
            | "client.personal_channel.namespace"
    )
}

/// A value to show where there is none.
fn example(setting: &Setting) -> &'static str {
    match setting.name {
        name if name.ends_with("timeout") => "\"5s\"",
        name if name.ends_with(".url") => "\"http://127.0.0.1:3000/fanfare\"",
        name if name.starts_with("allow.") => "[\"client\"]",
        "path" => "\"/ws\"",
        "on_message" => "\"relay\"",
        "data" => "\"It is {time}, {sessions} connected.\"",
        "workers" => "4",
        "node" => "\"node-1\"",
        "address_header" => "\"X-Real-IP\"",
        "cert" => "\"/etc/fanfare/fullchain.pem\"",
        "origins" => "[\"https://www.example.com\"]",
        "relay_self" => "false",
        "channel" => "\"news\"",
        "greeting" => "\"welcome\"",
        "reply" => "\"Server: Received({message})\"",
        "key" if setting.section == "tls" => "\"/etc/fanfare/privkey.pem\"",
        "recovery_bytes" => "\"512KiB\"",
        "anonymous"
        | "recovery"
        | "cache_recovery"
        | "presence"
        | "join_leave"
        | "delta"
        | "force_push_join_leave" => "true",
        "publish_failures" => "false",
        "history_size" => "100",
        "history_ttl" => "\"5m\"",
        "window" => "\"50ms\"",
        "window_bytes" => "\"64KiB\"",
        "keep" => "\"all\"",
        "slow_policy" => "\"disconnect\"",
        "name" => "\"chat\"",
        "personal_channel.namespace" => "\"personal\"",
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
