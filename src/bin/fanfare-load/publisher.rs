//! Publishing by HTTP: connections that are kept, each with one POST under way at a time.

use std::io::ErrorKind;

use reqwest::Url;

use crate::{
    body::Body,
    endpoint::Endpoint,
    error::LoadError,
    handshake::{self, Head},
    mark::Mark,
    plan::{Plan, header_lines, parse_url},
    shared::Shared,
    stream::Stream,
    tally::Tally,
};

/// A longer answer to a publication is none.
const ANSWER_MAX: usize = 1 << 20;

/// What all POSTs have in common.
#[derive(Debug)]
pub(crate) struct Post {
    pub endpoint: Endpoint,
    headers: String,
}

impl Post {
    /// `None` where clients publish themselves.
    pub(crate) fn new(plan: &Plan) -> Result<Option<Self>, LoadError> {
        let options = &plan.options;
        if !options.publishes_by_http() {
            return Ok(None);
        }
        let url = parse_url(
            "--publish-url",
            &options.publish_url,
            &plan.terms.channel_name(0),
        )?;
        if matches!(url.scheme(), "ws" | "wss") {
            let why = "clients publish by --publish-url ws, everything else is an http address";
            return Err(LoadError::Usage(format!("--publish-url {url}: {why}")));
        }
        let mut headers = header_lines("--publish-header", &options.publish_header)?;
        if !headers.to_ascii_lowercase().contains("content-type:") {
            let is_json = options.publish_body.starts_with(['{', '[']);
            headers.push_str(if is_json {
                "Content-Type: application/json\r\n"
            } else {
                "Content-Type: text/plain\r\n"
            });
        }
        Ok(Some(Self {
            endpoint: Endpoint::new(&url, options.insecure, 1)?,
            headers,
        }))
    }

    /// The request that publishes a message.
    pub(crate) fn request(&self, plan: &Plan, mark: &Mark) -> Vec<u8> {
        let publishers = plan.publishers();
        let channel = plan.terms.channel_name(mark.stream as usize / publishers);
        let mut data = Vec::with_capacity(plan.options.size);
        mark.put(&mut data, plan.options.size);
        // A mark and its filling are ASCII.
        let data = String::from_utf8_lossy(&data);
        let body = (plan.options.publish_body)
            .replace("{channel}", &channel)
            .replace("{data}", &data);
        let target = target(&plan.options.publish_url, &channel);
        format!(
            "POST {target} HTTP/1.1\r\nHost: {}\r\n{}Content-Length: {}\r\n\r\n{body}",
            self.endpoint.host,
            self.headers,
            body.len()
        )
        .into_bytes()
    }
}

/// The address was parsed once at the start, and a channel's name is escaped in it.
fn target(url: &str, channel: &str) -> String {
    let url = parse_url("--publish-url", url, channel).ok();
    url.map_or_else(
        || "/".to_owned(),
        |url: Url| match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        },
    )
}

/// A connection that publishes by HTTP, one request at a time.
#[derive(Debug)]
pub(crate) struct Publisher {
    number: usize,
    stream: Option<Stream>,
    unsent: Vec<u8>,
    /// What came of the answer.
    answer: Vec<u8>,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    mark: Mark,
    asked: u64,
}

impl Publisher {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            stream: None,
            unsent: Vec::new(),
            answer: Vec::new(),
            pending: None,
        }
    }

    pub(crate) fn needs_connection(&self) -> bool {
        self.stream.is_none()
    }

    pub(crate) fn set_connection(&mut self, stream: Stream) {
        self.stream = Some(stream);
    }

    pub(crate) fn post(&mut self, request: Vec<u8>, mark: Mark, now: u64) {
        self.unsent = request;
        self.answer.clear();
        self.pending = Some(Pending { mark, asked: now });
        self.flush();
    }

    fn flush(&mut self) {
        if let Some(stream) = &mut self.stream
            && stream.socket().peer_addr().is_ok()
        {
            // What ended the connection is told by the read that follows.
            let _ = stream.flush(&mut self.unsent);
        }
    }

    pub(crate) fn on_event(&mut self, shared: &mut Shared<'_>) {
        self.flush();
        loop {
            let Some(stream) = &mut self.stream else {
                return;
            };
            match stream.read(shared.buffer) {
                Ok(0) => return self.lost(shared.tally, "end of stream"),
                Ok(count) => self.answer.extend_from_slice(&shared.buffer[..count]),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::NotConnected
                    ) =>
                {
                    return;
                }
                Err(error) => return self.lost(shared.tally, &error.to_string()),
            }
            match whole(&self.answer) {
                Ok(None) => (),
                Ok(Some((head, body))) => {
                    let now = shared.plan.clock.now();
                    self.on_answer(shared.tally, &head, &body, now);
                }
                Err(why) => return self.lost(shared.tally, &why),
            }
        }
    }

    fn on_answer(&mut self, tally: &mut Tally, head: &Head, body: &[u8], now: u64) {
        self.answer.clear();
        if head.closes {
            self.stream = None;
        }
        let Some(pending) = self.pending.take() else {
            return;
        };
        // Centrifugo's API refuses with status 200.
        if (200..300).contains(&head.status) && !body.starts_with(b"{\"error\"") {
            tally.note_answer(self.number, pending.asked, now);
        } else {
            let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
            let why = format!("{} {}", head.status, text.trim());
            tally.refused(self.number, Some(&pending.mark), why);
        }
    }

    /// The connection is gone. Whether a message that was under way got through nobody knows: it is
    /// still to be delivered.
    fn lost(&mut self, tally: &mut Tally, how: &str) {
        self.stream = None;
        self.answer.clear();
        if self.pending.take().is_some() {
            tally.refused(self.number, None, how.to_owned());
        }
    }

    /// Gives up an answer that was asked for before a time.
    pub(crate) fn give_up(&mut self, before: u64, tally: &mut Tally) {
        if (self.pending.as_ref()).is_some_and(|pending| pending.asked < before) {
            self.lost(tally, "no answer in time");
        }
    }
}

/// The answer at the start of `bytes`, once it is whole.
fn whole(bytes: &[u8]) -> Result<Option<(Head, Vec<u8>)>, String> {
    if bytes.len() > ANSWER_MAX {
        return Err("an answer of more than 1 MiB".to_owned());
    }
    let Some(head) = handshake::head(bytes)? else {
        return Ok(None);
    };
    let rest = &bytes[head.length..];
    if head.is_chunked {
        let mut body = Body::new(true);
        let mut text = Vec::new();
        body.feed(rest, &mut |lines| text.extend_from_slice(lines))?;
        text.extend_from_slice(body.beginning());
        return Ok(body.is_over().then_some((head, text)));
    }
    let length = head.body.unwrap_or(0);
    Ok(rest
        .get(..length)
        .map(|body| body.to_vec())
        .map(|body| (head, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_once_its_body_is_whole() {
        let answers: [&[u8]; 3] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
        ];
        for (answer, body) in answers.into_iter().zip(["{}", "{}", ""]) {
            let (_, found) = whole(answer).unwrap().unwrap();
            assert_eq!(found, body.as_bytes());
        }
        assert!(
            whole(&answers[0][..answers[0].len() - 1])
                .unwrap()
                .is_none()
        );
        // The last chunk's size is enough to know that there is no more.
        assert!(
            whole(&answers[1][..answers[1].len() - 6])
                .unwrap()
                .is_none()
        );
    }
}
