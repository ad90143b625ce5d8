//! Where a client is in its channel, in the words of its protocol; kept only where it is to go on
//! from there.

/// A client's place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Of the Centrifuge protocol.
    pub offset: u64,
    /// Of the Centrifuge protocol.
    pub epoch: String,
    /// The id of the last event, `since`, or Socket.IO's offset.
    pub id: String,
    /// Socket.IO's private session id.
    pub session: String,
}

/// What stands between `before` and the next `end` in some bytes, looked for from their end.
pub(crate) fn last_between(bytes: &[u8], before: &[u8], end: u8) -> Option<String> {
    let start = memchr::memmem::rfind(bytes, before)? + before.len();
    let length = memchr::memchr(end, &bytes[start..])?;
    String::from_utf8(bytes[start..start + length].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_counts() {
        let bytes = b"id: 1\ndata: x\n\nid: 2\ndata: y\n\nid: 3";
        assert_eq!(last_between(bytes, b"id: ", b'\n'), None);
        assert_eq!(
            last_between(&bytes[..30], b"id: ", b'\n').as_deref(),
            Some("2")
        );
    }
}
