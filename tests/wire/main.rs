//! The wire ring: the real binary, real sockets, bytes written by hand. One file a subject; helpers
//! are in `support`.

#![allow(clippy::too_many_lines, reason = "a scenario is one story")]

mod accepted;
mod admin;
mod api;
mod backend;
mod cf_connect;
mod client;
mod close;
mod command_line;
mod compatible;
mod control;
mod disk;
mod drain;
mod events;
#[path = "../../src/testing/frames.rs"]
mod frames;
mod handover;
mod handshake;
mod heartbeat;
mod held;
mod hooks;
mod http;
mod listener;
mod log;
mod memory;
mod messages;
mod plain;
mod refusals;
mod relay;
mod scenarios;
mod slow;
mod state;
mod state_command;
mod support;
mod tls;
mod tokens;
mod turns;
mod upgrade;
mod window;
