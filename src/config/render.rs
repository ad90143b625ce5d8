//! What `fanfare config` prints, and `docs/settings.md`: both from the sections.

use std::fmt::Write as _;

use super::{
    demonstration::demonstration,
    raw_settings::{self, RawSettings, Setting},
    sections::{NamespaceSection, PollSection, PushSection, RawSection},
};

/// What the lists of tables are about, in the order of the documentation.
const NAMESPACES: &str = "Rules of channels whose names begin with the namespace's and a colon, such as chat:room-1. What is left \
                          out is taken from [channels].";
const DEMONSTRATION_CHANNELS: &str = "These are the demonstration's, open to everyone; by default nothing is kept or known and nobody is \
                                      allowed anything: 0, false and [].";
const POLLS: &str = "HTTP endpoints of the backend that are asked again and again, any number of them, with their answers \
                     published when they change.";

/// Columns that comments are filled to.
const WIDTH: usize = 100;

/// Every setting with its default and a sentence, as a file that `fanfare check` accepts and that runs the demonstration.
#[must_use]
pub fn render_toml() -> String {
    let raw = demonstration();
    let settings = generic(&raw);
    let mut text = String::new();
    comment(
        &mut text,
        "Every setting of fanfare with its default. Each can be left out. An environment variable goes over the file, a flag \
         over both. Times: \"10s\" or bare seconds; sizes: \"64KiB\" or bare bytes; lists in the environment by commas.",
    );
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
            comment(
                &mut text,
                &format!("{} ({})", sentence(setting), setting.variable()),
            );
            line(&mut text, setting);
        }
    }
    text.push('\n');
    comment(
        &mut text,
        "Raw WebSocket endpoints, any number of them: plain clients connect here without an SDK. With a file, only those that it \
         lists exist; these two are the demonstration's.",
    );
    let raws = raw.raw.iter().map(|raw| raw_settings::element("raw", raw));
    elements(&mut text, "raw", raws);
    text.push('\n');
    comment(
        &mut text,
        "Interval pushes, any number of them. With a file, only those that it lists exist.",
    );
    let pushes = raw
        .push
        .iter()
        .map(|push| raw_settings::element("push", push));
    elements(&mut text, "push", pushes);
    let namespace = raw_settings::element("namespace", &NamespaceSection::default());
    example_element(&mut text, "namespace", NAMESPACES, &namespace);
    let poll = raw_settings::element("poll", &PollSection::default());
    example_element(&mut text, "poll", POLLS, &poll);
    text
}

/// A list of tables of which the demonstration has none: one to take the marks away from.
fn example_element(text: &mut String, section: &str, about: &str, settings: &[Setting]) {
    text.push('\n');
    comment(text, about);
    let _ = writeln!(text, "#[[{section}]]");
    for setting in settings {
        comment(text, &sentence(setting));
        let _ = writeln!(text, "#{} = {}", setting.name, example(setting));
    }
}

