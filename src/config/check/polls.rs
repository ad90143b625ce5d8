//! What must hold for each `[[poll]]`; makes the checked ones. No error repeats a URL, since there
//! may be a password in it. Connects to nothing.

use super::{
    element::elements,
    rules::{check_channel, check_interval, check_url},
};
use crate::config::{
    backend::PollSettings, channels::Channels, errors::Errors, raw_settings::RawSettings,
    sections::PollSection, values::Secret,
};

pub(super) fn check_polls(
    raw: &RawSettings,
    channels: &Channels,
    errors: &mut Errors,
) -> Vec<PollSettings> {
    let mut polls = Vec::new();
    for (place, section) in elements(raw, "poll", &raw.poll) {
        let mut refuse = |name: &str, what: &str| place.refuse(errors, name, what);
        if let Err(what) = check_url(&section.url) {
            refuse("url", what);
        }
        if let Err(what) = check_interval(section.every, place.is_written("every")) {
            refuse("every", what);
        }
        if section.channel.is_empty() {
            refuse(
                "channel",
                "must be set; expected where answers are published",
            );
        } else if let Err(what) = check_channel(&section.channel, channels) {
            refuse("channel", &what);
        }
        if section.timeout.is_zero() {
            refuse("timeout", "expected a time above 0");
        }
        polls.push(poll(section));
    }
    polls
}

fn poll(section: &PollSection) -> PollSettings {
    let header = |(name, value): &(String, Secret)| (name.clone(), value.expose().to_string());
    PollSettings {
        url: section.url.clone(),
        every: section.every,
        channel: section.channel.clone(),
        headers: section.headers.iter().map(header).collect(),
        timeout: section.timeout,
        publish_failures: section.publish_failures,
    }
}
