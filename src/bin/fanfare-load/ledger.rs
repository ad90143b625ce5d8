//! What each client has and what it lacks: lost, doubled, out of order.
//!
//! Pure data, owned by one run. A message belongs to a stream, the order of one publisher in one
//! channel; a client hears the streams of its channel. Bounds: one number for each client and
//! publisher, and one for each message that came behind a gap and is still missing. It is asked
//! once for each delivery, so the usual answer is one comparison.

use std::collections::{BTreeSet, HashMap};

use crate::mark::Mark;

/// What a message was to the client that got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// The next one, or one behind a gap.
    New,
    /// One that a later one overtook.
    Late,
    /// One that the client has already.
    Doubled,
    /// Not one of this run's, of another channel, or never sent.
    Foreign,
}

/// Counts of all clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub lost: u64,
    pub doubled: u64,
    pub out_of_order: u64,
    pub foreign: u64,
}

/// The book of one run.
#[derive(Debug)]
pub(crate) struct Ledger {
    run: u16,
    channels: usize,
    publishers: usize,
    /// By stream: how many messages were sent.
    sent: Vec<u64>,
    /// By client, then publisher: the number that comes next.
    next: Vec<u64>,
    /// Whether a client's receipts count; those who never read and some publishers have none.
    counted: Vec<bool>,
    /// By channel: how many of its clients count.
    receivers: Vec<usize>,
    /// By place in `next`: numbers below it that did not come.
    missing: HashMap<usize, BTreeSet<u64>>,
    faults: Faults,
}

impl Ledger {
    /// Client `n` is in channel `n % channels`; each of the publishers publishes into all.
    pub(crate) fn new(run: u16, clients: usize, channels: usize, publishers: usize) -> Self {
        Self {
            run,
            channels,
            publishers,
            sent: vec![0; channels * publishers],
            next: vec![0; clients * publishers],
            counted: vec![true; clients],
            receivers: (0..channels)
                .map(|channel| (channel..clients).step_by(channels).len())
                .collect(),
            missing: HashMap::new(),
            faults: Faults::default(),
        }
    }

    /// What this client gets is not counted.
    pub(crate) fn leave_out(&mut self, client: usize) {
        if std::mem::replace(&mut self.counted[client], false) {
            self.receivers[client % self.channels] -= 1;
        }
    }

    pub(crate) fn counts(&self, client: usize) -> bool {
        self.counted[client]
    }

    /// How many clients of a channel count.
    pub(crate) fn receivers(&self, channel: usize) -> usize {
        self.receivers[channel]
    }

    /// The mark of the publisher's next message into a channel, counted as sent.
    pub(crate) fn send(&mut self, channel: usize, publisher: usize, time: u64) -> Mark {
        let stream = channel * self.publishers + publisher;
        let number = self.sent[stream];
        self.sent[stream] += 1;
        Mark {
            run: self.run,
            // The command line bounds the streams.
            stream: stream as u32,
            number,
            time,
        }
    }

    /// The last message of a stream was refused: nobody is to get it, and its number is the next
    /// one's. A publisher that is answered has one message under way at a time.
    pub(crate) fn unsend(&mut self, mark: &Mark) {
        let sent = &mut self.sent[mark.stream as usize];
        debug_assert_eq!(*sent, mark.number + 1);
        *sent = mark.number;
    }

    /// Books one message as had and all between as missing.
    fn skip(&mut self, place: usize, number: u64) {
        let next = self.next[place];
        if number > next {
            self.missing.entry(place).or_default().extend(next..number);
        }
        self.next[place] = number + 1;
    }

