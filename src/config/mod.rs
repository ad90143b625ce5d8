//! Settings: one TOML file, environment variables over it, flags over those; checked as a whole before anything starts.
//!
//! The sections ([`sections`]) are the only place that names settings; reading, environment names, `fanfare config`, checks
//! for unknown keys and the documentation follow from it. Pure: reads the file it is told to and the keys that it names, and
//! nothing else.

mod backend;
mod channels;
mod check;
mod demonstration;
mod errors;
mod file;
mod load;
mod raw_settings;
mod render;
mod sections;
mod setting_type;
mod settings;
mod suggestion;
#[cfg(test)]
mod tests;
mod values;

pub use self::{
    backend::{Hook, Hooks, Poll, public_url},
    channels::{Allow, Channels, Namespace},
    errors::{Errors, Warning},
    load::Overrides,
    render::{render_markdown, render_toml},
    sections::{Api, TokenSettings},
    settings::{Client, Push, RawEndpoint, Settings, Tls},
    values::{
        HookFailureAction, Listen, OnMessage, Secret, SlowPolicy, TrustedProxies,
        check_channel_name,
    },
};
