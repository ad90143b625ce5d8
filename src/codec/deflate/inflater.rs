//! Inflating (RFC 7692 §7.2.2): a message's compressed bytes become its payload, within the message
//! limit.
//!
//! One zlib state and one output buffer for each thread, which works because every answer says
//! `client_no_context_takeover`. Bounds: output ends one byte over the limit, so a bomb costs what
//! a legal message costs; a buffer over [`KEEP_BYTES_MAX`] is given back after the message. It must
//! not look at what it inflates.

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};

use super::{super::ProtocolError, TAIL};

/// An output buffer up to this size stays with its thread.
const KEEP_BYTES_MAX: usize = 128 * 1024;

/// A final, empty block. A stream that is whole after the tail ends with it; one that was cut
/// inside a block does not.
const PROOF: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

thread_local! {
    static INFLATER: RefCell<Inflater> = RefCell::new(Inflater::new());
}

/// Inflates one message and hands the result to `then`, on this thread's inflater.
///
/// # Errors
/// [`ProtocolError::MessageTooBig`] beyond `limit`, [`ProtocolError::DeflateBroken`], or what
/// `then` returns.
pub fn inflate<T>(
    deflated: &[u8],
    limit: usize,
    then: impl FnOnce(&[u8]) -> Result<T, ProtocolError>,
) -> Result<T, ProtocolError> {
    // `then` runs inside; it must not inflate. The codec's own only copies.
    INFLATER.with_borrow_mut(|inflater| {
        let result = inflater.inflate(deflated, limit);
        let result = result.and_then(|()| then(&inflater.plain));
        inflater.tidy();
        result
    })
}

struct Inflater {
    zlib: Decompress,
    plain: Vec<u8>,
}

/// Where the stream stands after some input.
#[derive(PartialEq, Eq)]
enum Stand {
    /// All input is used; more may follow.
    Hungry,
    /// A final block ended the stream with this many bytes unused.
    Ended(usize),
}

impl Inflater {
    fn new() -> Self {
        Self {
            // 15 bits read whatever window the client chose.
            zlib: Decompress::new(false),
            plain: Vec::new(),
        }
    }

    fn inflate(&mut self, deflated: &[u8], limit: usize) -> Result<(), ProtocolError> {
        if deflated.is_empty() {
            // Strictly one byte is due (RFC 7692 §7.2.3.6), but senders that cut the tail off a
            // flush of nothing send none.
            return Ok(());
        }
        self.zlib.reset(false);
        let mut rest = deflated;
        while let Stand::Ended(unused) = self.feed(rest, limit)? {
            if unused == 0 {
                // Final and complete without the tail (RFC 7692 §7.2.3.4); nothing is missing.
                return Ok(());
            }
            // More blocks follow a final one, which RFC 7692 §7.2.1 allows.
            rest = &rest[rest.len() - unused..];
            self.zlib.reset(false);
        }
        let plain_bytes = self.plain.len();
        let mut stand = self.feed(&TAIL, limit)?;
        if stand == Stand::Hungry {
            stand = self.feed(&PROOF, limit)?;
        }
        // The tail says nothing by itself: if it became content, the stream was cut inside a block.
        if stand == Stand::Ended(0) && self.plain.len() == plain_bytes {
            Ok(())
        } else {
            Err(ProtocolError::DeflateBroken)
        }
    }

    /// Inflates `input` until it is used up or the stream ends.
    fn feed(&mut self, input: &[u8], limit: usize) -> Result<Stand, ProtocolError> {
        let mut rest = input;
        loop {
            self.make_room(rest.len(), limit);
            let before = self.zlib.total_in();
            let result = self
                .zlib
                .decompress_vec(rest, &mut self.plain, FlushDecompress::Sync);
            // Too big comes first: so the verdict does not depend on how much room there happened
            // to be.
            if self.plain.len() > limit {
                return Err(ProtocolError::MessageTooBig { limit });
            }
            let status = result.map_err(|_| ProtocolError::DeflateBroken)?;
            // Within `rest`: no more than its bytes were taken.
            rest = &rest[(self.zlib.total_in() - before) as usize..];
            if status == Status::StreamEnd {
                return Ok(Stand::Ended(rest.len()));
            }
            // With room left, zlib has nothing more to say about what it was given.
            if self.plain.len() < self.plain.capacity() {
                return if rest.is_empty() {
                    Ok(Stand::Hungry)
                } else {
                    Err(ProtocolError::DeflateBroken)
                };
            }
        }
    }

    /// Room for at least one byte more; never room for more than one byte over the limit, unless it
    /// is at hand already.
    fn make_room(&mut self, input: usize, limit: usize) {
        let len = self.plain.len();
        if len < self.plain.capacity() {
            return;
        }
        let wanted = len.max(input).saturating_mul(2).max(256);
        let capacity = wanted.min(limit.saturating_add(1)).max(len + 1);
        self.plain.reserve_exact(capacity - len);
    }

    /// Forgets the message, and the buffer too if it is a large one.
    fn tidy(&mut self) {
        self.plain.clear();
        if self.plain.capacity() > KEEP_BYTES_MAX {
            self.plain = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Deflater, *};

    #[test]
    fn a_bomb_never_gets_room_beyond_the_limit() {
        let bomb = Deflater::new(9).compress(&vec![0; 1 << 20], 15);
        for limit in [0, 1, 300, 1000, 100_000, 300_000] {
            let mut inflater = Inflater::new();
            assert_eq!(
                inflater.inflate(&bomb, limit),
                Err(ProtocolError::MessageTooBig { limit })
            );
            assert!(inflater.plain.capacity() <= limit + 1);
            inflater.tidy();
            assert!(inflater.plain.capacity() <= KEEP_BYTES_MAX);
        }
    }
}
