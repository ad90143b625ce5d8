//! Server-sent events, and nchan's WebSocket, whose messages bring their id in the same form where
//! they are asked to. The last id is given back as `Last-Event-ID`.

use super::{
    position::{Position, last_between},
    session::{Context, Session},
};

pub(super) fn receive(context: &mut Context<'_>, session: &mut Session, lines: &[u8]) {
    context.deliver(session.number, lines);
    if context.terms.keeps_positions
        && let Some(id) = last_between(lines, b"id:", b'\n')
    {
        session.position.get_or_insert_default().id = id.trim().to_owned();
    }
}

pub(super) fn resume(position: &Position, headers: &mut String) {
    if !position.id.is_empty() {
        headers.push_str("Last-Event-ID: ");
        headers.push_str(&position.id);
        headers.push_str("\r\n");
    }
}
