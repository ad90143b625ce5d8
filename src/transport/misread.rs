//! Why actix-http could not read a request, and the answer that says so: its own is an empty 400.
//!
//! Pure. Looks at what came of a connection's input, at most [`SEEN_BYTES_MAX`] of it, only once an
//! empty 400 is about to be written, so that nobody else pays for it. The rules are those that
//! actix-http reads by; a request that breaks none of them is not called misread here, and what
//! cannot be told keeps the empty answer.

use actix_web::http::{Uri, header};

/// Bytes of a connection's input that are kept until something is written.
pub(super) const SEEN_BYTES_MAX: usize = 8 << 10;

/// Headers that actix-http takes.
const HEADERS_MAX: usize = 96;

/// How the answer begins by which actix-http says that it cannot read a request.
const EMPTY_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n";
/// What there may be of it behind that: that the connection ends, and the date.
const EMPTY_ANSWER_REST_MAX: usize = 96;

/// Where in what is to be written that empty answer stands, if it is the end of it.
pub(super) fn empty_answer_in(written: &[u8]) -> Option<usize> {
    if !written.ends_with(b"\r\n\r\n") {
        return None;
    }
    let from = written
        .len()
        .saturating_sub(EMPTY_ANSWER.len() + EMPTY_ANSWER_REST_MAX);
    let found = written[from..]
        .windows(EMPTY_ANSWER.len())
        .rposition(|part| part == EMPTY_ANSWER)?;
    let rest = &written[from + found + EMPTY_ANSWER.len()..];
    // Nothing stands behind its head.
    let end = rest.windows(4).position(|part| part == b"\r\n\r\n");
    let is_last = end.is_none_or(|end| end + 4 == rest.len());
    is_last.then_some(from + found)
}

/// The answer that names the fault.
pub(super) fn answer(fault: &str) -> Vec<u8> {
    let body = format!("this request cannot be read: {fault}\n");
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// What is wrong with the first of these requests that cannot be read; absent where they all can,
/// as far as they are here.
pub(super) fn fault_in(mut seen: &[u8]) -> Option<&'static str> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let head_bytes = match request.parse(seen) {
            Err(error) => return Some(of_syntax(error)),
            Ok(httparse::Status::Partial) => return None,
            Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        };
        if let Err(fault) = of_address(request.path.unwrap_or_default()) {
            return Some(fault);
        }
        let body_bytes = match of_headers(&request) {
            Ok(BodyFraming::Sized(bytes)) => bytes,
            Ok(BodyFraming::Chunked) => return None,
            Err(fault) => return Some(fault),
        };
        let next = usize::try_from(body_bytes).ok()?.checked_add(head_bytes)?;
        seen = seen.get(next..).filter(|rest| !rest.is_empty())?;
    }
}

fn of_syntax(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "the name of a header has a byte that none may have",
        httparse::Error::HeaderValue => "the value of a header has a byte that none may have",
        httparse::Error::NewLine => "a line of its head does not end as it must",
        httparse::Error::TooManyHeaders => "it has more than 96 headers",
        httparse::Error::Version => "its version is neither HTTP/1.1 nor HTTP/1.0",
        _ => "its first line is none of HTTP, such as: GET /path HTTP/1.1",
    }
}

fn of_address(path: &str) -> Result<(), &'static str> {
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("its address has bytes that must be percent-encoded");
    }
    match Uri::try_from(path) {
        Ok(_) => Ok(()),
        Err(_) => {
            Err("its address is none: a byte in it must be percent-encoded, or it is too long")
        }
    }
}

/// How the end of a request is found.
enum BodyFraming {
    /// By a length, 0 where none is said.
    Sized(u64),
    /// By its chunks.
    Chunked,
}

