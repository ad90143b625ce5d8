//! Settings: one TOML file, environment variables over it, flags over those; checked as a whole
//! before anything starts.
//!
//! `sections` is the only place that names settings; reading, environment variables, `fanfare
//! config`, errors for unknown keys and the documentation follow from it. `load` reads them into
//! `RawSettings` and `check` makes [`Settings`] of those. Reads the file that it is told to and the
//! key files that this one names, and nothing else.

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
mod toml_fault;
mod values;

pub use self::{
    backend::{Hook, Hooks, PollSettings, public_url},
    channels::{Allow, Channels, Namespace},
    errors::{Errors, LoadError, Warning},
    load::Overrides,
    render::{render_defaults, render_demonstration, render_markdown, render_short},
    sections::{Admin, Api, Log, TokenSettings},
    settings::{ClientSettings, PushSettings, RawEndpoint, Settings, Tls},
    values::{
        ADMIN_TOKEN_PREFIX, HookFailureAction, Keep, Listen, LogFormat, OnMessage, Secret,
        SlowPolicy, SyncPolicy, TrustedProxies, UnixSocket,
    },
};
