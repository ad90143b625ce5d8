//! Many connections on one thread and one epoll: WebSockets, raw or of the client protocol, and
//! plain HTTP.
//!
//! Owned by one measurement. Bounds: one read buffer for all; a connection holds memory of its own
//! only for what arrived in part, or for what the server would not take yet. Pings of either kind
//! are answered here, as every client must. An end is an event, not an error: whether it was to be
//! expected is the measurement's to say. It must stay cheap: it has one core, and a slow receiver
//! would measure itself.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{error::LoadError, frame, handshake, http};

/// One read takes at most this much, from one connection.
const READ_BYTES: usize = 256 << 10;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A raw endpoint.
    Raw,
    /// The client protocol in JSON, where `{}` is a ping.
    Protocol,
    /// Requests, one after another.
    Http,
}

/// What happened to a connection.
#[derive(Debug)]
pub enum Event<'a> {
    /// The handshake is done.
    Open,
    /// A message of a WebSocket; of the client protocol one object, however many came in its frame.
    Message(&'a [u8]),
    /// An answer over HTTP; to a handshake, one that is not 101.
    Answer {
        /// The status code.
        status: u16,
        /// The body; empty where it has no end.
        body: &'a [u8],
        /// Whether the body goes on; its lines follow as messages.
        streams: bool,
    },
    /// The server ended it: a close code with its reason, or how the stream ended.
    Ended(String),
}

/// Takes an event and the number of the connection that had it. An error ends the measurement.
pub type Receive<'a> = dyn FnMut(usize, Event<'_>) -> Result<(), LoadError> + 'a;

/// The connections, numbered from 0 in the order in which they were opened.
#[derive(Debug)]
pub struct Clients {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    address: SocketAddr,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    kind: Kind,
    state: State,
    /// The start of what has not arrived whole.
    partial: Vec<u8>,
    /// What the server has not taken yet.
    unsent: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The answer to the handshake is awaited.
    Opening,
    Open,
    /// A body without an end.
    Streaming,
    Ended,
}

