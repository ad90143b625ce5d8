//! The codec's tests as plain data: bytes in, messages out. Shared helpers here, one file for each
//! subject.
//!
//! Properties over arbitrary input stand in `tests/codec_properties.rs`, the fuzz targets in
//! `fuzz/`.

mod close;
mod compressed;
mod frames;
mod memory;
mod text;

use super::{Decoder, Message, ProtocolError, mask};

const LIMIT: usize = 65536;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame with this first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            bytes.push(0xfe);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0xff);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&KEY);
    let head = bytes.len();
    bytes.extend_from_slice(payload);
    mask::apply(&mut bytes[head..], KEY);
    bytes
}

/// Feeds pieces; all messages, and the error that ended them.
fn feed<'a>(
    decoder: &mut Decoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Message>, Option<ProtocolError>) {
    let mut messages = Vec::new();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut input = &mut piece[..];
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => {
                    assert!(input.is_empty(), "`None` means that all input was taken");
                    break;
                }
                Err(protocol_error) => return (messages, Some(protocol_error)),
            }
        }
    }
    (messages, None)
}

/// Feeds `bytes` to a new decoder in one piece and byte by byte; both must agree.
fn run(bytes: &[u8], deflate: bool) -> (Vec<Message>, Option<ProtocolError>) {
    let whole = feed(&mut Decoder::new(LIMIT, deflate), [bytes]);
    let single = feed(&mut Decoder::new(LIMIT, deflate), bytes.chunks(1));
    assert_eq!(whole, single, "one piece and single bytes must agree");
    whole
}

/// The messages of a legal stream.
fn messages(bytes: &[u8]) -> Vec<Message> {
    let (messages, protocol_error) = run(bytes, true);
    assert_eq!(protocol_error, None);
    messages
}

/// The violation that ends a stream, and how many bytes it took to see it.
fn protocol_error(bytes: &[u8], deflate: bool) -> (ProtocolError, usize) {
    let (_, protocol_error) = run(bytes, deflate);
    let mut decoder = Decoder::new(LIMIT, deflate);
    let at = bytes
        .chunks(1)
        .take_while(|byte| feed(&mut decoder, [*byte]).1.is_none())
        .count();
    (protocol_error.expect("must be refused"), at + 1)
}

fn text(text: &str) -> Message {
    Message::Text(text.into())
}

fn binary(bytes: &[u8]) -> Message {
    Message::Binary(bytes.to_vec().into())
}
