//! Those who ask the backend nothing: subscribers of one channel, half raw and half of the client
//! protocol, and the publisher that gives them so many publications a second. What they see is how
//! late each one is.
//!
//! Owned by the `backend` mode. A delay is from the sending of the publish request to the receipt
//! of the publication. A publication that is lost, doubled or out of order is an error.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    clients::{Clients, Event, Kind},
    error::LoadError,
    http,
    ledger::{self, Ledger},
    options::Options,
    publish::percentile,
    subscribers,
};

const CHANNEL: &str = "open:witnesses";

/// The witnesses and their publisher.
#[derive(Debug)]
pub struct Witnesses {
    /// The witness's place in the ledger, by connection number.
    places: Vec<Option<usize>>,
    count: usize,
    publisher: usize,
    ledger: Ledger,
    sent: Vec<Instant>,
    next_at: Instant,
    interval: Duration,
    /// In µs, of what was received since the last [`Witnesses::figures`].
    delays: Vec<u64>,
}

impl Witnesses {
    /// Opens them.
    pub fn open(clients: &mut Clients, options: &Options) -> Result<Self, LoadError> {
        let half = options.others / 2;
        let mut places = Vec::new();
        let mut count = 0;
        for (kind, sessions) in [(Kind::Raw, half), (Kind::Protocol, options.others - half)] {
            let sessions = vec![vec![CHANNEL.to_owned()]; sessions];
            for number in subscribers::open(clients, kind, &sessions, options.patience)? {
                places.resize(number + 1, None);
                places[number] = Some(count);
                count += 1;
            }
        }
        Ok(Self {
            places,
            count,
            publisher: clients.http()?,
            ledger: Ledger::new(count, 1),
            sent: Vec::new(),
            next_at: Instant::now(),
            interval: Duration::from_secs(1) / options.rate,
            delays: Vec::new(),
        })
    }

    /// How long until the next publication is due.
    pub fn due_in(&self) -> Duration {
        self.next_at.saturating_duration_since(Instant::now())
    }

    /// Publishes if it is time to.
    pub fn publish(&mut self, clients: &mut Clients, options: &Options) -> Result<(), LoadError> {
        let now = Instant::now();
        if now < self.next_at {
            return Ok(());
        }
        // What was missed while this thread did something else is not made up for.
        self.next_at = (self.next_at + self.interval).max(now);
        let mut body = format!("{{\"channel\":\"{CHANNEL}\",\"data\":").into_bytes();
        ledger::data(&mut body, 0, self.sent.len() as u64, options.size);
        body.push(b'}');
        let request = http::post(clients.address(), "/api/publish", &options.key, &body);
        self.sent.push(Instant::now());
        clients.send(self.publisher, &request)
    }

    /// Handles an event if it is theirs; returns whether it was.
    pub fn receive(&mut self, number: usize, event: &Event<'_>) -> Result<bool, LoadError> {
        if number == self.publisher {
            return match event {
                Event::Answer {
                    status: 200, body, ..
                } if body.starts_with(b"{\"result\"") => Ok(true),
                event => Err(LoadError::unexpected(
                    number,
                    format!("publishing: {event:?}"),
                )),
            };
        }
        let Some(place) = self.places.get(number).copied().flatten() else {
            return Ok(false);
        };
        let Event::Message(message) = event else {
            return Err(LoadError::unexpected(
                number,
                format!("a witness: {event:?}"),
            ));
        };
        self.ledger
            .receive(place, message)
            .map_err(|fault| LoadError::unexpected(number, fault))?;
        let sent = ledger::read(message)
            .and_then(|(_, publication)| self.sent.get(usize::try_from(publication).ok()?))
            .ok_or_else(|| LoadError::unexpected(number, "got what was not published"))?;
        self.delays
            .push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
        Ok(true)
    }

    /// Whether everyone has everything.
    pub fn have_all(&self) -> bool {
        self.ledger.received() == (self.sent.len() * self.count) as u64
    }

    /// The delays since the last call.
    pub fn figures(&mut self) -> Result<Value, LoadError> {
        if self.ledger.missed() > 0 {
            return Err(LoadError::unexpected(0, "a witness missed a publication"));
        }
        let mut delays = std::mem::take(&mut self.delays);
        delays.sort_unstable();
        Ok(json!({
            "deliveries": delays.len(),
            "p50_us": percentile(&delays, 50),
            "p99_us": percentile(&delays, 99),
            "max_us": delays.last().copied().unwrap_or(0),
        }))
    }
}