/// The documentation of the settings in Markdown.
#[must_use]
pub fn render_markdown() -> String {
    let settings = generic(&RawSettings::default());
    let mut text = String::from(
        "# Settings\n\n\
         One TOML file (`--config F` or `FANFARE_CONFIG`), environment variables over it, flags over those. `fanfare config` prints \
         all of this as a file, `fanfare check --config F` checks one. Without a file the demonstration runs.\n\n\
         Times are `\"10s\"` or bare seconds, sizes `\"64KiB\"` or bare bytes. In the environment, lists are separated by commas. \
         An unknown key is an error; an unknown `FANFARE_…` variable only a warning.\n\n\
         This file is made from the sections in `src/config/sections`; a test keeps the two equal.\n",
    );
    for (section, about) in RawSettings::sections() {
        let title = if section.is_empty() {
            "Top of the file".to_string()
        } else {
            format!("`[{section}]`")
        };
        let _ = write!(text, "\n## {title}\n\n{about}\n\n");
        let here = settings.iter().filter(|setting| setting.section == section);
        rows(
            &mut text,
            here.map(|setting| (setting, Some(setting.variable()))),
        );
    }
    let _ = write!(
        text,
        "\n## `[[raw]]`\n\nRaw WebSocket endpoints, any number of them. With a file, only those that it lists exist.\n\n"
    );
    let raw = raw_settings::element("raw", &RawSection::default());
    rows(&mut text, raw.iter().map(|setting| (setting, None)));
    let _ = write!(
        text,
        "\n## `[[push]]`\n\nInterval pushes, any number of them. With a file, only those that it lists exist.\n\n"
    );
    let push = raw_settings::element("push", &PushSection::default());
    rows(&mut text, push.iter().map(|setting| (setting, None)));
    let _ = write!(text, "\n## `[[namespace]]`\n\n{NAMESPACES}\n\n");
    let namespace = raw_settings::element("namespace", &NamespaceSection::default());
    rows(&mut text, namespace.iter().map(|setting| (setting, None)));
    let _ = write!(text, "\n## `[[poll]]`\n\n{POLLS}\n\n");
    let poll = raw_settings::element("poll", &PollSection::default());
    rows(&mut text, poll.iter().map(|setting| (setting, None)));
    text
}

/// The settings with what differs from machine to machine left out.
fn generic(raw: &RawSettings) -> Vec<Setting> {
    let mut settings = raw.settings();
    for setting in &mut settings {
        if matches!(setting.path.as_str(), "workers" | "node") {
            setting.value = None;
        }
    }
    settings
}

fn sentence(setting: &Setting) -> String {
    let lines: Vec<&str> = setting.doc.iter().map(|line| line.trim()).collect();
    lines.join(" ")
}

/// A setting as a line; commented out where it has no value, so that taking the mark away leaves a file that is right.
fn line(text: &mut String, setting: &Setting) {
    if matches!(
        setting.path.as_str(),
        "raw.reply" | "raw.on_failure" | "raw.failure_reply" | "push.data_file"
    ) {
        // Only right beside or instead of others, which the demonstration does not have.
        let (name, value) = (setting.name, example(setting));
        return comment(text, &format!("For example: {name} = {value}"));
    }
    let _ = match &setting.value {
        Some(value) => writeln!(text, "{} = {value}", setting.name),
        None => writeln!(text, "#{} = {}", setting.name, example(setting)),
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

fn elements(text: &mut String, section: &str, elements: impl Iterator<Item = Vec<Setting>>) {
    for (index, settings) in elements.enumerate() {
        let _ = writeln!(text, "[[{section}]]");
        for setting in &settings {
            if index == 0 {
                comment(text, &sentence(setting));
                line(text, setting);
            } else if setting.value.is_some() {
                line(text, setting);
            }
        }
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

fn rows<'a>(text: &mut String, settings: impl Iterator<Item = (&'a Setting, Option<String>)>) {
    text.push_str("| setting | default | |\n| --- | --- | --- |\n");
    for (setting, variable) in settings {
        let default = match (&setting.value, setting.path.as_str()) {
            (_, "workers") => "cores".to_string(),
            (_, "node") => "host name".to_string(),
            (
                _,
                "raw.path" | "push.every" | "namespace.name" | "poll.url" | "poll.every"
                | "poll.channel",
            ) => "required".to_string(),
            (None, path) if path.starts_with("namespace.") => "inherited".to_string(),
            (Some(value), _) => format!("`{value}`"),
            (None, _) => "none".to_string(),
        };
        let variable = variable.map_or(String::new(), |name| format!(" `{name}`"));
        let sentence = sentence(setting).replace('|', "\\|");
        let expected = setting.expected.replace('|', "\\|");
        let _ = writeln!(
            text,
            "| `{}` | {default} | {sentence} Form: {expected}.{variable} |",
            setting.name
        );
    }
}
