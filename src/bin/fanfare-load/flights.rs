//! Messages under way: those that somebody lacks still, for work that waits for the oldest.
//!
//! Bounds: one entry for each message under way. It is asked once for each delivery.

use std::collections::VecDeque;

use crate::mark::Mark;

/// The messages under way of each stream.
#[derive(Debug)]
pub(crate) struct Flights {
    publishers: usize,
    streams: Vec<Stream>,
    /// By publisher: how many are under way.
    counts: Vec<usize>,
    /// At a rate nobody waits for a delivery, so nothing is kept.
    is_on: bool,
}

#[derive(Debug, Default, Clone)]
struct Stream {
    /// The number of the first one in `flights`.
    first: u64,
    flights: VecDeque<Flight>,
}

#[derive(Debug, Clone)]
struct Flight {
    lacking: usize,
    sent: u64,
}

impl Flights {
    pub(crate) fn new(streams: usize, publishers: usize, is_on: bool) -> Self {
        Self {
            publishers,
            streams: vec![Stream::default(); if is_on { streams } else { 0 }],
            counts: vec![0; publishers],
            is_on,
        }
    }

    /// How many messages of a publisher are under way.
    pub(crate) fn count(&self, publisher: usize) -> usize {
        self.counts[publisher]
    }

    pub(crate) fn sent(&mut self, mark: &Mark, publisher: usize, receivers: usize, now: u64) {
        if !self.is_on || receivers == 0 {
            return;
        }
        let stream = &mut self.streams[mark.stream as usize];
        if stream.flights.is_empty() {
            stream.first = mark.number;
        }
        stream.flights.push_back(Flight {
            lacking: receivers,
            sent: now,
        });
        self.counts[publisher] += 1;
    }

    /// The last message of a stream was refused.
    pub(crate) fn unsend(&mut self, mark: &Mark) {
        if self.is_on {
            let stream = &mut self.streams[mark.stream as usize];
            let is_last = stream.first + stream.flights.len() as u64 == mark.number + 1;
            if is_last && stream.flights.pop_back().is_some() {
                self.counts[mark.stream as usize % self.publishers] -= 1;
            }
        }
    }

    /// Somebody got a message; once everyone has the oldest, it is no longer under way.
    pub(crate) fn arrived(&mut self, mark: &Mark) {
        let Some(stream) = self.streams.get_mut(mark.stream as usize) else {
            return;
        };
        // What was given up is below the first.
        let Some(place) = mark.number.checked_sub(stream.first) else {
            return;
        };
        let Some(flight) = stream.flights.get_mut(place as usize) else {
            return;
        };
        flight.lacking = flight.lacking.saturating_sub(1);
        while stream.flights.front().is_some_and(|it| it.lacking == 0) {
            stream.flights.pop_front();
            stream.first += 1;
            self.counts[mark.stream as usize % self.publishers] -= 1;
        }
    }

    /// Gives up what was sent before a time, and says how many.
    pub(crate) fn give_up(&mut self, before: u64) -> u64 {
        let mut given_up = 0;
        for (number, stream) in self.streams.iter_mut().enumerate() {
            while (stream.flights.front()).is_some_and(|it| it.lacking == 0 || it.sent < before) {
                stream.flights.pop_front();
                stream.first += 1;
                self.counts[number % self.publishers] -= 1;
                given_up += 1;
            }
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: u64) -> Mark {
        Mark {
            run: 0,
            stream: 0,
            number,
            time: 0,
        }
    }

    #[test]
    fn a_message_is_under_way_until_the_last_has_it_and_all_before_it_arrived() {
        let mut flights = Flights::new(1, 1, true);
        flights.sent(&mark(0), 0, 2, 10);
        flights.sent(&mark(1), 0, 2, 20);
        for _ in 0..2 {
            flights.arrived(&mark(1));
        }
        assert_eq!(flights.count(0), 2, "the oldest is still under way");
        flights.arrived(&mark(0));
        flights.arrived(&mark(0));
        assert_eq!(flights.count(0), 0);
    }

    #[test]
    fn what_is_given_up_may_still_arrive() {
        let mut flights = Flights::new(1, 1, true);
        flights.sent(&mark(0), 0, 1, 10);
        flights.sent(&mark(1), 0, 1, 20);
        assert_eq!(flights.give_up(11), 1);
        flights.arrived(&mark(0));
        assert_eq!(flights.count(0), 1);
        flights.arrived(&mark(1));
        assert_eq!(flights.count(0), 0);
    }
}
