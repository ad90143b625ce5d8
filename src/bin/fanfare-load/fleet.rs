//! All connections of a run on one thread and one epoll: clients, and those that publish by HTTP.
//!
//! Bounds: one read buffer for all; one slot for each client. It must stay cheap: a slow receiver
//! would measure itself.

use std::{io::ErrorKind, time::Duration};

use mio::{Events, Interest, Poll, Token};

use crate::{
    alarm::Alarm,
    client::Client,
    error::LoadError,
    mark::Mark,
    plan::Plan,
    progress::Progress,
    protocol::{Position, Session},
    publisher::{Post, Publisher},
    shared::Shared,
    tally::Tally,
};

/// One read takes at most this much.
const READ_BYTES: usize = 256 << 10;
/// Tokens from here on are publishers'.
const PUBLISHERS: usize = 1 << 32;
/// The alarm's token.
const ALARM: usize = usize::MAX >> 1;

/// All connections of a run, and the poll that tells which of them has something.
pub(crate) struct Fleet {
    pub plan: Plan,
    pub tally: Tally,
    pub progress: Progress,
    poll: Poll,
    events: Events,
    alarm: Alarm,
    clients: Vec<Option<Client>>,
    /// Clients that never read; the system is not asked about them.
    deaf: Vec<bool>,
    publishers: Vec<Publisher>,
    post: Option<Post>,
    buffer: Vec<u8>,
}

impl Fleet {
    pub(crate) fn new(plan: Plan, tally: Tally, publishers: usize) -> Result<Self, LoadError> {
        let poll = Poll::new().map_err(LoadError::io("epoll"))?;
        let alarm = Alarm::new(poll.registry(), Token(ALARM))?;
        let post = Post::new(&plan)?;
        let conns = plan.options.conns;
        Ok(Self {
            progress: Progress::new(&plan.options),
            events: Events::with_capacity(1024),
            clients: std::iter::repeat_with(|| None).take(conns).collect(),
            deaf: vec![false; conns],
            publishers: (0..publishers).map(Publisher::new).collect(),
            buffer: vec![0; READ_BYTES],
            plan,
            tally,
            poll,
            alarm,
            post,
        })
    }

    pub(crate) fn now(&self) -> u64 {
        self.plan.clock.now()
    }

    /// This client never reads once it is subscribed, and what it gets is not counted.
    pub(crate) fn never_reads(&mut self, number: usize) {
        self.deaf[number] = true;
        self.tally.ledger.leave_out(number);
    }

