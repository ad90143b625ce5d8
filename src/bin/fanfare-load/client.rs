//! One client: a connection, from its beginning to its end, and what comes on it.
//!
//! Owned by the fleet. Bounds: it holds memory of its own only for what arrived in part and for
//! what the server would not take yet. Pings are answered here, as every client must.

use std::io::ErrorKind;

use crate::{
    body::Body,
    frame, handshake,
    inflate::Inflater,
    protocol::{Context, Session},
    shared::Shared,
    stream::Stream,
};

/// A connection with what is known of its session.
#[derive(Debug)]
pub(crate) struct Client {
    pub stream: Stream,
    pub session: Session,
    /// When it was to begin.
    pub began: u64,
    pub unsent: Vec<u8>,
    state: ClientState,
    /// The start of what has not arrived whole.
    partial: Vec<u8>,
    /// The frames of a message of several.
    fragments: Vec<u8>,
    are_deflated: bool,
    inflater: Option<Box<Inflater>>,
}

/// What the client waits for or reads.
#[derive(Debug)]
enum ClientState {
    /// The socket is not connected yet.
    Connecting,
    /// The answer to the handshake is awaited.
    Handshake,
    Frames,
    Events(Box<Body>),
}

impl Client {
    pub(crate) fn new(stream: Stream, session: Session, request: Vec<u8>, began: u64) -> Self {
        Self {
            stream,
            session,
            began,
            unsent: request,
            state: ClientState::Connecting,
            partial: Vec::new(),
            fragments: Vec::new(),
            are_deflated: false,
            inflater: None,
        }
    }

    /// Goes on after the system told something. An error says how the connection ended.
    pub(crate) fn on_event(&mut self, shared: &mut Shared<'_>) -> Result<(), String> {
        if matches!(self.state, ClientState::Connecting) {
            if let Ok(Some(error)) = self.stream.socket().take_error() {
                return Err(error.to_string());
            }
            if self.stream.socket().peer_addr().is_err() {
                return Ok(());
            }
            self.state = ClientState::Handshake;
        }
        self.flush()?;
        self.read(shared)?;
        self.flush()
    }

    /// Writes what waits. What ended the connection is told by the read that follows.
    pub(crate) fn flush(&mut self) -> Result<(), String> {
        let is_idle = self.unsent.is_empty() && self.stream.is_plain();
        if is_idle || matches!(self.state, ClientState::Connecting) {
            return Ok(());
        }
        if self.stream.flush(&mut self.unsent).is_err() {
            self.unsent.clear();
        }
        Ok(())
    }

    fn read(&mut self, shared: &mut Shared<'_>) -> Result<(), String> {
        loop {
            let count = match self.stream.read(shared.buffer) {
                Ok(0) => return Err("end of stream".to_owned()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.to_string()),
            };
            let mut context = Context {
                now: shared.plan.clock.now(),
                terms: &shared.plan.terms,
                tally: shared.tally,
            };
            let bytes = &shared.buffer[..count];
            if self.partial.is_empty() {
                let used = self.take(&mut context, bytes)?;
                self.partial.extend_from_slice(&bytes[used..]);
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(bytes);
                let used = self.take(&mut context, &whole)?;
                whole.drain(..used);
                // An empty vector keeps its memory; a client that has nothing shall hold nothing.
                self.partial = if whole.is_empty() { Vec::new() } else { whole };
            }
            // A short read emptied the socket, and what comes later is a new edge: one call less
            // for each delivery.
            if count < shared.buffer.len() && self.stream.is_plain() {
                return Ok(());
            }
        }
    }

    /// Handles what is whole in `bytes` and says how many were used.
    fn take(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Result<usize, String> {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            let step = match &mut self.state {
                ClientState::Connecting | ClientState::Handshake => self.answer(context, rest)?,
                ClientState::Frames => self.frame(context, rest)?,
                ClientState::Events(body) => {
                    let protocol = context.terms.protocol;
                    let session = &mut self.session;
                    body.feed(rest, &mut |lines| {
                        protocol.receive_lines(context, session, lines);
                    })?;
                    if body.is_over() {
                        return Err("end of the events".to_owned());
                    }
                    rest.len()
                }
            };
            if step == 0 {
                break;
            }
            used += step;
        }
        Ok(used)
    }

    /// The answer to the handshake.
    fn answer(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Result<usize, String> {
        let Some(head) = handshake::head(bytes)? else {
            return Ok(0);
        };
        let terms = context.terms;
        let is_right = if terms.is_web_socket {
            head.status == 101 && head.accepted
        } else {
            head.status == 200
        };
        if !is_right {
            return Err(format!("the handshake was answered with {}", head.status));
        }
        if terms.is_web_socket {
            self.state = ClientState::Frames;
            if head.deflates {
                self.inflater = Some(Box::new(Inflater::new(head.keeps_window)));
            }
            terms
                .protocol
                .open(terms, &mut self.session, &mut self.unsent);
        } else {
            self.state = ClientState::Events(Box::new(Body::new(head.is_chunked)));
            self.session.is_joined = true;
        }
        if self.session.is_joined {
            context.tally.opened(self.began, context.now);
        }
        Ok(head.length)
    }

    fn frame(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Result<usize, String> {
        let Some(frame) = frame::take(bytes)? else {
            return Ok(0);
        };
        match frame.opcode {
            frame::TEXT | frame::BINARY if frame.is_final => {
                self.message(context, frame.payload, frame.is_deflated)?;
            }
            frame::TEXT | frame::BINARY => {
                self.are_deflated = frame.is_deflated;
                self.fragments = frame.payload.to_vec();
            }
            frame::CONTINUATION => {
                self.fragments.extend_from_slice(frame.payload);
                if self.fragments.len() as u64 > frame::PAYLOAD_MAX {
                    return Err("a message of more than 16 MiB".to_owned());
                }
                if frame.is_final {
                    let whole = std::mem::take(&mut self.fragments);
                    self.message(context, &whole, self.are_deflated)?;
                }
            }
            frame::PING => frame::put(&mut self.unsent, frame::PONG, frame.payload),
            frame::PONG => (),
            frame::CLOSE => {
                frame::put(&mut self.unsent, frame::CLOSE, frame.payload);
                self.flush()?;
                return Err(frame::close_text(frame.payload));
            }
            _ => return Err("a frame with an unknown opcode".to_owned()),
        }
        Ok(frame.length)
    }

    fn message(
        &mut self,
        context: &mut Context<'_>,
        payload: &[u8],
        is_deflated: bool,
    ) -> Result<(), String> {
        let was_joined = self.session.is_joined;
        let payload = match &mut self.inflater {
            Some(inflater) if is_deflated => inflater.inflate(payload)?,
            _ if is_deflated => return Err("a deflated message that was not asked for".to_owned()),
            _ => payload,
        };
        let protocol = context.terms.protocol;
        protocol.receive(context, &mut self.session, payload, &mut self.unsent)?;
        if self.session.is_joined && !was_joined {
            context.tally.opened(self.began, context.now);
        }
        Ok(())
    }
}
