//! Settings: one TOML file, environment variables over it, flags over those; checked as a whole before anything starts.
//!
//! The table of settings ([`settings`]) is the only place that names them; reading, environment names, `fanfare config`, checks
//! for unknown keys and the documentation follow from it. Pure: reads the file it is told to and the keys that it names, and
//! nothing else.

mod check;
mod form;
pub mod hub;
mod load;
mod print;
pub mod settings;
mod sheet;
mod table;
mod tables;
mod types;

use std::time::Duration;

pub use self::{
    hub::{Allow, Api, Channels, Client, Hook, Hooks, Namespace, Poll, TokenSettings, public_url},
    load::{Errors, Overrides, Warning},
    print::{markdown, print},
    settings::{Push, RawEndpoint, Settings, Tls},
    types::{
        HookFailureAction, Listen, OnMessage, Secret, SlowPolicy, TrustedProxies,
        check_channel_name,
    },
};
use self::{
    settings::{PushTable, RawTable},
    sheet::Sheet,
    tables::ChannelsTable,
};

/// What runs without a file: `/ws` relays and gets a push each 10 s, `/echo` echoes, and the client protocol is open.
fn demonstration_sheet() -> Sheet {
    let any = vec!["*".to_string()];
    let everyone = Allow {
        client: true,
        anonymous: true,
        ..Allow::default()
    };
    Sheet {
        raw: vec![
            RawTable {
                path: "/ws".to_string(),
                on_message: "relay".to_string(),
                subprotocols: any.clone(),
                // Everyone on /ws is in it, so that the push reaches them and not /echo.
                channels: vec!["demo".to_string()],
                ..RawTable::default()
            },
            RawTable {
                path: "/echo".to_string(),
                on_message: "echo".to_string(),
                subprotocols: any,
                ..RawTable::default()
            },
        ],
        push: vec![PushTable {
            every: Duration::from_secs(10),
            channel: Some("demo".to_string()),
            data: Some("你好! It is {time}, {sessions} connected, push number {seq}.".to_string()),
            ..PushTable::default()
        }],
        // Anyone may do anything in any channel, so that every SDK's first lines work.
        channels: ChannelsTable {
            history_size: 100,
            recovery: true,
            presence: true,
            join_leave: true,
            allow_subscribe: everyone,
            allow_publish: everyone,
            allow_history: everyone,
            allow_presence: everyone,
            ..ChannelsTable::default()
        },
        ..Sheet::default()
    }
}

#[cfg(test)]
mod tests;
