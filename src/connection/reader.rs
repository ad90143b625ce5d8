//! The read half of a session: a stream of messages, polled by the session's actor.
//!
//! Bytes are read into one buffer a thread, so that an idle session holds none; only what follows
//! the first message of a read, and the beginning of a message that is not complete yet, is kept.
//! Each poll first writes what the session has queued, which is how the replies of one turn leave
//! together, and stops reading while those replies fill half of the outbox.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web_actors::ws;
use bytes::{Buf, BytesMut};
use futures_core::Stream;
use tokio::io::ReadBuf;

use super::{Connection, ConnectionPhase, clock};
use crate::{
    close::Ending,
    codec::{Decoder, Message, ProtocolError},
};

/// Bytes taken from a socket at a time.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// What a session hears of its socket.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// A whole message.
    Message(ws::Message),
    /// The client does not keep to the protocol (RFC 6455, RFC 7692); nothing more will come.
    Fault(ProtocolError),
    /// The session was ended by someone else than its client: a limit, a timeout, a command, a
    /// drain. Comes once.
    Ended,
    /// So many bytes were read that nobody hears of: they complete no message, or came behind our
    /// Close and are not the client's. Reading them has its cost all the same.
    Unheard(usize),
}

/// Bytes that were taken, and what they make: a message, or nothing yet.
type Decoded = (usize, Result<Option<Message>, ProtocolError>);

/// The read half; ends when the connection is over.
pub(crate) struct Reader {
    connection: Rc<Connection>,
    decoder: Decoder,
    /// Bytes behind the first message of the last read; never without any.
    rest: Option<Box<BytesMut>>,
    told: bool,
    /// The end of input was seen.
    ended: bool,
}

impl Reader {
    /// Reads from `connection`'s socket, `read_buf` (what came with the handshake) first.
    #[must_use]
    pub(crate) fn new(connection: Rc<Connection>, decoder: Decoder, read_buf: BytesMut) -> Self {
        Self {
            connection,
            decoder,
            rest: (!read_buf.is_empty()).then(|| Box::new(read_buf)),
            told: false,
            ended: false,
        }
    }

    /// Decodes from what is left of the last read, of which it takes so many bytes; nothing if
    /// nothing is left.
    fn decode_rest(&mut self) -> Option<Decoded> {
        let rest = self.rest.as_mut()?;
        let mut input: &mut [u8] = rest;
        let before = input.len();
        let result = self.decoder.decode(&mut input);
        let used = before - input.len();
        rest.advance(used);
        if rest.is_empty() {
            self.rest = None;
        }
        Some((used, result))
    }

    /// Reads once, so many bytes, and decodes the first message; the rest is kept. `Ready(None)` is
    /// the end of input.
    fn poll_decode(&mut self, cx: &mut Context<'_>) -> Poll<Option<Decoded>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let n = ready!(self.poll_fill(cx, scratch));
            if n == 0 {
                return Poll::Ready(None);
            }
            let mut input = &mut scratch[..n];
            let result = self.decoder.decode(&mut input);
            if result.is_ok() && !input.is_empty() {
                self.rest.get_or_insert_default().extend_from_slice(input);
            }
            Poll::Ready(Some((n, result)))
        })
    }

    /// Reads and forgets; `Ready` at the end of input.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.rest = None;
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                if ready!(self.poll_fill(cx, scratch)) == 0 {
                    return Poll::Ready(());
                }
            }
        })
    }

    /// Reads once; 0 is the end of input or a lost connection.
    fn poll_fill(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<usize> {
        let mut buf = ReadBuf::new(scratch);
        match ready!(self.connection.poll_read(cx, &mut buf)) {
            Ok(()) => {
                let n = buf.filled().len();
                if n > 0 {
                    self.connection.on_activity(n);
                }
                Poll::Ready(n)
            }
            Err(_) => Poll::Ready(0),
        }
    }
}

impl Stream for Reader {
    type Item = Inbound;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let mut phase = this.connection.phase();
            // While more of the same read is at hand, its replies join those that wait already.
            if phase != ConnectionPhase::Open
                || this.rest.is_none()
                || this.connection.reads_paused()
            {
                phase = this.connection.poll_write(cx, clock::now());
            }
            match phase {
                ConnectionPhase::Ended => return Poll::Ready(None),
                ConnectionPhase::Lingering | ConnectionPhase::Closing if !this.told => {
                    this.told = true;
                    return Poll::Ready(Some(Inbound::Ended));
                }
                ConnectionPhase::Lingering => {
                    if !this.ended {
                        ready!(this.poll_discard(cx));
                        this.ended = true;
                        continue;
                    }
                    // The client will say nothing more, but may still read what it is owed.
                    if !this.connection.is_done() {
                        return Poll::Pending;
                    }
                    this.connection.end(Ending::Lost);
                    return Poll::Ready(None);
                }
                ConnectionPhase::Open if this.connection.reads_paused() => return Poll::Pending,
                // Who was closed and goes on sending is read in turns as well.
                ConnectionPhase::Closing if this.connection.is_resting() => return Poll::Pending,
                ConnectionPhase::Open | ConnectionPhase::Closing => {}
            }
            let decoded = match this.decode_rest() {
                None => ready!(this.poll_decode(cx)),
                rest => rest,
            };
            let Some((bytes, result)) = decoded else {
                this.connection.end(Ending::Lost);
                return Poll::Ready(None);
            };
            match result {
                Ok(None) => return Poll::Ready(Some(Inbound::Unheard(bytes))),
                Ok(Some(message)) => {
                    let is_close = matches!(message, Message::Close(_));
                    if phase == ConnectionPhase::Open || is_close {
                        // A Close of the client's is news enough.
                        this.told |= is_close;
                        return Poll::Ready(Some(Inbound::Message(translate(message))));
                    }
                    return Poll::Ready(Some(Inbound::Unheard(len(&message))));
                }
                Err(_) if phase == ConnectionPhase::Closing => this.connection.stop_waiting(),
                Err(protocol_error) => {
                    this.told = true;
                    return Poll::Ready(Some(Inbound::Fault(protocol_error)));
                }
            }
        }
    }
}

/// Bytes of what a message brings.
fn len(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    }
}

/// The codec's message in the words of actix-web-actors.
fn translate(message: Message) -> ws::Message {
    match message {
        Message::Text(text) => ws::Message::Text(text),
        Message::Binary(bytes) => ws::Message::Binary(bytes),
        Message::Ping(bytes) => ws::Message::Ping(bytes),
        Message::Pong(bytes) => ws::Message::Pong(bytes),
        Message::Close(close) => ws::Message::Close(close.map(|close| ws::CloseReason {
            code: ws::CloseCode::from(close.code),
            description: (!close.reason.is_empty()).then(|| close.reason.to_string()),
        })),
    }
}
