//! The client's half of the opening handshake (RFC 6455, section 4.1), with the key of the RFC's
//! own example, so that the right answer is a constant. Pure.

use std::net::SocketAddr;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// A longer head than this is no answer to our request.
const HEAD_MAX: usize = 8 << 10;

/// The request's bytes.
pub fn request(address: SocketAddr, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// The length of the answer's head once it is whole; what follows are frames. An error is the
/// answer's first line.
pub fn check(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > HEAD_MAX {
            Err("an endless head".to_owned())
        } else {
            Ok(None)
        };
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let accepted = head.lines().any(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT
        })
    });
    if head.starts_with("HTTP/1.1 101 ") && accepted {
        Ok(Some(end + 4))
    } else {
        Err(head.lines().next().unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_101_with_the_right_key_opens_a_session() {
        let good =
            format!("HTTP/1.1 101 Switching Protocols\r\nSEC-WebSocket-Accept: {ACCEPT}\r\n\r\n");
        let more = format!("{good}\u{1}\u{1}");
        assert_eq!(check(more.as_bytes()), Ok(Some(good.len())));
        for cut in 0..good.len() {
            assert_eq!(check(&good.as_bytes()[..cut]), Ok(None));
        }
        assert_eq!(
            check(b"HTTP/1.1 503 Full\r\n\r\n"),
            Err("HTTP/1.1 503 Full".to_owned())
        );
        assert!(check(good.replace(ACCEPT, "x").as_bytes()).is_err());
        assert!(check(&vec![b'a'; HEAD_MAX + 1]).is_err());
    }
}
