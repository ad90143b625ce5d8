//! Socket.IO (Engine.IO 4, WebSocket only). Messages are the event `message` with one text; with
//! connection state recovery the server adds an offset, which is given back with the session's id.

use serde_json::{Value, json};

use super::{
    position::last_between,
    session::{Context, Session},
};
use crate::frame;

pub(super) fn receive(
    context: &mut Context<'_>,
    session: &mut Session,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    match payload {
        // Engine.IO is open: now Socket.IO's connect.
        [b'0', ..] => frame::put(out, frame::TEXT, connect(session).as_bytes()),
        [b'2', rest @ ..] => {
            let pong = [b"3", rest].concat();
            frame::put(out, frame::TEXT, &pong);
        }
        [b'4', b'0', rest @ ..] => {
            session.is_joined = true;
            if context.terms.keeps_positions {
                let told: Value = serde_json::from_slice(rest).unwrap_or_default();
                let position = session.position.get_or_insert_default();
                position.session = told["pid"].as_str().unwrap_or_default().to_owned();
            }
        }
        [b'4', b'4', rest @ ..] => {
            return Err(format!("refused: {}", String::from_utf8_lossy(rest)));
        }
        [b'4', b'1', ..] | [b'1', ..] => return Err("disconnected by the server".to_owned()),
        _ => {
            let any = context.deliver(session.number, payload);
            if any && context.terms.keeps_positions {
                // ["message","data","offset"]: the offset is the last text of the list.
                let end = payload.strip_suffix(b"\"]").unwrap_or(payload);
                let text = [end, b"\"]"].concat();
                if let Some(id) = last_between(&text, b",\"", b'"').filter(|id| !id.contains('~')) {
                    session.position.get_or_insert_default().id = id;
                }
            }
        }
    }
    Ok(())
}

fn connect(session: &Session) -> String {
    match &session.position {
        Some(position) if !position.session.is_empty() => {
            format!(
                "40{}",
                json!({"pid": position.session, "offset": position.id})
            )
        }
        _ => "40".to_owned(),
    }
}

pub(super) fn publish(data: &[u8], out: &mut Vec<u8>) {
    let text = [b"42[\"message\",\"", data, b"\"]"].concat();
    frame::put(out, frame::TEXT, &text);
}
