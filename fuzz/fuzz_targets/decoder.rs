//! Fuzzes the decoder: one piece and any split must agree, memory stays bounded, and `tungstenite`
//! must agree on the verdict and on every message before it.
//!
//! The input's first bytes choose the limit, deflate, the splits, and whether the rest is raw bytes
//! or the parts of frames with right lengths. Nothing is written, nothing is kept between runs.
#![no_main]

mod peer;

use fanfare::codec::{Decoder, Message, ProtocolError};
use libfuzzer_sys::fuzz_target;

type Outcome = (Vec<Message>, Option<ProtocolError>);

fuzz_target!(|data: &[u8]| {
    let [choice, seed, rest @ ..] = data else {
        return;
    };
    let limit = [0, 1, 60, 125, 300, 4096, 65_536, 1 << 40][usize::from(choice & 7)];
    let deflate = choice & 8 != 0;
    let bytes = if choice & 16 != 0 {
        frames(rest)
    } else {
        rest.to_vec()
    };

    let whole = decode(&bytes, limit, deflate, usize::MAX, 0);
    let shortest = if bytes.len() < 4096 { 1 } else { 100 };
    for (longest, seed) in [
        (shortest, 0),
        (7 * shortest, u32::from(*seed)),
        (300, u32::from(*seed)),
    ] {
        let split = decode(&bytes, limit, deflate, longest, seed);
        assert_eq!(split, whole, "pieces of up to {longest} bytes");
    }
    if !deflate {
        peer::compare(&bytes, limit, &whole);
    }
});

/// Feeds `bytes` in pieces of 1 to `longest` bytes.
fn decode(bytes: &[u8], limit: usize, deflate: bool, longest: usize, seed: u32) -> Outcome {
    let mut decoder = Decoder::new(limit, deflate);
    let mut messages = Vec::new();
    let mut received = 0;
    let mut random = seed | 1;
    let mut rest = bytes;
    while !rest.is_empty() {
        // xorshift: any sequence will do, as long as the same input gives the same one.
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let n = match longest {
            usize::MAX => rest.len(),
            longest => (1 + random as usize % longest).min(rest.len()),
        };
        let (piece, later) = rest.split_at(n);
        rest = later;
        received += n;
        let mut piece = piece.to_vec();
        let mut input = &mut piece[..];
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(protocol_error) => {
                    let again = decoder.decode(&mut &mut [0x81, 0x80, 0, 0, 0, 0][..]);
                    assert_eq!(again, Err(protocol_error), "a violation stays");
                    assert_eq!(decoder.heap_bytes(), 0);
                    return (messages, Some(protocol_error));
                }
            }
        }
        assert!(input.is_empty(), "`None` means that all input was taken");
        let bound = received.min(limit / 2).saturating_mul(2) + 512;
        assert!(decoder.heap_bytes() <= bound, "memory over its bound");
    }
    (messages, None)
}

/// Reads the input as parts: first byte, form of the length, payload length, payload. So the fuzzer
/// need not guess lengths.
fn frames(mut parts: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let [first, form, len, rest @ ..] = parts {
        // Long frames are slow to feed, so they are rare.
        let len = match form {
            0..200 => usize::from(len % 126),
            200..250 => 126 + usize::from(*len),
            _ => 65_536 + usize::from(*len),
        };
        let given = len.min(rest.len()).min(16 + len % 300);
        let (payload, later) = rest.split_at(given);
        parts = later;
        bytes.push(*first);
        match len {
            0..=125 => bytes.push(0x80 | len as u8),
            126..=0xffff => {
                bytes.push(0xfe);
                bytes.extend((len as u16).to_be_bytes());
            }
            len => {
                bytes.push(0xff);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        // A mask of zeros keeps the payload readable; the raw form tries others.
        bytes.extend([0; 4]);
        bytes.extend(payload.iter().chain(&vec![b'a'; len - given]));
    }
    bytes
}
