//! The bound on the head of a request, pure: whether the bytes that came so far are a head that is
//! too large.
//!
//! actix-http keeps up to 128 KiB of a head that has no end, of each connection. Here the bytes are
//! looked through for the blank line that ends a head, until a route has the request.

use memchr::memchr;

/// The end of a head.
const END: &[u8] = b"\r\n\r\n";

/// A head that is being received.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IncomingHead {
    /// Bytes of it that came.
    bytes: usize,
    /// How many bytes of its end came last.
    matched: usize,
    /// Its end came; what follows is its body, or the next head.
    is_whole: bool,
    /// More came behind its end.
    is_passed: bool,
}

impl IncomingHead {
    /// Whether its end came last, so that what comes now begins the next one, if it has no body.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_whole && !self.is_passed
    }

    /// More came than is looked at.
    pub(super) fn pass(&mut self) {
        self.is_passed = true;
    }

    /// Looks at bytes that came; whether the head has more than `bytes_max`.
    pub(super) fn is_too_large(&mut self, came: &[u8], bytes_max: usize) -> bool {
        let mut rest = came;
        while !rest.is_empty() {
            if self.is_whole {
                self.is_passed = true;
                break;
            }
            if self.matched == 0 {
                let plain = memchr(END[0], rest).unwrap_or(rest.len());
                self.bytes += plain;
                rest = &rest[plain..];
            }
            let Some((&byte, behind)) = rest.split_first() else {
                break;
            };
            rest = behind;
            self.bytes += 1;
            self.matched = match (byte == END[self.matched], byte) {
                (true, _) => self.matched + 1,
                (false, b'\r') => 1,
                (false, _) => 0,
            };
            self.is_whole = self.matched == END.len();
        }
        self.bytes > bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_without_an_end_is_too_large_beyond_the_bound() {
        let mut head = IncomingHead::default();
        assert!(!head.is_too_large(b"GET / HTTP/1.1\r\nA: ", 100));
        assert!(!head.is_too_large(&[b'x'; 81], 100));
        assert!(head.is_too_large(&[b'x'; 1], 100));
    }

    #[test]
    fn a_body_behind_a_head_is_none_of_it_however_the_bytes_are_cut() {
        let request = [&b"POST / HTTP/1.1\r\nA: b\r\r\n\r\n"[..], &[b'x'; 200]].concat();
        for cut in 1..request.len() {
            let mut head = IncomingHead::default();
            for part in request.chunks(cut) {
                assert!(!head.is_too_large(part, 100), "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_large_head_whose_end_comes_with_it_is_too_large_too() {
        let request = [&b"GET / HTTP/1.1\r\nA: "[..], &[b'x'; 200], b"\r\n\r\n"].concat();
        assert!(IncomingHead::default().is_too_large(&request, 100));
    }
}
