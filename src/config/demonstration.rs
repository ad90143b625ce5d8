//! The settings of the built-in demonstration, which runs where no file is given.

use std::time::Duration;

use super::{
    channels::Allow,
    raw_settings::RawSettings,
    sections::{ChannelsSection, Page, PushSection, RawSection},
};

/// `/ws` relays and gets a push each 10 s, `/echo` echoes, and the client protocol is open.
pub(super) fn demonstration() -> RawSettings {
    let any = vec!["*".to_string()];
    let everyone = Allow {
        client: true,
        anonymous: true,
        ..Allow::default()
    };
    RawSettings {
        raw: vec![
            RawSection {
                path: "/ws".to_string(),
                on_message: "relay".to_string(),
                subprotocols: any.clone(),
                // So that the push reaches those on /ws and not /echo. Who names channels of its
                // own is in those alone: what it says is not for everyone.
                default_channels: vec!["demo".to_string()],
                ..RawSection::default()
            },
            RawSection {
                path: "/echo".to_string(),
                on_message: "echo".to_string(),
                subprotocols: any,
                ..RawSection::default()
            },
        ],
        push: vec![PushSection {
            every: Duration::from_secs(10),
            channel: Some("demo".to_string()),
            data: Some("你好! It is {time}, {sessions} connected, push number {seq}.".to_string()),
            ..PushSection::default()
        }],
        page: Page {
            danmaku: Some("danmaku".to_string()),
            ..Page::default()
        },
        // Anyone may do anything in any channel, so that every SDK's first lines work.
        channels: ChannelsSection {
            history_size: 100,
            recovery: true,
            presence: true,
            join_leave: true,
            allow_subscribe: everyone,
            allow_publish: everyone,
            allow_history: everyone,
            allow_presence: everyone,
            ..ChannelsSection::default()
        },
        ..RawSettings::default()
    }
}
