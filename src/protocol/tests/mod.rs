//! The protocol against literal bytes, written by hand from the field tables, and against hostile
//! input. Plain data.

mod commands;
mod hostile;
mod json;
mod payload;
mod protobuf;

use std::borrow::Cow;

use bytes::Bytes;

use super::{
    ClientInfo, Command, ConnectResult, Encoding, Malformed, PayloadRef, Pub, Push, Reply,
    ReplyError, SubscribeResult, decode_commands, encode_push, encode_reply,
};

/// All commands of a frame, or its first fault.
fn all(encoding: Encoding, frame: &[u8]) -> Result<Vec<Command>, Malformed> {
    decode_commands(encoding, &Bytes::copy_from_slice(frame)).collect()
}

fn plain(data: PayloadRef<'_>) -> Pub<'_> {
    Pub {
        data,
        offset: 0,
        info: None,
        tags: None,
        delta: false,
        time: 0,
        channel: "",
    }
}

fn info() -> ClientInfo {
    ClientInfo {
        user: "42".into(),
        client: "c1".into(),
        conn_info: Bytes::from_static(b"{\"n\":1}"),
        chan_info: Bytes::new(),
    }
}

fn reply(encoding: Encoding, reply: &Reply<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_reply(encoding, 7, reply, &mut out);
    out
}

fn push(encoding: Encoding, unidirectional: bool, channel: &str, push: &Push<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_push(encoding, unidirectional, channel, push, &mut out);
    out
}

fn subscribed() -> SubscribeResult<'static> {
    SubscribeResult {
        expires: true,
        ttl: 60,
        recoverable: true,
        positioned: true,
        epoch: "ab",
        offset: 300,
        publications: vec![Pub {
            offset: 300,
            ..plain(PayloadRef::Json(b"1"))
        }],
        recovered: true,
        was_recovering: true,
        data: Bytes::from_static(b"[]"),
        delta: true,
    }
}

fn connected() -> ConnectResult<'static> {
    ConnectResult {
        client: "c1".into(),
        version: "v".into(),
        expires: true,
        ttl: 60,
        data: Bytes::from_static(b"{}"),
        subs: vec![("s".into(), SubscribeResult::default())],
        ping: 25,
        pong: true,
        session: "x".into(),
        node: "y".into(),
        time: 5,
    }
}

fn own_error() -> ReplyError {
    ReplyError {
        code: 1000,
        message: Cow::Borrowed("no \"x\""),
        temporary: false,
    }
}
