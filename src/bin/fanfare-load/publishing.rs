//! Publishes: so many a second, or so many at a time.
//!
//! At a rate each message carries the time at which it was to leave, so that a server that makes us
//! wait is charged for the waiting. In a closed loop it carries the time at which it left.

use crate::{clock::micros, error::LoadError, fleet::Fleet, options::Work};

/// Between two looks for what takes too long.
const LOOK_US: u64 = 50_000;
/// A publisher that has so much to send does not take more at a time.
const UNSENT_MAX: usize = 4 << 20;
/// After so many messages in a row that did not reach everyone in time, no more are sent.
const GIVEN_UP_MAX: u64 = 16;

/// How much is to be published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// So many messages, at most.
    pub messages: u64,
    /// For so long, at most.
    pub until: Option<u64>,
}

/// One run of publishing.
pub(crate) struct Publishing<'a> {
    fleet: &'a mut Fleet,
    amount: Amount,
    began: u64,
    sent: u64,
    /// At a rate: microseconds from message to message.
    gap: Option<f64>,
    /// Clients with something to send.
    touched: Vec<usize>,
    given_up: u64,
    look: u64,
    /// Nobody is there to get it: an answer is all that is waited for.
    is_unheard: bool,
}

impl<'a> Publishing<'a> {
    pub(crate) fn new(fleet: &'a mut Fleet, amount: Amount) -> Self {
        let began = fleet.now();
        Self {
            gap: fleet.plan.options.rate.map(|rate| 1e6 / rate),
            amount,
            began,
            sent: 0,
            touched: Vec::new(),
            given_up: 0,
            look: began + LOOK_US,
            is_unheard: false,
            fleet,
        }
    }

    /// Nobody is there: waits for answers alone.
    pub(crate) fn unheard(self) -> Self {
        Self {
            is_unheard: true,
            ..self
        }
    }

    /// Publishes, and returns when everyone has everything or nothing more comes.
    pub(crate) fn run(mut self) -> Result<(), LoadError> {
        let publishers = self.fleet.plan.publishers();
        if self.fleet.plan.options.publishes_by_http() {
            self.fleet.tally.free = (0..publishers).rev().collect();
        }
        self.fleet.tally.progress = self.began;
        loop {
            let is_over = self.is_over();
            if !is_over {
                self.send_due()?;
            }
            if is_over && self.is_settled() {
                return Ok(());
            }
            let until = self.next_due().unwrap_or(self.look).min(self.look);
            self.fleet.turn(until)?;
            if self.fleet.now() >= self.look {
                self.look_for_late();
            }
        }
    }

    fn is_over(&self) -> bool {
        self.sent >= self.amount.messages
            || self.given_up >= GIVEN_UP_MAX
            || self
                .amount
                .until
                .is_some_and(|until| self.fleet.now() >= until)
    }

    /// When the message after those sent is to leave.
    fn due(&self, now: u64) -> u64 {
        match self.gap {
            Some(gap) => self.began + (self.sent as f64 * gap) as u64,
            None => now,
        }
    }

    /// When something is to be sent next, if only time stands before it.
    fn next_due(&self) -> Option<u64> {
        let is_ready = !self.is_over() && self.publisher().is_some();
        is_ready.then(|| self.due(self.look))
    }

    /// Who may send now.
    fn publisher(&self) -> Option<usize> {
        let tally = &self.fleet.tally;
        let options = &self.fleet.plan.options;
        if options.publishes_by_http() {
            let free = tally.free.last().copied();
            let waits = self.gap.is_none() && options.work == Work::Fanout;
            if !waits {
                return free;
            }
            return tally
                .free
                .iter()
                .copied()
                .find(|it| tally.flights.count(*it) == 0);
        }
        if self.gap.is_some() {
            return Some(0);
        }
        let window = options.in_flight.unwrap_or(1);
        let under_way = match options.work {
            Work::Publish => self.sent - tally.answers.min(self.sent),
            _ => tally.flights.count(0) as u64,
        };
        (under_way < window).then_some(0)
    }

    fn send_due(&mut self) -> Result<(), LoadError> {
        let now = self.fleet.now();
        while self.sent < self.amount.messages && self.due(now) <= now {
            let Some(publisher) = self.publisher() else {
                break;
            };
            let channel = (self.sent % self.fleet.plan.terms.channels as u64) as usize;
            if self.fleet.plan.options.publishes_by_http() {
                self.fleet.tally.free.retain(|free| *free != publisher);
                let due = self.due(now);
                let mark = self.fleet.tally.send(channel, publisher, due, now);
                self.fleet.post(publisher, mark)?;
            } else if !self.send_by_client(channel, now) {
                break;
            }
            self.sent += 1;
        }
        for client in self.touched.drain(..) {
            self.fleet.flush(client);
        }
        Ok(())
    }

    /// The channel's first client sends, at each server. What falls due together leaves in one
    /// write.
    fn send_by_client(&mut self, channel: usize, now: u64) -> bool {
        let mut clients = self.fleet.plan.publishing_clients(channel);
        if clients.any(|client| self.fleet.unsent(client) > UNSENT_MAX) {
            return false;
        }
        let mut clients = self.fleet.plan.publishing_clients(channel);
        if clients.any(|client| !self.fleet.is_open(client)) {
            // Nobody can publish there any more.
            self.given_up = GIVEN_UP_MAX;
            return false;
        }
        let due = self.due(now);
        let mark = self.fleet.tally.send(channel, 0, due, now);
        for client in self.fleet.plan.publishing_clients(channel) {
            self.fleet.send(client, &mark);
            // As many as have just been touched, or a message would cost a look at all of them.
            let mut last = self
                .touched
                .iter()
                .rev()
                .take(self.fleet.plan.endpoints.len());
            if !last.any(|it| *it == client) {
                self.touched.push(client);
            }
        }
        true
    }

    /// Whether all is answered and delivered, or for too long nothing more was.
    fn is_settled(&self) -> bool {
        let tally = &self.fleet.tally;
        let options = &self.fleet.plan.options;
        let publishers = self.fleet.plan.publishers();
        let answers = options.publishes_by_http() && tally.free.len() < publishers;
        let is_heard = self.is_unheard || tally.received >= tally.expected;
        let is_complete = is_heard && !answers;
        let patience = micros(options.patience);
        is_complete || self.fleet.now() > tally.progress.max(self.began) + patience
    }

    fn look_for_late(&mut self) {
        let now = self.fleet.now();
        self.look = now + LOOK_US;
        let before = now.saturating_sub(micros(self.fleet.plan.options.patience));
        let given_up = self.fleet.tally.flights.give_up(before);
        self.given_up += given_up;
        self.fleet.give_up(before);
    }
}
