//! Plain WebSocket: a message is a message. To go on after a cut, fanfare's envelope
//! (`envelope=1` in the address) brings `since`, which is given back there.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    position::{Position, last_between},
    session::{Context, Session},
};

pub(super) fn receive(context: &mut Context<'_>, session: &mut Session, payload: &[u8]) {
    context.deliver(session.number, payload);
    if context.terms.keeps_positions
        && let Some(id) = last_between(payload, b"\"since\":\"", b'"')
    {
        session.position.get_or_insert_default().id = id;
    }
}

pub(super) fn resume(position: &Position, target: &mut String) {
    if !position.id.is_empty() {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str("since=");
        target.extend(utf8_percent_encode(&position.id, NON_ALPHANUMERIC));
    }
}
