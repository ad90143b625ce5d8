//! The differential check: what `tungstenite`, in the server's role, makes of the same bytes.
//!
//! Used by the decoder's target. The two may differ in this and nothing else:
//! - tungstenite judges a frame when all of it is there, we at its earliest wrong byte. So where we
//!   refuse, it may still wait; where we accept, it must accept.
//! - It takes lengths that are not in their shortest form; RFC 6455 §5.2 does not. On a control
//!   frame we call any long form too long, at the byte that announces it.
//! - It turns a Close of a bad code into one of 1002 instead of refusing it, and counts 1014 as
//!   bad, which is registered.
//! - After a Close it refuses what we ignore; both end there, so the comparison does too.

use std::io::{self, Read, Write};

use fanfare::codec::{Message, ProtocolError};
use tungstenite::{
    Error,
    protocol::{Role, WebSocket, WebSocketConfig},
};

/// Input from memory, output to nowhere.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Panics where the two differ and must not.
pub fn compare(bytes: &[u8], limit: usize, ours: &(Vec<Message>, Option<ProtocolError>)) {
    if limit > 1 << 20 {
        // It reserves what a head announces.
        return;
    }
    let (messages, protocol_error) = ours;
    let (theirs, refused) = read(bytes, limit);
    let closed = matches!(theirs.last(), Some(tungstenite::Message::Close(_)));
    let lenient = matches!(
        protocol_error,
        Some(
            ProtocolError::LengthNotMinimal
                | ProtocolError::ControlTooLong
                | ProtocolError::CloseCodeIllegal(_)
        )
    );

    assert!(
        messages.len() == theirs.len() || (lenient && messages.len() < theirs.len()),
        "{ours:?}\nagainst {theirs:?}"
    );
    for (our, their) in messages.iter().zip(&theirs) {
        assert!(same(our, their), "{our:?} against {their:?}");
    }
    if protocol_error.is_none() && !closed {
        assert_eq!(refused, None, "we accept what it refuses: {messages:?}");
    }
}

/// Its messages up to a Close, and why it refused what followed.
fn read(bytes: &[u8], limit: usize) -> (Vec<tungstenite::Message>, Option<String>) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(limit))
        // Counts control frames too, which are no messages; the limit above still holds for data.
        .max_frame_size(Some(limit.max(125)));
    let mut socket = WebSocket::from_raw_socket(Wire(bytes), Role::Server, Some(config));
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => {
                let closed = message.is_close();
                messages.push(message);
                if closed {
                    return (messages, None);
                }
            }
            // The end of input.
            Err(Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => return (messages, None),
            Err(error) => return (messages, Some(error.to_string())),
        }
    }
}

fn same(our: &Message, their: &tungstenite::Message) -> bool {
    use tungstenite::Message as Their;
    match (our, their) {
        (Message::Text(our), Their::Text(their)) => **our == *their.as_str(),
        (Message::Binary(our), Their::Binary(their))
        | (Message::Ping(our), Their::Ping(their))
        | (Message::Pong(our), Their::Pong(their)) => our == their,
        (Message::Close(None), Their::Close(None)) => true,
        (Message::Close(Some(our)), Their::Close(Some(their))) => {
            our.code == 1014
                || (our.code == u16::from(their.code) && *our.reason == *their.reason.as_str())
        }
        _ => false,
    }
}
