//! permessage-deflate (RFC 7692): negotiating it, compressing what leaves, inflating what arrives.
//!
//! The handshake calls [`negotiate`], publications own a [`Deflater`], the decoder inflates. Both
//! directions run without context takeover: so one compressed form serves every receiver, and no
//! connection holds a zlib state. Nothing here decides what is worth compressing.

mod deflater;
mod inflater;
mod negotiation;

pub use deflater::Deflater;
pub use inflater::inflate;
pub use negotiation::{Agreed, negotiate};

/// The window sizes that are agreed on, in bits: the largest of them that a client allows. A
/// message is compressed once for each that some receiver has, so they are few.
const SERVER_WINDOW_BITS: [u8; 3] = [15, 12, 9];

/// What a sender cuts off the end of a message and a receiver puts back (RFC 7692 §7.2.1, §7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