    /// Books a delivery.
    pub(crate) fn receive(&mut self, client: usize, mark: &Mark) -> Receipt {
        let stream = mark.stream as usize;
        let (channel, publisher) = (stream / self.publishers, stream % self.publishers);
        let is_ours = mark.run == self.run
            && client % self.channels == channel
            && self
                .sent
                .get(stream)
                .is_some_and(|sent| mark.number < *sent);
        if !is_ours {
            self.faults.foreign += u64::from(mark.run == self.run);
            return Receipt::Foreign;
        }
        let place = client * self.publishers + publisher;
        if mark.number >= self.next[place] {
            self.skip(place, mark.number);
            return Receipt::New;
        }
        let was_missing = (self.missing.get_mut(&place)).is_some_and(|it| it.remove(&mark.number));
        if was_missing {
            self.faults.out_of_order += 1;
            Receipt::Late
        } else {
            self.faults.doubled += 1;
            Receipt::Doubled
        }
    }

    /// How many of the messages sent so far a client lacks.
    pub(crate) fn lacks(&self, client: usize) -> u64 {
        if !self.counted[client] {
            return 0;
        }
        let streams = client % self.channels * self.publishers;
        (0..self.publishers)
            .map(|publisher| {
                let place = client * self.publishers + publisher;
                let missing = self.missing.get(&place).map_or(0, BTreeSet::len);
                (self.sent[streams + publisher] + missing as u64).saturating_sub(self.next[place])
            })
            .sum()
    }

    /// The faults so far; what is still under way is among the lost.
    pub(crate) fn faults(&self) -> Faults {
        Faults {
            lost: (0..self.counted.len())
                .map(|client| self.lacks(client))
                .sum(),
            ..self.faults
        }
    }

    /// How many publish into each channel.
    pub(crate) fn publishers(&self) -> usize {
        self.publishers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overtakes_is_told_from_what_is_lost_and_what_comes_twice() {
        let mut ledger = Ledger::new(7, 2, 1, 1);
        let marks: Vec<Mark> = (0..4).map(|time| ledger.send(0, 0, time)).collect();
        for mark in &marks {
            assert_eq!(ledger.receive(0, mark), Receipt::New);
        }
        assert_eq!(ledger.receive(1, &marks[2]), Receipt::New);
        assert_eq!(ledger.receive(1, &marks[0]), Receipt::Late);
        assert_eq!(ledger.receive(1, &marks[0]), Receipt::Doubled);
        // It lacks 1, which was overtaken, and 3, which is still to come.
        assert_eq!((ledger.lacks(0), ledger.lacks(1)), (0, 2));
        let expected = Faults {
            lost: 2,
            doubled: 1,
            out_of_order: 1,
            foreign: 0,
        };
        assert_eq!(ledger.faults(), expected);
    }

    #[test]
    fn other_runs_other_channels_and_what_was_never_sent_are_foreign() {
        let mut ledger = Ledger::new(7, 4, 2, 3);
        let mark = ledger.send(1, 2, 0);
        assert_eq!(ledger.receive(0, &mark), Receipt::Foreign);
        assert_eq!(ledger.receive(3, &mark), Receipt::New);
        let invented = Mark { number: 1, ..mark };
        assert_eq!(ledger.receive(1, &invented), Receipt::Foreign);
        let other = Mark { run: 8, ..mark };
        assert_eq!(ledger.receive(1, &other), Receipt::Foreign);
        assert_eq!((ledger.faults().foreign, ledger.faults().lost), (2, 1));
    }

    #[test]
    fn what_was_refused_and_who_is_left_out_lack_nothing() {
        let mut ledger = Ledger::new(7, 3, 1, 1);
        ledger.leave_out(2);
        let (first, refused) = (ledger.send(0, 0, 0), ledger.send(0, 0, 0));
        ledger.unsend(&refused);
        let last = ledger.send(0, 0, 0);
        for client in 0..2 {
            assert_eq!(ledger.receive(client, &first), Receipt::New);
            assert_eq!(ledger.receive(client, &last), Receipt::New);
        }
        assert_eq!((ledger.faults().lost, ledger.receivers(0)), (0, 2));
    }
}
