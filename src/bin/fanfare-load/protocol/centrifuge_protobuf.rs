//! The Centrifuge protocol in Protobuf: messages with their length in front, an empty one for a
//! ping and its answer. The few fields that a client needs are written and read by hand.

use super::{
    position::Position,
    session::{Context, Session, Terms},
};
use crate::frame;

const CONNECT: u32 = 1;
const SUBSCRIBE: u32 = 2;

/// Connects and subscribes in one frame, as the SDKs do.
pub(super) fn open(terms: &Terms, session: &mut Session, out: &mut Vec<u8>) {
    let mut connect = Vec::new();
    if let Some(token) = &terms.token {
        put_bytes(&mut connect, 1, token.as_bytes());
    }
    let mut commands = command(CONNECT, 4, &connect);
    session.last_command = CONNECT;
    if terms.subscribes {
        let mut subscribe = Vec::new();
        let channel = terms.channel_name_of(session.number);
        put_bytes(&mut subscribe, 1, channel.as_bytes());
        if let Some(position) = &session.position {
            put_number(&mut subscribe, 3, 1);
            put_bytes(&mut subscribe, 6, position.epoch.as_bytes());
            put_number(&mut subscribe, 7, position.offset);
        }
        if terms.keeps_positions {
            put_number(&mut subscribe, 10, 1);
        }
        commands.extend(command(SUBSCRIBE, 5, &subscribe));
        session.last_command = SUBSCRIBE;
    }
    frame::put(out, frame::BINARY, &commands);
}

pub(super) fn publish(terms: &Terms, session: &mut Session, data: &[u8], out: &mut Vec<u8>) {
    session.last_command += 1;
    let mut publish = Vec::with_capacity(data.len() + 64);
    let channel = terms.channel_name_of(session.number);
    put_bytes(&mut publish, 1, channel.as_bytes());
    // A JSON text, as clients of the other form need it.
    let quoted = [b"\"", data, b"\""].concat();
    put_bytes(&mut publish, 2, &quoted);
    let command = command(session.last_command, 7, &publish);
    frame::put(out, frame::BINARY, &command);
}

pub(super) fn receive(
    context: &mut Context<'_>,
    session: &mut Session,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let mut rest = payload;
    while !rest.is_empty() {
        let reply = take_bytes(&mut rest).ok_or("a broken reply")?;
        if reply.is_empty() {
            frame::put(out, frame::BINARY, &[0]);
        } else if session.is_joined && context.deliver(session.number, reply) {
            if context.terms.keeps_positions {
                let offset = field(reply, 4)
                    .and_then(|push| field(push.bytes, 4))
                    .and_then(|publication| field(publication.bytes, 6));
                if let Some(offset) = offset {
                    session.position.get_or_insert_default().offset = offset.number;
                }
            }
        } else {
            read_reply(context, session, reply)?;
        }
    }
    Ok(())
}

fn read_reply(
    context: &mut Context<'_>,
    session: &mut Session,
    reply: &[u8],
) -> Result<(), String> {
    let id = field(reply, 1).map_or(0, |id| id.number);
    if let Some(error) = field(reply, 2) {
        let code = field(error.bytes, 1).map_or(0, |code| code.number);
        let text = field(error.bytes, 2)
            .map_or_else(Default::default, |text| String::from_utf8_lossy(text.bytes));
        if id <= u64::from(SUBSCRIBE) {
            return Err(format!("error {code}: {text}"));
        }
        session.asked.pop_front();
        context.tally.refused(0, None, format!("error {code}"));
    } else if id == u64::from(SUBSCRIBE) {
        session.is_joined = true;
        if context.terms.keeps_positions {
            let told = field(reply, 6).map_or(&[][..], |told| told.bytes);
            session.position = Some(Box::new(position(told)));
        }
        context.deliver(session.number, reply);
    } else if id == u64::from(CONNECT) && !context.terms.subscribes {
        session.is_joined = true;
    } else if id > u64::from(SUBSCRIBE) {
        let asked = session.asked.pop_front().unwrap_or(context.now);
        context.tally.note_answer(0, asked, context.now);
    } else if let Some(told) = field(reply, 4).and_then(|push| field(push.bytes, 7)) {
        let code = field(told.bytes, 2).map_or(0, |code| code.number);
        return Err(format!("unsubscribed {code}"));
    }
    Ok(())
}

/// The place behind a subscription's answer and what it recovered.
fn position(told: &[u8]) -> Position {
    let mut position = Position::default();
    let (mut rest, mut newest) = (told, None);
    while let Some(found) = next_field(&mut rest) {
        match found.number_of_field {
            6 => position.epoch = String::from_utf8_lossy(found.bytes).into_owned(),
            7 => newest = field(found.bytes, 6).map(|offset| offset.number).or(newest),
            9 => position.offset = found.number,
            _ => (),
        }
    }
    position.offset = newest.unwrap_or(position.offset);
    position
}

/// One field of a message as it came: a number, or bytes.
#[derive(Debug, Clone, Copy)]
struct WireField<'a> {
    number_of_field: u64,
    number: u64,
    bytes: &'a [u8],
}

fn next_field<'a>(rest: &mut &'a [u8]) -> Option<WireField<'a>> {
    let tag = take_number(rest)?;
    let (mut number, mut bytes) = (0, &[][..]);
    match tag & 7 {
        0 => number = take_number(rest)?,
        1 => *rest = rest.get(8..)?,
        2 => bytes = take_bytes(rest)?,
        5 => *rest = rest.get(4..)?,
        _ => return None,
    }
    Some(WireField {
        number_of_field: tag >> 3,
        number,
        bytes,
    })
}

/// The first field of a number.
fn field(message: &[u8], number: u64) -> Option<WireField<'_>> {
    let mut rest = message;
    std::iter::from_fn(|| next_field(&mut rest)).find(|field| field.number_of_field == number)
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(first & 0x7F) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_number(rest)?).ok()?;
    let (bytes, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(bytes)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    put_varint(out, field << 3);
    put_varint(out, value);
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A command with its length in front.
fn command(id: u32, field: u64, request: &[u8]) -> Vec<u8> {
    let mut command = Vec::with_capacity(request.len() + 16);
    put_number(&mut command, 1, u64::from(id));
    put_bytes(&mut command, field, request);
    let mut out = Vec::with_capacity(command.len() + 4);
    put_varint(&mut out, command.len() as u64);
    out.extend(command);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut request = Vec::new();
        put_bytes(&mut request, 1, &[b'x'; 300]);
        put_number(&mut request, 7, u64::MAX);
        let sent = command(70_000, 5, &request);
        let mut rest = &sent[..];
        let read = take_bytes(&mut rest).unwrap();
        assert!(rest.is_empty());
        assert_eq!(field(read, 1).unwrap().number, 70_000);
        let read = field(read, 5).unwrap().bytes;
        assert_eq!(field(read, 1).unwrap().bytes, [b'x'; 300]);
        assert_eq!(field(read, 7).unwrap().number, u64::MAX);
        assert!(field(read, 2).is_none());
    }

    #[test]
    fn what_is_cut_is_no_message() {
        let sent = command(1, 4, b"");
        for cut in 1..sent.len() {
            assert!(take_bytes(&mut &sent[..cut]).is_none());
        }
    }
}
