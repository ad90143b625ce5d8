//! Plain clients over HTTP and raw WebSocket: streams of events, long polls, messages by requests
//! of their own, and positions from which each of them goes on. Helpers for these are here; one
//! file a way in.

mod cache;
mod fire;
mod form;
mod hook;
mod kept;
mod names;
mod origins;
mod poll;
mod raw;
mod send;
mod sse;
mod tokens;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use crate::support::{Response, SOON, Server};

/// Channels with a history that anyone may join and publish to, and a path that relays.
pub(crate) const OPEN: &str = "[channels]\nhistory_size = 10000\nallow.subscribe = [\"anonymous\"]\n\
    allow.publish = [\"anonymous\"]\n[[namespace]]\nname = \"now\"\nhistory_size = 0\n\
    [[namespace]]\nname = \"shut\"\nallow.subscribe = []\nallow.publish = []\n\
    [[raw]]\npath = \"/ws\"\non_message = \"relay\"\n";

/// Posts a body.
pub(crate) fn post(server: &Server, path: &str, headers: &str, body: &str) -> Response {
    let length = body.len();
    server
        .request(&format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}"
        ))
        .expect("an answer")
}

/// Publishes a text.
pub(crate) fn publish(server: &Server, channel: &str, text: &str) {
    let answer = post(server, &format!("/send?channel={channel}"), "", text);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The JSON of an answer.
pub(crate) fn json(response: &Response) -> serde_json::Value {
    assert_eq!(response.status, 200, "{}", response.body);
    // One connection a request, so a body without a length would end with it.
    serde_json::from_str(&response.body)
        .unwrap_or_else(|error| panic!("{error}: {}", response.body))
}

/// Polls once.
pub(crate) fn poll(server: &Server, query: &str) -> serde_json::Value {
    json(&server.get(&format!("/poll?{query}")))
}

/// A text as a query has it, every byte escaped: nine for a sign of three.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The position to go on from, as a query has it.
pub(crate) fn since(answer: &serde_json::Value) -> String {
    answer["since"]
        .as_str()
        .expect("a position")
        .replace(',', "%2C")
}

/// The texts of a poll's messages.
pub(crate) fn texts(answer: &serde_json::Value) -> Vec<String> {
    let messages = answer["messages"].as_array().expect("a list");
    let text = |message: &serde_json::Value| match &message["data"] {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    messages.iter().map(text).collect()
}

/// An event as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: String,
    pub retry: Option<String>,
    /// Nothing but comment lines.
    pub comment: bool,
}

impl Event {
    /// Reads the lines of a block.
    fn parse(block: &str) -> Self {
        let mut event = Self::default();
        let mut data = Vec::new();
        event.comment = block.lines().all(|line| line.starts_with(':'));
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("event", name)) => event.name = name.to_string(),
                Some(("id", id)) => event.id = Some(id.to_string()),
                Some(("retry", ms)) => event.retry = Some(ms.to_string()),
                Some(("data", text)) => data.push(text),
                _ => assert!(line.starts_with(':'), "no field: {line:?}"),
            }
        }
        event.data = data.join("\n");
        event
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).expect("JSON")
    }
}

/// A client of an event stream, with the chunks of HTTP/1.1 taken off.
pub(crate) struct Events {
    stream: TcpStream,
    pub head: String,
    /// As it came.
    bytes: Vec<u8>,
    text: String,
    ended: bool,
}

impl Events {
    pub(crate) fn open(address: SocketAddr, path: &str, headers: &str) -> Self {
        Self::request(
            address,
            &format!(
                "GET {path} HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n{headers}\r\n"
            ),
        )
    }

    pub(crate) fn request(address: SocketAddr, request: &str) -> Self {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut events = Self {
            stream,
            head: String::new(),
            bytes: Vec::new(),
            text: String::new(),
            ended: false,
        };
        loop {
            if let Some(end) = events
                .bytes
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                let head: Vec<u8> = events.bytes.drain(..end + 4).collect();
                events.head = String::from_utf8(head).expect("text").to_lowercase();
                return events;
            }
            assert!(events.read(), "the head came");
        }
    }

    fn read(&mut self) -> bool {
        let mut chunk = [0; 4096];
        let n = self.stream.read(&mut chunk).expect("read in time");
        self.bytes.extend_from_slice(&chunk[..n]);
        n > 0
    }

    /// Moves whole chunks over.
    fn unchunk(&mut self) {
        if !self.head.contains("transfer-encoding: chunked") {
            let whole = std::mem::take(&mut self.bytes);
            self.text
                .push_str(std::str::from_utf8(&whole).expect("ASCII only"));
            return;
        }
        while let Some(line) = self.bytes.windows(2).position(|window| window == b"\r\n") {
            let length = std::str::from_utf8(&self.bytes[..line]).expect("text");
            let length = usize::from_str_radix(length, 16).expect("a length");
            let end = line + 2 + length;
            if self.bytes.len() < end + 2 {
                return;
            }
            self.ended |= length == 0;
            let text =
                std::str::from_utf8(&self.bytes[line + 2..end]).expect("whole events a chunk");
            self.text.push_str(text);
            self.bytes.drain(..end + 2);
        }
    }

    /// The next event, comments among them; `None` at the end.
    pub(crate) fn any(&mut self) -> Option<Event> {
        loop {
            self.unchunk();
            if let Some(end) = self.text.find("\n\n") {
                let event = Event::parse(&self.text[..end]);
                self.text.drain(..end + 2);
                return Some(event);
            }
            if self.ended || !self.read() {
                assert_eq!(self.text, "", "an event ended in its middle");
                return None;
            }
        }
    }

    /// The next event that is one.
    pub(crate) fn next(&mut self) -> Event {
        loop {
            let event = self.any().expect("an event, not the end");
            let shown = !event.name.is_empty() || !event.data.is_empty();
            if shown && !event.comment {
                return event;
            }
        }
    }

    /// The first event.
    pub(crate) fn greeting(&mut self) -> Event {
        let event = self.next();
        assert_eq!(event.name, "fanfare", "{event:?}");
        event
    }
}
