//! Who got what: every subscriber gets every publication once, and those of one publishing
//! connection in order.
//!
//! Pure data. A publication carries its connection and its number there; the ledger knows for each
//! subscriber which number comes next from each connection. A double or a stranger is an error at
//! once; what is passed over is counted, to be held against what the server refused.

/// How a publication's data begins: two digits of the connection, ten of the number.
const MARK: &[u8] = b"{\"n\":\"";
const DIGITS: usize = 12;

/// The data of one publication: JSON of exactly `size` bytes.
pub fn data(out: &mut Vec<u8>, connection: usize, number: u64, size: usize) {
    use std::io::Write;
    let end = out.len() + size;
    // Writing to a vector cannot fail.
    let _ = write!(out, "{{\"n\":\"{connection:02}{number:010}\",\"p\":\"");
    out.resize(end.saturating_sub(2).max(out.len()), b'x');
    out.extend_from_slice(b"\"}");
}

/// Which connection published it, and its number there.
pub fn read(message: &[u8]) -> Option<(usize, u64)> {
    let start = message.windows(MARK.len()).position(|part| part == MARK)? + MARK.len();
    let digits = message.get(start..start + DIGITS)?;
    let value = |digits: &[u8]| {
        digits.iter().try_fold(0, |sum: u64, byte| {
            byte.is_ascii_digit()
                .then(|| sum * 10 + u64::from(byte - b'0'))
        })
    };
    Some((
        usize::try_from(value(&digits[..2])?).ok()?,
        value(&digits[2..])?,
    ))
}

/// The account of all subscribers.
#[derive(Debug)]
pub struct Ledger {
    connections: usize,
    /// What comes next, for each subscriber and each connection.
    next: Vec<u64>,
    /// Receipts in all.
    received: u64,
    /// Publications that were passed over.
    missed: u64,
}

impl Ledger {
    /// Nothing was published yet.
    pub fn new(subscribers: usize, connections: usize) -> Self {
        Self {
            connections,
            next: vec![0; subscribers * connections],
            received: 0,
            missed: 0,
        }
    }

    /// Notes what a subscriber got; an error says what it should have been.
    pub fn receive(&mut self, subscriber: usize, message: &[u8]) -> Result<(), String> {
        let Some((connection, number)) = read(message) else {
            return Err(format!("got {:?}", String::from_utf8_lossy(message)));
        };
        if connection >= self.connections {
            return Err(format!(
                "got a publication of connection {connection}, which there is not"
            ));
        }
        let next = &mut self.next[subscriber * self.connections + connection];
        if number < *next {
            return Err(format!(
                "got number {number} of connection {connection} where {next} is next"
            ));
        }
        self.missed += number - *next;
        *next = number + 1;
        self.received += 1;
        Ok(())
    }

    /// Receipts in all.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Publications that a subscriber did not get although it got a later one of the same
    /// connection, in all. There may be as many as were refused, which got no number at the server
    /// but have one here.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_json_of_its_size_and_tells_whose_it_is() {
        for size in [32, 128, 1000] {
            let mut out = Vec::new();
            data(&mut out, 7, 123_456, size);
            assert_eq!(out.len(), size);
            assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
            let push = [b"{\"push\":{\"pub\":{\"data\":", &out[..], b"}}}"].concat();
            assert_eq!(read(&push), Some((7, 123_456)));
        }
        assert_eq!(read(b"{\"n\":\"07x"), None);
    }

    #[test]
    fn a_loss_is_counted_and_a_double_or_a_stranger_is_a_fault() {
        let message = |connection, number| {
            let mut out = Vec::new();
            data(&mut out, connection, number, 64);
            out
        };
        let mut ledger = Ledger::new(2, 2);
        for (subscriber, connection, number) in [(0, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, 1)] {
            ledger
                .receive(subscriber, &message(connection, number))
                .unwrap();
        }
        assert_eq!(ledger.received(), 4);
        ledger.receive(0, &message(0, 4)).unwrap();
        assert_eq!((ledger.received(), ledger.missed()), (5, 2));
        for (subscriber, connection, number) in [(0, 0, 1), (0, 0, 4), (1, 2, 0)] {
            assert!(
                ledger
                    .receive(subscriber, &message(connection, number))
                    .is_err()
            );
        }
        assert!(ledger.receive(0, b"something else").is_err());
    }
}
