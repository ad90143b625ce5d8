//! Frames of a WebSocket client made of bytes, so that a test can send what no library would: how
//! they come and how they are sent. Both the tests on socket pairs and `tests/wire` read this file,
//! so it names nothing of the crate.

use std::collections::VecDeque;

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// FIN, RSV bits and opcode.
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn text(text: &str) -> Self {
        Self {
            first: 0x81,
            payload: text.into(),
        }
    }

    pub(crate) fn binary(bytes: &[u8]) -> Self {
        Self {
            first: 0x82,
            payload: bytes.into(),
        }
    }

    pub(crate) fn is(&self, opcode: u8) -> bool {
        self.first & 0x0f == opcode
    }

    /// Code and reason of a Close.
    pub(crate) fn code_and_reason(&self) -> (u16, String) {
        assert!(self.is(8), "not a Close: {self:?}");
        match self.payload.as_slice() {
            [] => (1005, String::new()),
            [a, b, reason @ ..] => (
                u16::from_be_bytes([*a, *b]),
                String::from_utf8_lossy(reason).into_owned(),
            ),
            one => panic!("a Close of {} byte", one.len()),
        }
    }

    /// Takes a server's frame out of what has come, once it is whole.
    pub(crate) fn take(bytes: &mut VecDeque<u8>) -> Option<Self> {
        let at = |index: usize| bytes.get(index).copied().map(usize::from);
        assert_eq!(at(1)? & 0x80, 0, "a server's frame is not masked");
        let (length, head) = match at(1)? {
            126 => (at(2)? << 8 | at(3)?, 4),
            127 => {
                let mut length = 0;
                for index in 2..10 {
                    length = length << 8 | at(index)?;
                }
                (length, 10)
            }
            length => (length, 2),
        };
        if bytes.len() < head + length {
            return None;
        }
        let first = bytes[0];
        bytes.drain(..head);
        Some(Self {
            first,
            payload: bytes.drain(..length).collect(),
        })
    }
}

/// A client's frame.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        n @ 0..=125 => frame.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    let bytes = payload.iter().zip(mask.iter().cycle());
    frame.extend(bytes.map(|(byte, mask)| byte ^ mask));
    frame
}
