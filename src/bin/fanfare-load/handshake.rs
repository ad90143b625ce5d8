//! The client's half of the opening handshake (RFC 6455, section 4.1) and the request for a stream
//! of events; and what a server answers to either.
//!
//! The key is that of the RFC's own example, so that the right answer is a constant.

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// A longer head than this is no answer to our request.
const HEAD_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;

/// The request for a WebSocket. `headers` are whole lines.
pub(crate) fn upgrade(
    host: &str,
    target: &str,
    headers: &str,
    subprotocol: Option<&str>,
    deflate: bool,
) -> Vec<u8> {
    let subprotocol = subprotocol.map_or(String::new(), |name| {
        format!("Sec-WebSocket-Protocol: {name}\r\n")
    });
    let extensions = if deflate {
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
         client_no_context_takeover\r\n"
    } else {
        ""
    };
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{subprotocol}{extensions}\
         {headers}\r\n"
    )
    .into_bytes()
}

/// The request for a stream of events.
pub(crate) fn events(host: &str, target: &str, headers: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\
         Cache-Control: no-cache\r\n{headers}\r\n"
    )
    .into_bytes()
}

/// The head of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub status: u16,
    /// How many bytes it took.
    pub length: usize,
    /// Bytes of its body, where it says so (`Content-Length`).
    pub body: Option<usize>,
    pub is_chunked: bool,
    /// The server ends the connection behind this answer.
    pub closes: bool,
    /// The key's answer is right.
    pub accepted: bool,
    /// permessage-deflate is on.
    pub deflates: bool,
    /// The server keeps its window from message to message.
    pub keeps_window: bool,
}

/// The head at the start of `bytes`, or `None` while it is incomplete.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() > HEAD_MAX => {
            return Err("an endless head".to_owned());
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("no answer of HTTP: {error}")),
    };
    let mut head = Head {
        status: response.code.unwrap_or(0),
        length,
        closes: response.version == Some(0),
        ..Head::default()
    };
    for header in response.headers.iter() {
        let value = header.value.trim_ascii();
        let says = |word: &str| {
            String::from_utf8_lossy(value)
                .to_ascii_lowercase()
                .contains(word)
        };
        match header.name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let text = std::str::from_utf8(value).unwrap_or_default();
                head.body = Some(text.parse().map_err(|_| "a broken Content-Length")?);
            }
            "transfer-encoding" => head.is_chunked = says("chunked"),
            "connection" => head.closes = says("close") || (head.closes && !says("keep-alive")),
            "sec-websocket-accept" => head.accepted = value == ACCEPT,
            "sec-websocket-extensions" => {
                head.deflates = says("permessage-deflate");
                head.keeps_window = !says("server_no_context_takeover");
            }
            _ => (),
        }
    }
    Ok(Some(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_whole() {
        let answer = "HTTP/1.1 101 Switching Protocols\r\nSEC-WebSocket-Accept: \
                      s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: \
                      permessage-deflate; server_no_context_takeover\r\n\r\n";
        for cut in 0..answer.len() {
            assert_eq!(head(&answer.as_bytes()[..cut]), Ok(None));
        }
        let found = head(format!("{answer}\u{1}").as_bytes()).unwrap().unwrap();
        let expected = Head {
            status: 101,
            length: answer.len(),
            accepted: true,
            deflates: true,
            ..Head::default()
        };
        assert_eq!(found, expected);
        assert!(head(&vec![b'a'; HEAD_MAX + 1]).is_err());
    }

    #[test]
    fn a_body_has_a_length_or_chunks_and_may_be_the_last() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n";
        let found = head(answer).unwrap().unwrap();
        assert_eq!(
            (found.body, found.closes, found.is_chunked),
            (Some(12), true, false)
        );
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(head(answer).unwrap().unwrap().is_chunked);
    }
}
