//! Settings: one TOML file, environment variables over it, flags over those; checked as a whole before anything starts.
//!
//! The sections ([`settings`], [`sections`]) are the only place that names settings; reading, environment names, `fanfare config`, checks
//! for unknown keys and the documentation follow from it. Pure: reads the file it is told to and the keys that it names, and
//! nothing else.

pub mod channels;
mod check;
mod load;
mod raw_settings;
mod render;
mod section;
mod sections;
mod setting_type;
pub mod settings;
mod values;

use std::time::Duration;

pub use self::{
    channels::{
        Allow, Api, Channels, Client, Hook, Hooks, Namespace, Poll, TokenSettings, public_url,
    },
    load::{Errors, Overrides, Warning},
    render::{render_markdown, render_toml},
    settings::{Push, RawEndpoint, Settings, Tls},
    values::{
        HookFailureAction, Listen, OnMessage, Secret, SlowPolicy, TrustedProxies,
        check_channel_name,
    },
};
use self::{
    raw_settings::RawSettings,
    sections::ChannelsSection,
    settings::{PushSection, RawSection},
};

/// What runs without a file: `/ws` relays and gets a push each 10 s, `/echo` echoes, and the client protocol is open.
fn demonstration() -> RawSettings {
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
                // Everyone on /ws is in it, so that the push reaches them and not /echo.
                channels: vec!["demo".to_string()],
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

#[cfg(test)]
mod tests;
