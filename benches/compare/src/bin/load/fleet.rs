//! Many WebSocket clients on one thread and one epoll.
//!
//! Owned by one measurement. Bounds: one read buffer for all clients; a client holds memory of its own only for a
//! frame that arrived in part, or for what the server would not take yet. It answers pings, as every client must,
//! and fails at the first session that the server ends. It must stay cheap: it has one core, and a slow receiver
//! would measure itself.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{error::LoadError, frame, handshake};

/// Clients from one source address. The ports that Linux gives out by default are 28,232.
const PER_SOURCE: usize = 25_000;
/// Handshakes under way at a time, below any server's backlog.
const OPENING_MAX: usize = 64;
/// One read takes at most this much, from one client.
const READ_BYTES: usize = 256 << 10;

/// Takes a message and the number of the client that got it. An error ends the measurement.
pub type Receive<'a> = dyn FnMut(usize, &[u8]) -> Result<(), LoadError> + 'a;

/// The clients, numbered from 0 in the order in which they were opened.
#[derive(Debug)]
pub struct Fleet {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    open: usize,
    address: SocketAddr,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    open: bool,
    /// The start of a frame whose end has not arrived.
    partial: Vec<u8>,
    /// What the server has not taken yet.
    unsent: Vec<u8>,
}

impl Fleet {
    /// No client yet; all will connect to `path` at `address`.
    pub fn new(address: SocketAddr, path: &str) -> Result<Self, LoadError> {
        Ok(Self {
            poll: Poll::new().map_err(LoadError::io("epoll"))?,
            events: Events::with_capacity(1024),
            clients: Vec::new(),
            open: 0,
            address,
            request: handshake::request(address, path),
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Opens clients until there are `total`, each with its handshake done. Messages that arrive meanwhile are ignored.
    pub fn open(&mut self, total: usize, patience: Duration) -> Result<(), LoadError> {
        let mut progress = (self.open, Instant::now());
        while self.open < total {
            while self.clients.len() < total && self.clients.len() - self.open < OPENING_MAX {
                self.connect()?;
            }
            self.turn(Duration::from_millis(100), &mut |_, _| Ok(()))?;
            if self.open > progress.0 {
                progress = (self.open, Instant::now());
            } else if progress.1.elapsed() > patience {
                let state = format!("{} of {total} clients are open", self.open);
                return Err(LoadError::Stalled {
                    seconds: patience.as_secs(),
                    state,
                });
            }
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<(), LoadError> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(
            LoadError::io("open a socket (is the limit of open files too low?)"),
        )?;
        // 127.0.0.1, 127.0.0.2 and so on are all this machine. A port is only as free as its address.
        if let source @ 1.. = self.clients.len() / PER_SOURCE {
            let source = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + source as u32);
            socket
                .bind(&SocketAddr::from((source, 0)).into())
                .map_err(LoadError::io("bind a source address"))?;
        }
        socket
            .connect(&self.address.into())
            .map_err(LoadError::io("connect"))?;
        socket
            .set_tcp_nodelay(true)
            .and_then(|()| socket.set_nonblocking(true))
            .map_err(LoadError::io("set up a socket"))?;
        let mut stream = TcpStream::from_std(socket.into());
        let token = Token(self.clients.len());
        self.poll
            .registry()
            .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)
            .map_err(LoadError::io("watch a socket"))?;
        self.clients.push(Client {
            stream,
            open: false,
            partial: Vec::new(),
            unsent: Vec::new(),
        });
        self.send(token.0, &self.request.clone())
    }

    /// Sends bytes from one client; what does not fit now follows as the server reads.
    pub fn send(&mut self, client: usize, bytes: &[u8]) -> Result<(), LoadError> {
        self.clients[client].unsent.extend_from_slice(bytes);
        self.clients[client].flush(client)
    }

    /// How many bytes of this client the server has not taken yet.
    pub fn unsent(&self, client: usize) -> usize {
        self.clients[client].unsent.len()
    }

    /// Waits for events, at most for `timeout`, and hands every message to `receive` with its client's number.
    pub fn turn(&mut self, timeout: Duration, receive: &mut Receive<'_>) -> Result<(), LoadError> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled.map_err(LoadError::io("epoll"))?,
        }
        for event in &self.events {
            let number = event.token().0;
            let client = &mut self.clients[number];
            if event.is_writable() && !client.unsent.is_empty() {
                client.flush(number)?;
            }
            if event.is_readable() {
                let was_open = client.open;
                client.read(number, &mut self.buffer, receive)?;
                self.open += usize::from(client.open && !was_open);
            }
        }
        Ok(())
    }
}

impl Client {
    fn flush(&mut self, number: usize) -> Result<(), LoadError> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => {
                    return Err(LoadError::Ended {
                        client: number,
                        end: error.to_string(),
                    });
                }
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
                Ok(0) => {
                    return Err(LoadError::Ended {
                        client: number,
                        end: "end of stream".to_owned(),
                    });
                }
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(LoadError::Ended {
                        client: number,
                        end: error.to_string(),
                    });
                }
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
            // A short read emptied the socket, and what comes later is a new edge: one call less for each delivery.
            if got < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Handles what is whole in `bytes` and says how many were used.
    fn take(
        &mut self,
        number: usize,
        bytes: &[u8],
        receive: &mut Receive<'_>,
    ) -> Result<usize, LoadError> {
        let mut used = 0;
        if !self.open {
            match handshake::check(bytes) {
                Ok(None) => return Ok(0),
                Ok(Some(length)) => used = length,
                Err(answer) => {
                    return Err(LoadError::Handshake {
                        client: number,
                        answer,
                    });
                }
            }
            self.open = true;
        }
        while let Some(frame) = frame::take(&bytes[used..])? {
            match frame.opcode {
                frame::TEXT | frame::BINARY => receive(number, frame.payload)?,
                frame::PING => {
                    frame::put(&mut self.unsent, frame::PONG, frame.payload);
                    self.flush(number)?;
                }
                frame::PONG => (),
                frame::CLOSE => {
                    let end = format!("close code {}", frame::close_code(frame.payload));
                    return Err(LoadError::Ended {
                        client: number,
                        end,
                    });
                }
                _ => return Err(LoadError::Frame("an unknown opcode")),
            }
            used += frame.length;
        }
        Ok(used)
    }
}
