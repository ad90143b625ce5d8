//! The encodings of one publication: a list that only grows, by one entry for each form that some
//! session uses, of which there are few. Entries are never changed, so receivers borrow from it
//! without a lock.

use std::sync::OnceLock;

use bytes::Bytes;

use super::wire_format::WireFormat;

/// An encoding that was made.
#[derive(Debug)]
struct CachedEncoding {
    wire_format: WireFormat,
    bytes: Bytes,
    next: OnceLock<Box<CachedEncoding>>,
}

/// The encodings of one publication.
#[derive(Debug, Default)]
pub(super) struct Encodings {
    first: OnceLock<CachedEncoding>,
}

impl Encodings {
    /// The frame in a form, made by the first who asks; whoever asks for it meanwhile waits for
    /// that one, so that nothing is encoded twice.
    pub(super) fn get(&self, wire_format: WireFormat, encode: impl Fn() -> Bytes) -> &Bytes {
        let make = || CachedEncoding {
            wire_format,
            bytes: encode(),
            next: OnceLock::new(),
        };
        let mut entry = self.first.get_or_init(make);
        while entry.wire_format != wire_format {
            entry = entry.next.get_or_init(|| Box::new(make()));
        }
        &entry.bytes
    }
}
