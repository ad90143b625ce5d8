//! Compressing (RFC 7692 §7.2.1): each message by itself, once per window size however many receive
//! it.
//!
//! Owned by a thread that publishes. Bounds: one zlib state (about 270 KB at 15 bits, less below)
//! for each window size that is used, which negotiation makes three at most; made at first use,
//! reused ever after. It keeps nothing of a message.

use std::fmt;

use flate2::{Compress, Compression, FlushCompress};

use super::TAIL;

/// The window sizes that zlib can make: 9 to 15 bits.
const WINDOW_BITS_MIN: u8 = 9;
const WINDOW_BITS_MAX: u8 = 15;
const WINDOWS: usize = (WINDOW_BITS_MAX - WINDOW_BITS_MIN + 1) as usize;

/// zlib repeats the flush marker if it is called again with fewer than six bytes of room; stay
/// clear of that.
const ROOM_BYTES_MIN: usize = 64;

/// A compressor without context takeover.
pub struct Deflater {
    level: Compression,
    windows: [Option<Compress>; WINDOWS],
}

impl Deflater {
    /// A deflater of this level, 0 (store) to 9; more counts as 9.
    #[must_use]
    pub fn new(level: u32) -> Self {
        Self {
            level: Compression::new(level.min(9)),
            windows: [const { None }; WINDOWS],
        }
    }

    /// Compresses one message for receivers whose window is `window_bits` (9–15; others count as
    /// the nearest).
    #[must_use]
    pub fn compress(&mut self, payload: &[u8], window_bits: u8) -> Vec<u8> {
        if payload.is_empty() {
            // RFC 7692 §7.2.3.6: an empty block of a single byte.
            return vec![0x00];
        }
        let bits = window_bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX);
        let zlib = self.windows[usize::from(bits - WINDOW_BITS_MIN)]
            .get_or_insert_with(|| Compress::new_with_window_bits(self.level, false, bits));
        zlib.reset();

        let mut deflated = Vec::with_capacity(payload.len() / 2 + ROOM_BYTES_MIN);
        let mut rest = payload;
        loop {
            let before = zlib.total_in();
            // zlib fails only on a state or a flush mode that is not its own; both are made here.
            zlib.compress_vec(rest, &mut deflated, FlushCompress::Sync)
                .expect("zlib takes any bytes");
            // Within `rest`: no more than its bytes were taken.
            rest = &rest[(zlib.total_in() - before) as usize..];
            if rest.is_empty() && deflated.len() < deflated.capacity() {
                break;
            }
            deflated.reserve(rest.len().max(ROOM_BYTES_MIN));
        }
        debug_assert!(deflated.ends_with(&TAIL), "a flush ends so");
        deflated.truncate(deflated.len() - TAIL.len());
        deflated
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("level", &self.level.level())
            .finish_non_exhaustive()
    }
}
