//! The decoder: masked frames in, messages out (RFC 6455 §5 and §6.2, the server's side).
//!
//! Owned by one session's reader. Between messages it owns no heap; with a message under way it
//! holds at most about twice what arrived of it, and never more than the message limit plus one
//! control frame. A stream of empty fragments costs no memory. It must not answer: pings and closes
//! are handed up, violations are the session's to tell.

use std::mem;

use bytes::Bytes;

use super::{
    Message, Opcode, ProtocolError, close_body,
    header::{FrameHeader, HEAD_BYTES_MAX, Rules},
    mask,
    message_buffer::{MessageBuffer, MessageKind},
};

/// Decodes one connection's input.
#[derive(Debug)]
pub struct Decoder {
    message_bytes_max: usize,
    /// Boxed, so that an idle connection pays eight bytes for it.
    partial: Option<Box<PartialInput>>,
    state: DecoderState,
    deflate: bool,
    head_len: u8,
    /// The front of a head that has not all arrived.
    head: [u8; HEAD_BYTES_MAX],
}

/// What is under way; dropped as soon as none of it is.
#[derive(Debug, Default)]
struct PartialInput {
    /// The data message, from its first byte to its last.
    message: Option<MessageBuffer>,
    /// The frame whose payload is arriving.
    frame: Option<PartialFrame>,
    /// The payload of a control frame that arrives in pieces; at most 125 bytes.
    control: Vec<u8>,
}

/// A frame whose payload is arriving.
#[derive(Clone, Copy, Debug)]
struct PartialFrame {
    opcode: Opcode,
    fin: bool,
    /// Payload bytes still to come.
    left: usize,
    /// The mask, rotated to the next of them.
    key: [u8; 4],
}

#[derive(Clone, Copy, Debug)]
enum DecoderState {
    Open,
    /// The peer closed: whatever follows is not looked at (RFC 6455 §1.4, §5.5.1).
    Closed,
    Failed(ProtocolError),
}

impl Decoder {
    /// A decoder for messages of at most `message_bytes_max` bytes; `deflate` says that
    /// permessage-deflate was agreed.
    #[must_use]
    pub fn new(message_bytes_max: usize, deflate: bool) -> Self {
        Self {
            message_bytes_max,
            partial: None,
            state: DecoderState::Open,
            deflate,
            head_len: 0,
            head: [0; HEAD_BYTES_MAX],
        }
    }

    /// Takes bytes from the front of `input`, unmasking them in place, and returns the next
    /// message, or `None` when `input` is used up. Part of a frame is kept inside.
    ///
    /// After an error the connection is lost: every further call returns the same. After a Close
    /// every further byte is taken and ignored.
    ///
    /// # Errors
    /// What the peer did wrong, at the earliest byte that proves it.
    pub fn decode(&mut self, input: &mut &mut [u8]) -> Result<Option<Message>, ProtocolError> {
        match self.state {
            DecoderState::Open => {}
            DecoderState::Closed => {
                *input = &mut [];
                return Ok(None);
            }
            DecoderState::Failed(protocol_error) => return Err(protocol_error),
        }
        let result = self.next(input);
        match &result {
            Ok(Some(Message::Close(_))) => {
                self.state = DecoderState::Closed;
                self.partial = None;
            }
            Ok(_) => {}
            Err(protocol_error) => {
                self.state = DecoderState::Failed(*protocol_error);
                self.partial = None;
            }
        }
        result
    }

