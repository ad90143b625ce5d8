//! What happened so far: deliveries with their latency, connections, answers.
//!
//! Owned by one run and told of everything by the connections. It is asked once for each delivery.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::{
    flights::Flights,
    ledger::{Ledger, Receipt},
    mark::Mark,
};

/// An hour; what takes longer counts as that.
const LATENCY_MAX_US: u64 = 3_600_000_000;
/// Different ends that are told apart.
const ENDS_MAX: usize = 16;

/// Microseconds from 1 to an hour, to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_MAX_US, 3).expect("the bounds are constants that fit")
}

/// The counts of one run.
#[derive(Debug)]
pub(crate) struct Tally {
    pub ledger: Ledger,
    pub flights: Flights,
    /// From sending to receipt, by receiver.
    pub latency: Histogram<u64>,
    /// From the beginning of a connection until its client is subscribed.
    pub connecting: Histogram<u64>,
    /// From a request to its answer.
    pub answering: Histogram<u64>,
    /// How much later than intended messages left.
    pub lateness: Histogram<u64>,
    /// Messages that were to leave earlier are no part of the figures.
    pub measured_from: u64,
    /// Deliveries that are.
    pub delivered: u64,
    /// Deliveries that are due for all messages sent, and those that came.
    pub expected: u64,
    pub received: u64,
    pub published: u64,
    pub answers: u64,
    pub refused: u64,
    pub begun: usize,
    pub opened: usize,
    pub failed: usize,
    pub ended: usize,
    /// The time of the last thing that happened.
    pub progress: u64,
    /// Of echo: clients whose message came back.
    pub echoed: Option<Vec<usize>>,
    /// Publishers that were answered since they were last asked for.
    pub free: Vec<usize>,
    ends: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn new(ledger: Ledger, flights: Flights) -> Self {
        Self {
            ledger,
            flights,
            latency: histogram(),
            connecting: histogram(),
            answering: histogram(),
            lateness: histogram(),
            measured_from: 0,
            delivered: 0,
            expected: 0,
            received: 0,
            published: 0,
            answers: 0,
            refused: 0,
            begun: 0,
            opened: 0,
            failed: 0,
            ended: 0,
            progress: 0,
            echoed: None,
            free: Vec::new(),
            ends: BTreeMap::new(),
        }
    }

    /// What is sent from now on is a part of the figures.
    pub(crate) fn begin_measuring(&mut self, now: u64) {
        self.measured_from = now;
        self.delivered = 0;
        for histogram in [&mut self.latency, &mut self.answering, &mut self.lateness] {
            histogram.reset();
        }
    }

    /// Everyone was cut off: who comes to stand from now on is counted anew.
    pub(crate) fn forget_opened(&mut self) {
        (self.begun, self.opened, self.failed) = (0, 0, 0);
        self.connecting.reset();
    }

    /// The next message of a publisher into a channel, to leave at `time`.
    pub(crate) fn send(&mut self, channel: usize, publisher: usize, time: u64, now: u64) -> Mark {
        let mark = self.ledger.send(channel, publisher, time);
        let receivers = self.ledger.receivers(channel);
        self.expected += receivers as u64;
        self.published += 1;
        self.lateness.saturating_record(now.saturating_sub(time));
        self.flights.sent(&mark, publisher, receivers, now);
        mark
    }

    /// A message came.
    pub(crate) fn message(&mut self, client: usize, mark: &Mark, now: u64) {
        if !self.ledger.counts(client) {
            return;
        }
        match self.ledger.receive(client, mark) {
            Receipt::New | Receipt::Late => (),
            Receipt::Doubled | Receipt::Foreign => return,
        }
        self.progress = now;
        self.received += 1;
        if mark.time >= self.measured_from {
            self.delivered += 1;
            self.latency
                .saturating_record(now.saturating_sub(mark.time));
        }
        self.flights.arrived(mark);
        if let Some(echoed) = &mut self.echoed {
            echoed.push(client);
        }
    }

    /// A publisher's request was answered.
    pub(crate) fn note_answer(&mut self, publisher: usize, asked: u64, now: u64) {
        self.progress = now;
        self.answers += 1;
        self.answering.saturating_record(now.saturating_sub(asked));
        self.free.push(publisher);
    }

    /// A publisher's request was refused, so nobody gets the message.
    pub(crate) fn refused(&mut self, publisher: usize, mark: Option<&Mark>, why: String) {
        self.refused += 1;
        self.free.push(publisher);
        if let Some(mark) = mark {
            let channel = mark.stream as usize / self.ledger.publishers();
            self.expected -= self.ledger.receivers(channel) as u64;
            self.ledger.unsend(mark);
            self.flights.unsend(mark);
        }
        self.note(format!("publish: {why}"));
    }

    /// A client is subscribed.
    pub(crate) fn opened(&mut self, began: u64, now: u64) {
        self.progress = now;
        self.opened += 1;
        self.connecting.saturating_record(now.saturating_sub(began));
    }

    /// A connection is over, before its client was subscribed or after.
    pub(crate) fn ended(&mut self, was_open: bool, how: String) {
        if was_open {
            self.ended += 1;
        } else {
            self.failed += 1;
        }
        self.note(how);
    }

    fn note(&mut self, how: String) {
        if self.ends.len() < ENDS_MAX || self.ends.contains_key(&how) {
            *self.ends.entry(how).or_default() += 1;
        }
    }

    /// Connections that are not subscribed yet.
    pub(crate) fn under_way(&self) -> usize {
        self.begun - self.opened - self.failed
    }

    /// How connections ended and publications were refused, each with its count.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (&str, u64)> {
        self.ends.iter().map(|(how, count)| (how.as_str(), *count))
    }

    /// What was said most often of what ended connections.
    pub(crate) fn commonest_end(&self) -> &str {
        let commonest = self.ends.iter().max_by_key(|(_, count)| **count);
        commonest.map_or("nothing was said", |(how, _)| how)
    }
}