    /// Begins a client's connection, which was to begin at `began`.
    pub(crate) fn begin(
        &mut self,
        number: usize,
        position: Option<Box<Position>>,
        began: u64,
    ) -> Result<(), LoadError> {
        let session = Session::new(number, position);
        let request = self.plan.request(&session)?;
        self.tally.begun += 1;
        let mut stream = match self.plan.endpoint_of(number).connect(number) {
            Ok(stream) => stream,
            Err(LoadError::Io { what, source }) if is_refusal(&source) => {
                self.tally.ended(false, format!("{what}: {source}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(stream.socket(), Token(number), interest)
            .map_err(LoadError::io("watch a socket"))?;
        self.clients[number] = Some(Client::new(stream, session, request, began));
        Ok(())
    }

    pub(crate) fn is_connected(&self, number: usize) -> bool {
        self.clients[number].is_some()
    }

    /// Whether a client is subscribed.
    pub(crate) fn is_open(&self, number: usize) -> bool {
        (self.clients[number].as_ref()).is_some_and(|client| client.session.is_joined)
    }

    /// Cuts a client off without a word, and says where it was.
    pub(crate) fn cut(&mut self, number: usize) -> Option<Box<Position>> {
        self.clients[number].take()?.session.position
    }

    /// Appends a client's message; it leaves with [`Fleet::flush`]. False where it is not
    /// subscribed.
    pub(crate) fn send(&mut self, number: usize, mark: &Mark) -> bool {
        let Some(client) = &mut self.clients[number] else {
            return false;
        };
        let mut data = Vec::with_capacity(self.plan.options.size);
        mark.put(&mut data, self.plan.options.size);
        let protocol = self.plan.terms.protocol;
        if protocol.is_centrifuge() {
            client.session.asked.push_back(self.plan.clock.now());
        }
        protocol.publish(
            &self.plan.terms,
            &mut client.session,
            &data,
            &mut client.unsent,
        );
        true
    }

    /// Sends what a client has to send.
    pub(crate) fn flush(&mut self, number: usize) {
        if let Some(client) = &mut self.clients[number] {
            // An error is told by the read that follows.
            let _ = client.flush();
        }
    }

    /// How many bytes of a client the server has not taken yet.
    pub(crate) fn unsent(&self, number: usize) -> usize {
        (self.clients[number].as_ref()).map_or(0, |client| client.unsent.len())
    }

    /// Publishes by HTTP on a publisher's connection, which has nothing under way.
    pub(crate) fn post(&mut self, publisher: usize, mark: Mark) -> Result<(), LoadError> {
        let Some(post) = &self.post else {
            return Err(LoadError::Usage("there is no --publish-url".to_owned()));
        };
        let now = self.plan.clock.now();
        let connection = &mut self.publishers[publisher];
        if connection.needs_connection() {
            let mut stream = post.endpoint.connect(publisher)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(stream.socket(), Token(PUBLISHERS + publisher), interest)
                .map_err(LoadError::io("watch a socket"))?;
            connection.set_connection(stream);
        }
        connection.post(post.request(&self.plan, &mark), mark, now);
        Ok(())
    }

    /// Handles what comes until `until`, or once if something comes before. It may return early.
    pub(crate) fn turn(&mut self, until: u64) -> Result<(), LoadError> {
        let now = self.now();
        self.progress.tick(now, &self.tally, &self.plan);
        let timeout = self.alarm.set(until.saturating_sub(now))?;
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled.map_err(LoadError::io("epoll"))?,
        }
        for event in &self.events {
            let mut shared = Shared {
                plan: &self.plan,
                tally: &mut self.tally,
                buffer: &mut self.buffer,
            };
            let token = event.token().0;
            if token == ALARM {
                continue;
            }
            if token >= PUBLISHERS {
                self.publishers[token - PUBLISHERS].on_event(&mut shared);
                continue;
            }
            let Some(client) = &mut self.clients[token] else {
                continue;
            };
            let result = client.on_event(&mut shared);
            let is_joined = client.session.is_joined;
            if let Err(how) = result {
                self.tally.ended(is_joined, how);
                self.clients[token] = None;
            } else if self.deaf[token] && is_joined {
                // From now on nobody asks whether anything came.
                let _ = self.poll.registry().deregister(client.stream.socket());
            }
        }
        Ok(())
    }

    /// Gives up handshakes and requests that began before a time.
    pub(crate) fn give_up(&mut self, before: u64) {
        for slot in &mut self.clients {
            if (slot.as_ref()).is_some_and(|it| !it.session.is_joined && it.began < before) {
                *slot = None;
                self.tally
                    .ended(false, "no answer to the handshake in time".to_owned());
            }
        }
        for publisher in &mut self.publishers {
            publisher.give_up(before, &mut self.tally);
        }
    }

    /// Waits for a while, whatever comes.
    pub(crate) fn rest(&mut self, span: Duration) -> Result<(), LoadError> {
        let until = self.now() + crate::clock::micros(span);
        while self.now() < until {
            self.turn(until)?;
        }
        Ok(())
    }

    /// How many clients the run has, connected or not.
    pub(crate) fn size(&self) -> usize {
        self.clients.len()
    }
}

/// What one connection may have to bear, and not the run.
fn is_refusal(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::TimedOut
    )
}
