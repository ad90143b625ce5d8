//! What must hold for each `[[poll]]`; turns them as written into checked ones. No fault repeats a URL, since there may be a
//! password in it. Nothing is connected to.

use super::{
    element::Element,
    rules::{EVERY_MIN, check_channel, check_url},
};
use crate::config::{
    backend::Poll, channels::Channels, errors::Errors, raw_settings::RawSettings, values::Secret,
};

pub(super) fn check_polls(
    raw: &RawSettings,
    channels: &Channels,
    errors: &mut Errors,
) -> Vec<Poll> {
    let mut polls = Vec::new();
    for (index, table) in raw.poll.iter().enumerate() {
        let element = Element {
            raw,
            table: "poll",
            index,
        };
        let mut fault = |name: &str, what: &str| element.fault(errors, name, what);
        if let Err(what) = check_url(&table.url) {
            fault("url", &what);
        }
        if table.every.is_zero() {
            fault(
                "every",
                "must be set; expected a time of at least 100ms, such as \"10s\"",
            );
        } else if table.every < EVERY_MIN {
            fault("every", "expected at least 100ms");
        }
        if table.channel.is_empty() {
            fault(
                "channel",
                "must be set; expected where answers are published",
            );
        } else if let Err(what) = check_channel(&table.channel, channels) {
            fault("channel", &what);
        }
        if table.timeout.is_zero() {
            fault("timeout", "expected a time above 0");
        }
        let header = |(name, value): &(String, Secret)| (name.clone(), value.expose().to_string());
        polls.push(Poll {
            url: table.url.clone(),
            every: table.every,
            channel: table.channel.clone(),
            headers: table.headers.iter().map(header).collect(),
            timeout: table.timeout,
            publish_failures: table.publish_failures,
        });
    }
    polls
}
