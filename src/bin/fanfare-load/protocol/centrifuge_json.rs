//! The Centrifuge protocol in JSON: one object a line, `{}` for a ping and its answer.

use serde_json::{Value, json};

use super::{
    position::last_between,
    session::{Context, Session, Terms},
};
use crate::frame;

const CONNECT: u32 = 1;
const SUBSCRIBE: u32 = 2;

/// Connects and subscribes in one frame, as the SDKs do.
pub(super) fn open(terms: &Terms, session: &mut Session, out: &mut Vec<u8>) {
    let mut connect = json!({});
    if let Some(token) = &terms.token {
        connect["token"] = json!(token);
    }
    let mut text = json!({"id": CONNECT, "connect": connect}).to_string();
    session.last_command = CONNECT;
    if terms.subscribes {
        let mut subscribe = json!({"channel": terms.channel_name_of(session.number)});
        if terms.keeps_positions {
            subscribe["recoverable"] = json!(true);
        }
        if let Some(position) = &session.position {
            subscribe["recover"] = json!(true);
            subscribe["offset"] = json!(position.offset);
            subscribe["epoch"] = json!(position.epoch);
        }
        let command = json!({"id": SUBSCRIBE, "subscribe": subscribe});
        text = format!("{text}\n{command}");
        session.last_command = SUBSCRIBE;
    }
    frame::put(out, frame::TEXT, text.as_bytes());
}

pub(super) fn publish(terms: &Terms, session: &mut Session, data: &[u8], out: &mut Vec<u8>) {
    session.last_command += 1;
    let (id, channel) = (session.last_command, terms.channel_name_of(session.number));
    // A mark and its filling need no escape.
    let data = String::from_utf8_lossy(data);
    let channel = json!(channel);
    let text = format!(r#"{{"id":{id},"publish":{{"channel":{channel},"data":"{data}"}}}}"#);
    frame::put(out, frame::TEXT, text.as_bytes());
}

pub(super) fn receive(
    context: &mut Context<'_>,
    session: &mut Session,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let mut rest = payload;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        if line == b"{}" {
            frame::put(out, frame::TEXT, b"{}");
        } else if session.is_joined && context.deliver(session.number, line) {
            if context.terms.keeps_positions {
                keep_offset(session, line);
            }
        } else if !line.is_empty() {
            reply(context, session, line)?;
        }
    }
    Ok(())
}

fn keep_offset(session: &mut Session, line: &[u8]) {
    let found = [b',', b'}']
        .into_iter()
        .filter_map(|end| last_between(line, b"\"offset\":", end)?.parse().ok())
        .next();
    if let Some(offset) = found {
        session.position.get_or_insert_default().offset = offset;
    }
}

fn reply(context: &mut Context<'_>, session: &mut Session, line: &[u8]) -> Result<(), String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("no JSON: {error}"))?;
    let id = value["id"].as_u64().unwrap_or(0);
    if let Some(error) = value.get("error") {
        if id <= u64::from(SUBSCRIBE) {
            return Err(format!("error {}: {}", error["code"], error["message"]));
        }
        session.asked.pop_front();
        context
            .tally
            .refused(0, None, format!("error {}", error["code"]));
    } else if let Some(told) = value
        .get("subscribe")
        .filter(|_| id == u64::from(SUBSCRIBE))
    {
        session.is_joined = true;
        subscribed(context, session, told);
        context.deliver(session.number, line);
    } else if id == u64::from(CONNECT) && !context.terms.subscribes {
        session.is_joined = true;
    } else if id > u64::from(SUBSCRIBE) {
        let asked = session.asked.pop_front().unwrap_or(context.now);
        context.tally.note_answer(0, asked, context.now);
    } else if let Some(told) = value.get("push").and_then(|push| push.get("unsubscribe")) {
        return Err(format!("unsubscribed {}", told["code"]));
    }
    Ok(())
}

fn subscribed(context: &Context<'_>, session: &mut Session, told: &Value) {
    if !context.terms.keeps_positions {
        return;
    }
    let publications = told["publications"].as_array();
    let newest = publications.and_then(|all| all.last()?["offset"].as_u64());
    let position = session.position.get_or_insert_default();
    position.offset = newest.or(told["offset"].as_u64()).unwrap_or(0);
    position.epoch = told["epoch"].as_str().unwrap_or_default().to_owned();
}
