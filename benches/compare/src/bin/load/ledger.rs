//! The proof behind a figure: every client got every message, whole, once and in order.
//!
//! Pure data, owned by one measurement; `now` is a parameter. Bounds: one number per client and one entry per
//! message in flight. It must stay cheap, since it is asked once per delivery.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::error::LoadError;

/// The number at the start of each message, in hexadecimal.
pub const NUMBER_BYTES: usize = 16;

/// What was sent and who has it.
#[derive(Debug)]
pub struct Ledger {
    /// For each client, the number of the message it must get next.
    next: Vec<u64>,
    /// The number of the next message to send.
    sent: u64,
    /// The messages that somebody still lacks, oldest first; the newest is `sent - 1`.
    in_flight: VecDeque<Flight>,
    filler: Vec<u8>,
}

#[derive(Debug)]
struct Flight {
    sent_at: Instant,
    lacking: usize,
}

impl Ledger {
    /// For `clients` clients and messages of `size` bytes (at least [`NUMBER_BYTES`]).
    pub fn new(clients: usize, size: usize) -> Self {
        Self {
            next: vec![0; clients],
            sent: 0,
            in_flight: VecDeque::new(),
            filler: vec![b'.'; size.saturating_sub(NUMBER_BYTES)],
        }
    }

    /// How many messages somebody still lacks.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// How many messages were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The next message, counted as sent now.
    pub fn send(&mut self, now: Instant) -> Vec<u8> {
        let mut message = format!("{:0width$x}", self.sent, width = NUMBER_BYTES).into_bytes();
        message.extend_from_slice(&self.filler);
        self.sent += 1;
        self.in_flight.push_back(Flight {
            sent_at: now,
            lacking: self.next.len(),
        });
        message
    }

    /// Counts a delivery. `Some` when it was the last one of its message: the time since that was sent.
    pub fn receive(
        &mut self,
        client: usize,
        message: &[u8],
        now: Instant,
    ) -> Result<Option<Duration>, LoadError> {
        let fault = |fault| Err(LoadError::Delivery { client, fault });
        let Some((head, filler)) = message.split_at_checked(NUMBER_BYTES) else {
            return fault(format!("a message of {} bytes", message.len()));
        };
        if filler != self.filler {
            return fault(format!("an altered message of {} bytes", message.len()));
        }
        let number = std::str::from_utf8(head)
            .ok()
            .and_then(|head| u64::from_str_radix(head, 16).ok());
        let expected = self.next[client];
        if number != Some(expected) || expected >= self.sent {
            let got = number.map_or("no number".to_owned(), |number| number.to_string());
            return fault(format!(
                "message {got} instead of {expected}; {} were sent",
                self.sent
            ));
        }
        self.next[client] += 1;
        // A client gets messages in order, so what is complete is always the oldest.
        let oldest = self.sent - self.in_flight.len() as u64;
        let flight = &mut self.in_flight[(expected - oldest) as usize];
        flight.lacking -= 1;
        if flight.lacking > 0 {
            return Ok(None);
        }
        Ok(self
            .in_flight
            .pop_front()
            .map(|flight| now - flight.sent_at))
    }

    /// For the message of a measurement that stalled.
    pub fn state(&self) -> String {
        match self.in_flight.front() {
            None => format!("{} messages sent, none in flight", self.sent),
            Some(oldest) => format!(
                "{} messages sent, {} in flight, {} of {} clients lack the oldest",
                self.sent,
                self.in_flight.len(),
                oldest.lacking,
                self.next.len()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_clients() -> (Ledger, Instant) {
        (Ledger::new(2, 20), Instant::now())
    }

    #[test]
    fn a_message_is_complete_when_the_last_client_has_it() {
        let (mut ledger, start) = two_clients();
        let (one, two) = (
            ledger.send(start),
            ledger.send(start + Duration::from_millis(1)),
        );
        assert_eq!(one.len(), 20);
        let later = start + Duration::from_millis(5);
        assert_eq!(ledger.receive(0, &one, later).unwrap(), None);
        assert_eq!(ledger.receive(0, &two, later).unwrap(), None);
        assert_eq!(
            ledger.receive(1, &one, later).unwrap(),
            Some(Duration::from_millis(5))
        );
        assert_eq!(ledger.in_flight(), 1);
        assert_eq!(
            ledger.receive(1, &two, later).unwrap(),
            Some(Duration::from_millis(4))
        );
        assert_eq!((ledger.in_flight(), ledger.sent()), (0, 2));
    }

    #[test]
    fn twice_skipped_altered_and_invented_messages_are_faults() {
        let (mut ledger, now) = two_clients();
        let (one, two) = (ledger.send(now), ledger.send(now));
        assert!(ledger.receive(0, &two, now).is_err(), "skipped");
        ledger.receive(0, &one, now).unwrap();
        assert!(ledger.receive(0, &one, now).is_err(), "twice");
        let mut altered = two.clone();
        altered[18] = b'!';
        assert!(ledger.receive(0, &altered, now).is_err(), "altered");
        assert!(ledger.receive(0, &two[..10], now).is_err(), "cut");
        ledger.receive(0, &two, now).unwrap();
        let invented = format!("{:016x}....", 2);
        assert!(
            ledger.receive(0, invented.as_bytes(), now).is_err(),
            "never sent"
        );
    }
}
