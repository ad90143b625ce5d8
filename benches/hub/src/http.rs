//! The little of HTTP/1.1 that the load generator speaks: requests out, heads and bodies of known
//! length in.
//!
//! Pure code, owned by nobody. Bounds: a head of [`HEAD_MAX`] bytes and a body of [`BODY_MAX`]. An
//! answer without a `Content-Length` is a stream that goes on; only its head is taken here.

use std::net::SocketAddr;

use crate::error::LoadError;

/// A longer head than this is no answer of the server under test.
const HEAD_MAX: usize = 8 << 10;
/// A broadcast to 10,000 channels answers with about 1 MiB.
const BODY_MAX: usize = 8 << 20;

/// One whole answer at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The body; empty where it has no end.
    pub body: &'a [u8],
    /// Whether the body goes on.
    pub streams: bool,
    /// How many bytes of the buffer it took.
    pub length: usize,
}

/// A POST of JSON with the key of the server API, on a connection that is kept.
pub fn post(address: SocketAddr, path: &str, key: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A GET without anything.
pub fn get(address: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes()
}

/// The answer at the start of `buffer`, or `None` while it is incomplete.
pub fn take(buffer: &[u8]) -> Result<Option<Answer<'_>>, LoadError> {
    let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if buffer.len() > HEAD_MAX {
            Err(LoadError::Frame("an endless head"))
        } else {
            Ok(None)
        };
    };
    let head = std::str::from_utf8(&buffer[..end])
        .map_err(|_| LoadError::Frame("a head that is no text"))?;
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or(LoadError::Frame("no status line"))?;
    let start = end + 4;
    let announced = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let length = match announced {
        Some(length) if length > BODY_MAX => {
            return Err(LoadError::Frame("a longer body than this program takes"));
        }
        Some(length) => start + length,
        // A 204 or a 304 has no body and says so by its status.
        None if matches!(status, 204 | 304) => start,
        None => {
            return Ok(Some(Answer {
                status,
                body: &[],
                streams: true,
                length: start,
            }));
        }
    };
    Ok(buffer.get(start..length).map(|body| Answer {
        status,
        body,
        streams: false,
        length,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_arrives_whole_or_not_at_all_however_it_is_cut() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 4\r\n\r\n{\"\"}";
        for cut in 0..whole.len() {
            assert_eq!(take(&whole[..cut]).unwrap(), None, "cut at {cut}");
        }
        let two = [&whole[..], b"HTTP/1.1 503"].concat();
        let answer = take(&two).unwrap().unwrap();
        assert_eq!(
            (answer.status, answer.body, answer.length),
            (200, &b"{\"\"}"[..], whole.len())
        );
        assert!(!answer.streams);
    }

    #[test]
    fn a_stream_is_told_from_an_answer_without_a_body() {
        let stream = take(b"HTTP/1.1 200 OK\r\n\r\n: hello\n").unwrap().unwrap();
        assert!(stream.streams && stream.length == 19);
        let none = take(b"HTTP/1.1 204 No Content\r\n\r\nHTTP")
            .unwrap()
            .unwrap();
        assert!(!none.streams && none.length == 27);
        assert!(take(b"ICY 200 OK\r\n\r\n").is_err());
        assert!(take(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n").is_err());
        assert!(take(&[b'a'; HEAD_MAX + 1]).is_err());
    }

    #[test]
    fn a_post_carries_its_key_and_its_length() {
        let request = post(
            SocketAddr::from(([127, 0, 0, 1], 9)),
            "/api/info",
            "k",
            b"{}",
        );
        let text = String::from_utf8(request).unwrap();
        assert!(text.contains("X-API-Key: k\r\n") && text.contains("Content-Length: 2\r\n\r\n{}"));
    }
}