impl Clients {
    /// No connection yet; all will go to `address`.
    pub fn new(address: SocketAddr) -> Result<Self, LoadError> {
        Ok(Self {
            poll: Poll::new().map_err(LoadError::io("epoll"))?,
            events: Events::with_capacity(1024),
            clients: Vec::new(),
            address,
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Where all of them go.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins a WebSocket at `path`.
    pub fn web_socket(&mut self, kind: Kind, path: &str) -> Result<usize, LoadError> {
        let request = handshake::request(self.address, path);
        let number = self.connect(kind, State::Opening)?;
        self.send(number, &request)?;
        Ok(number)
    }

    /// A connection for HTTP.
    pub fn http(&mut self) -> Result<usize, LoadError> {
        self.connect(Kind::Http, State::Open)
    }

    fn connect(&mut self, kind: Kind, state: State) -> Result<usize, LoadError> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(
            LoadError::io("open a socket (is the limit of open files too low?)"),
        )?;
        socket
            .connect(&self.address.into())
            .map_err(LoadError::io("connect"))?;
        socket
            .set_tcp_nodelay(true)
            .and_then(|()| socket.set_nonblocking(true))
            .map_err(LoadError::io("set up a socket"))?;
        let mut stream = TcpStream::from_std(socket.into());
        let number = self.clients.len();
        self.poll
            .registry()
            .register(
                &mut stream,
                Token(number),
                Interest::READABLE | Interest::WRITABLE,
            )
            .map_err(LoadError::io("watch a socket"))?;
        self.clients.push(Client {
            stream,
            kind,
            state,
            partial: Vec::new(),
            unsent: Vec::new(),
        });
        Ok(number)
    }

    /// Sends bytes as they are; what does not fit now follows as the server reads.
    pub fn send(&mut self, number: usize, bytes: &[u8]) -> Result<(), LoadError> {
        let client = &mut self.clients[number];
        client.unsent.extend_from_slice(bytes);
        client.flush()
    }

    /// Sends one text message over a WebSocket.
    pub fn send_text(&mut self, number: usize, text: &[u8]) -> Result<(), LoadError> {
        let client = &mut self.clients[number];
        frame::put(&mut client.unsent, frame::TEXT, text);
        client.flush()
    }

    /// Ends a connection from our side, without a word.
    pub fn drop_connection(&mut self, number: usize) {
        let client = &mut self.clients[number];
        client.state = State::Ended;
        // Fails only where there is nothing left to end.
        let _ = client.stream.shutdown(std::net::Shutdown::Both);
    }

    /// Waits for events, at most for `timeout`, and hands each to `receive` with its connection's
    /// number.
    pub fn turn(&mut self, timeout: Duration, receive: &mut Receive<'_>) -> Result<(), LoadError> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled.map_err(LoadError::io("epoll"))?,
        }
        for event in &self.events {
            let number = event.token().0;
            let client = &mut self.clients[number];
            if client.state == State::Ended {
                continue;
            }
            if event.is_writable() && !client.unsent.is_empty() {
                client.flush()?;
            }
            if event.is_readable() {
                client.read(number, &mut self.buffer, receive)?;
            }
        }
        Ok(())
    }
}

impl Client {
    fn flush(&mut self) -> Result<(), LoadError> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                // What ended it is told by the read that follows; it may still bring a Close.
                Err(_) => self.unsent.clear(),
            }
        }
        Ok(())
    }

    fn read(
        &mut self,
        number: usize,
        buffer: &mut [u8],
        receive: &mut Receive<'_>,
    ) -> Result<(), LoadError> {
        loop {
            let got = match self.stream.read(buffer) {
                Ok(0) => return self.ended(number, "end of stream".to_owned(), receive),
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return self.ended(number, error.to_string(), receive),
            };
            if self.partial.is_empty() {
                let used = self.take(number, &buffer[..got], receive)?;
                self.partial.extend_from_slice(&buffer[used..got]);
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(&buffer[..got]);
                let used = self.take(number, &whole, receive)?;
                whole.drain(..used);
                // An empty vector keeps its memory; a client that has nothing shall hold nothing.
                self.partial = if whole.is_empty() { Vec::new() } else { whole };
            }
            // A short read emptied the socket, and what comes later is a new edge: one call less
            // for each delivery.
            if got < buffer.len() || self.state == State::Ended {
                return Ok(());
            }
        }
    }

    fn ended(
        &mut self,
        number: usize,
        how: String,
        receive: &mut Receive<'_>,
    ) -> Result<(), LoadError> {
        self.state = State::Ended;
        receive(number, Event::Ended(how))
    }

    /// Handles what is whole in `bytes` and says how many were used.
    fn take(
        &mut self,
        number: usize,
        bytes: &[u8],
        receive: &mut Receive<'_>,
    ) -> Result<usize, LoadError> {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            let step = match (self.state, self.kind) {
                (State::Ended, _) => rest.len(),
                (State::Streaming, _) => line(number, rest, receive)?,
                (State::Open, Kind::Raw | Kind::Protocol) => self.frame(number, rest, receive)?,
                (State::Opening, _) if handshake_done(rest) => match handshake::check(rest) {
                    Ok(length) => {
                        self.state = State::Open;
                        receive(number, Event::Open)?;
                        length.unwrap_or(0)
                    }
                    Err(answer) => {
                        return Err(LoadError::Handshake {
                            client: number,
                            answer,
                        });
                    }
                },
                (State::Opening, _) | (State::Open, Kind::Http) => {
                    self.answer(number, rest, receive)?
                }
            };
            if step == 0 {
                break;
            }
            used += step;
        }
        Ok(used)
    }

    fn answer(
        &mut self,
        number: usize,
        bytes: &[u8],
        receive: &mut Receive<'_>,
    ) -> Result<usize, LoadError> {
        let Some(answer) = http::take(bytes)? else {
            return Ok(0);
        };
        if answer.streams {
            self.state = State::Streaming;
        }
        receive(
            number,
            Event::Answer {
                status: answer.status,
                body: answer.body,
                streams: answer.streams,
            },
        )?;
        Ok(answer.length)
    }

    fn frame(
        &mut self,
        number: usize,
        bytes: &[u8],
        receive: &mut Receive<'_>,
    ) -> Result<usize, LoadError> {
        let Some(frame) = frame::take(bytes)? else {
            return Ok(0);
        };
        match frame.opcode {
            frame::TEXT if self.kind == Kind::Protocol => {
                for line in frame.payload.split(|byte| *byte == b'\n') {
                    if line == b"{}" {
                        frame::put(&mut self.unsent, frame::TEXT, b"{}");
                        self.flush()?;
                    } else if !line.is_empty() {
                        receive(number, Event::Message(line))?;
                    }
                }
            }
            frame::TEXT | frame::BINARY => receive(number, Event::Message(frame.payload))?,
            frame::PING => {
                frame::put(&mut self.unsent, frame::PONG, frame.payload);
                self.flush()?;
            }
            frame::PONG => (),
            frame::CLOSE => {
                let reason = String::from_utf8_lossy(frame.payload.get(2..).unwrap_or_default())
                    .into_owned();
                let how = format!("close {} {reason:?}", frame::close_code(frame.payload));
                frame::put(&mut self.unsent, frame::CLOSE, frame.payload);
                self.flush()?;
                self.ended(number, how, receive)?;
            }
            _ => return Err(LoadError::Frame("an unknown opcode")),
        }
        Ok(frame.length)
    }
}

/// Hands on the first line of a streamed body, if it is whole, and says how many bytes it took.
/// Chunk sizes are left out.
fn line(number: usize, bytes: &[u8], receive: &mut Receive<'_>) -> Result<usize, LoadError> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return Ok(0);
    };
    let line = bytes[..end].trim_ascii();
    let is_size = line.len() <= 8 && line.iter().all(u8::is_ascii_hexdigit);
    if !is_size {
        receive(number, Event::Message(line))?;
    }
    Ok(end + 1)
}

/// Whether the server goes over to the WebSocket protocol; any other answer is one over HTTP.
fn handshake_done(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.1 101 ") && matches!(handshake::check(bytes), Ok(Some(_)) | Err(_))
}