fn of_headers(request: &httparse::Request<'_, '_>) -> Result<BodyFraming, &'static str> {
    let all = |name: header::HeaderName| {
        let headers = request.headers.iter();
        headers.filter(move |header| header.name.eq_ignore_ascii_case(name.as_str()))
    };
    let is_new = request.version == Some(1);
    match all(header::HOST).count() {
        0 if is_new => return Err("it has no Host"),
        0 | 1 => {}
        _ => return Err("it has more than one Host"),
    }
    let mut lengths = all(header::CONTENT_LENGTH).map(|header| header.value);
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err("it has more than one Content-Length");
    }
    let length = match length {
        None => None,
        Some(value) => Some(number(value).ok_or("its Content-Length is no number")?),
    };
    let mut encodings = all(header::TRANSFER_ENCODING).map(|header| header.value);
    let encoding = encodings.next();
    if encodings.next().is_some() {
        return Err("it has more than one Transfer-Encoding");
    }
    match encoding {
        None => Ok(BodyFraming::Sized(length.unwrap_or(0))),
        Some(_) if !is_new => Err("it has a Transfer-Encoding, which HTTP/1.0 does not know"),
        Some(value) if !value.trim_ascii().eq_ignore_ascii_case(b"chunked") => {
            Err("its Transfer-Encoding is not \"chunked\", the only one that is taken")
        }
        Some(_) if length.is_some() => Err("it has a Content-Length beside its Transfer-Encoding"),
        Some(_) => Ok(BodyFraming::Chunked),
    }
}

fn number(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim();
    (!text.starts_with('+')).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_name_and_what_can_be_read_has_none() {
        let host = "GET / HTTP/1.1\r\nHost: a\r\n";
        for (request, fault) in [
            (format!("{host}Host: b\r\n\r\n"), "more than one Host"),
            ("GET / HTTP/1.1\r\n\r\n".into(), "no Host"),
            ("garbage\r\n\r\n".into(), "first line"),
            ("\0\u{1}\r\n".into(), "first line"),
            ("GET / HTTP/3.0\r\n\r\n".into(), "version"),
            (format!("{host}a b: c\r\n\r\n"), "name of a header"),
            (format!("{host}a: b\0\r\n\r\n"), "value of a header"),
            (
                "GET /ä HTTP/1.1\r\nHost: a\r\n\r\n".into(),
                "percent-encoded",
            ),
            (
                format!("{host}Content-Length: 1\r\ncontent-length: 1\r\n\r\n"),
                "one Content-Length",
            ),
            (format!("{host}Content-Length: +1\r\n\r\n"), "no number"),
            (
                format!("{host}Transfer-Encoding: gzip\r\n\r\n"),
                "not \"chunked\"",
            ),
            (
                format!("{host}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"),
                "beside",
            ),
            (
                "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
                "HTTP/1.0",
            ),
            (format!("{host}{}\r\n", "a: b\r\n".repeat(96)), "96 headers"),
        ] {
            let said = fault_in(request.as_bytes()).unwrap_or_default();
            assert!(said.contains(fault), "{request:?}: {said}");
            // The same behind others that can be read, with a body and without.
            let before = format!("{host}\r\n{host}Content-Length: 3\r\n\r\nabc{request}");
            assert_eq!(fault_in(before.as_bytes()), Some(said), "{before:?}");
        }
        for request in [
            "",
            "GET / HT",
            "GET / HTTP/1.1\r\nHost: a\r\nHo",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nGET",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n",
        ] {
            assert_eq!(fault_in(request.as_bytes()), None, "{request:?}");
        }
    }

    #[test]
    fn only_an_empty_answer_at_the_end_is_taken_for_one() {
        let empty = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: Fri, \
                     27 Nov 2026 09:20:33 GMT\r\n\r\n";
        assert_eq!(empty_answer_in(empty.as_bytes()), Some(0));
        let before = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let both = format!("{before}{empty}");
        assert_eq!(empty_answer_in(both.as_bytes()), Some(before.len()));
        for other in [
            format!("{empty}ok\r\n\r\n"),
            before.into(),
            empty[1..].into(),
        ] {
            assert_eq!(empty_answer_in(other.as_bytes()), None, "{other:?}");
        }
        let text = String::from_utf8(answer("why")).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    }
}
