//! The sections of the settings file: every name, type, default and sentence, and nothing else.
//! [`declaration`] says how one is declared. What is made of them when they have been checked is
//! [`Settings`](super::Settings).

#![expect(
    unreachable_pub,
    reason = "one macro declares all sections: the fields of Settings, and what only the file has"
)]

mod access;
mod backend;
mod declaration;
mod endpoints;
mod node;

pub use self::{
    access::TokenSettings,
    backend::Api,
    node::{
        Admin, Close, Deflate, Drain, Heartbeat, Http, Limits, Log, Page, Route, Slow, State, Tcp,
    },
};
pub(super) use self::{
    access::{ChannelsSection, ClientSection, NamespaceSection},
    backend::{HookCall, HooksSection, PollSection},
    declaration::{Section, Setting},
    endpoints::{PushSection, RawSection},
    node::{Root, TlsSection},
};