    /// Heap held now: what is buffered of a message or frame that has not all arrived.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            let message = partial
                .message
                .as_ref()
                .map_or(0, MessageBuffer::heap_bytes);
            size_of::<PartialInput>() + message + partial.control.capacity()
        })
    }

    fn next(&mut self, input: &mut &mut [u8]) -> Result<Option<Message>, ProtocolError> {
        loop {
            if self
                .partial
                .as_ref()
                .is_none_or(|partial| partial.frame.is_none())
            {
                let Some(header) = self.take_header(input)? else {
                    return Ok(None);
                };
                if let Some(message) = self.take_whole(&header, input)? {
                    return Ok(Some(message));
                }
                self.begin(&header);
            }
            if let Some(message) = self.take_payload(input)? {
                return Ok(Some(message));
            }
            if input.is_empty() {
                return Ok(None);
            }
        }
    }

    /// The next frame's head, from `input` and from what is kept of it.
    fn take_header(&mut self, input: &mut &mut [u8]) -> Result<Option<FrameHeader>, ProtocolError> {
        let message = self
            .partial
            .as_ref()
            .and_then(|partial| partial.message.as_ref());
        let rules = Rules {
            deflate: self.deflate,
            message_bytes_max: self.message_bytes_max,
            joined_bytes: message.map(MessageBuffer::len),
        };
        if self.head_len == 0
            && let Some((header, used)) = FrameHeader::parse(input, rules)?
        {
            take(input, used);
            return Ok(Some(header));
        }
        while let [byte, ..] = **input {
            take(input, 1);
            let len = usize::from(self.head_len) + 1;
            // In range: a head is whole at 14 bytes at the latest, and then `head_len` starts anew.
            self.head[len - 1] = byte;
            self.head_len = len as u8;
            if let Some((header, _)) = FrameHeader::parse(&self.head[..len], rules)? {
                self.head_len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// The fast path: a frame that is a whole message and is all there is never buffered.
    fn take_whole(
        &self,
        header: &FrameHeader,
        input: &mut &mut [u8],
    ) -> Result<Option<Message>, ProtocolError> {
        if !header.fin || header.opcode == Opcode::Continuation || header.len > input.len() {
            return Ok(None);
        }
        let payload = take(input, header.len);
        mask::apply(payload, header.key);
        whole(header, payload, self.message_bytes_max).map(Some)
    }

    /// The payload comes in pieces, or is a fragment: make room for what it takes part in.
    fn begin(&mut self, header: &FrameHeader) {
        let partial = self.partial.get_or_insert_default();
        if let Some(kind) = kind_of(header) {
            partial.message = Some(MessageBuffer::new(kind));
        }
        partial.frame = Some(PartialFrame {
            opcode: header.opcode,
            fin: header.fin,
            left: header.len,
            key: header.key,
        });
    }

    /// As much as has come of the payload under way; a message if that ended one.
    fn take_payload(&mut self, input: &mut &mut [u8]) -> Result<Option<Message>, ProtocolError> {
        let Some(partial) = self.partial.as_deref_mut() else {
            return Ok(None);
        };
        let Some(frame) = partial.frame.as_mut() else {
            return Ok(None);
        };
        let payload = take(input, frame.left.min(input.len()));
        mask::apply(payload, frame.key);
        frame.key = mask::rotate(frame.key, payload.len());
        frame.left -= payload.len();
        let PartialFrame {
            opcode, fin, left, ..
        } = *frame;

        if opcode.is_control() {
            partial.control.extend_from_slice(payload);
            if left > 0 {
                return Ok(None);
            }
            let body = mem::take(&mut partial.control);
            self.end_frame();
            return control(opcode, &body).map(Some);
        }

        let Some(message) = partial.message.as_mut() else {
            return Ok(None);
        };
        // The last frame cannot grow any more, so the last buffer is of the message's size.
        let ceiling = if fin {
            message.len() + payload.len() + left
        } else {
            self.message_bytes_max
        };
        message.push(payload, ceiling);
        if left > 0 || !fin {
            message.check()?;
            if left == 0 {
                partial.frame = None;
            }
            return Ok(None);
        }
        let message = partial.message.take();
        self.end_frame();
        message
            .map(|message| message.finish(self.message_bytes_max))
            .transpose()
    }

    /// Forgets the frame, and everything if no message is under way.
    fn end_frame(&mut self) {
        if let Some(partial) = self.partial.as_mut() {
            partial.frame = None;
            if partial.message.is_none() {
                self.partial = None;
            }
        }
    }
}

/// Cuts the first `n` bytes off `input`.
fn take<'a>(input: &mut &'a mut [u8], n: usize) -> &'a mut [u8] {
    let (front, rest) = mem::take(input).split_at_mut(n);
    *input = rest;
    front
}

/// What message this frame begins; `None` if it begins none.
fn kind_of(header: &FrameHeader) -> Option<MessageKind> {
    let text = match header.opcode {
        Opcode::Text => true,
        Opcode::Binary => false,
        _ => return None,
    };
    Some(MessageKind {
        text,
        compressed: header.compressed,
    })
}

/// A frame that is a message by itself, with its unmasked payload.
fn whole(header: &FrameHeader, payload: &[u8], limit: usize) -> Result<Message, ProtocolError> {
    match kind_of(header) {
        Some(kind) => kind.message(payload, limit),
        None => control(header.opcode, payload),
    }
}

/// A whole control frame.
fn control(opcode: Opcode, payload: &[u8]) -> Result<Message, ProtocolError> {
    match opcode {
        Opcode::Close => close_body::parse(payload).map(Message::Close),
        Opcode::Ping => Ok(Message::Ping(Bytes::copy_from_slice(payload))),
        _ => Ok(Message::Pong(Bytes::copy_from_slice(payload))),
    }
}
