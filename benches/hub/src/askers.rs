//! One client of each kind that needs the backend, and what it saw after how long.
//!
//! Owned by one phase of the `backend` mode. Those that need a session first are given it while the
//! backend is well ([`Askers::prepare`]); then all ask at once ([`Askers::ask`]). Nothing an asker
//! sees is an error here: it is the figure.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    clients::{Clients, Event, Kind},
    error::LoadError,
    http,
    options::Options,
};

/// What is noted of one asker at most.
const SEEN_MAX: usize = 4;
/// Bytes that are shown of what it saw.
const SHOWN_BYTES: usize = 120;

/// How an asker asks.
#[derive(Clone, Copy)]
enum Way {
    /// A text on a new WebSocket whose connect is the question.
    Connect,
    /// A command on a connected session.
    Command(&'static str),
    /// A text on an open raw WebSocket.
    Message(&'static str),
    /// The handshake itself.
    Handshake(&'static str),
    /// A POST with a body.
    Post(&'static str, &'static str),
    /// A GET.
    Get(&'static str),
}

/// The kinds: what is asked in words, and how.
const KINDS: &[(&str, Way)] = &[
    ("protocol: connect", Way::Connect),
    (
        "protocol: subscribe",
        Way::Command(r#"{"id":2,"subscribe":{"channel":"ask:a"}}"#),
    ),
    (
        "protocol: publish",
        Way::Command(r#"{"id":2,"publish":{"channel":"ask:b","data":{"x":1}}}"#),
    ),
    (
        "protocol: rpc",
        Way::Command(r#"{"id":2,"rpc":{"method":"m","data":{}}}"#),
    ),
    ("protocol: send", Way::Command(r#"{"send":{"data":{}}}"#)),
    (
        "http_stream: connect",
        Way::Post("/connection/http_stream", r#"{"id":1,"connect":{}}"#),
    ),
    (
        "uni_sse: connect",
        Way::Get("/connection/uni_sse?cf_connect=%7B%7D"),
    ),
    ("raw: message, on_failure close", Way::Message("/hook")),
    (
        "raw: message, on_failure reply",
        Way::Message("/hook-reply"),
    ),
    ("raw: connect_hook", Way::Handshake("/asked")),
    (
        "raw: ?channel= with subscribe hook",
        Way::Handshake("/ws?channel=ask:c"),
    ),
    ("/sse with subscribe hook", Way::Get("/sse?channel=ask:d")),
    ("/poll with subscribe hook", Way::Get("/poll?channel=ask:e")),
    (
        "/send to a raw endpoint",
        Way::Post("/send?path=/hook", "hello"),
    ),
    (
        "/send to a channel, publish hook",
        Way::Post("/send?channel=ask:f", "hello"),
    ),
];

struct Asker {
    what: &'static str,
    way: Way,
    /// Its connection, once there is one.
    number: Option<usize>,
    ready: bool,
    seen: Vec<(Duration, String)>,
    /// Nothing more will come that matters.
    done: bool,
}

/// One of each kind, and a crowd that calls.
pub struct Askers {
    askers: Vec<Asker>,
    asked_at: Instant,
}

impl Askers {
    /// Begins the sessions of those that need one. They are ready when [`Askers::are_ready`] says
    /// so.
    pub fn prepare(clients: &mut Clients) -> Result<Self, LoadError> {
        let mut askers = Vec::new();
        for &(what, way) in KINDS {
            askers.push(Asker::prepare(clients, what, way)?);
        }
        Ok(Self {
            askers,
            asked_at: Instant::now(),
        })
    }

    /// Begins the sessions of so many that all make the same call.
    pub fn prepare_crowd(clients: &mut Clients, count: usize) -> Result<Self, LoadError> {
        let way = Way::Command(r#"{"id":2,"rpc":{"method":"m","data":{}}}"#);
        let askers = (0..count)
            .map(|_| Asker::prepare(clients, "protocol: rpc", way))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            askers,
            asked_at: Instant::now(),
        })
    }

    /// Whether all can ask.
    pub fn are_ready(&self) -> bool {
        self.askers.iter().all(|asker| asker.ready)
    }

    /// Whether all saw an answer or an end.
    pub fn are_done(&self) -> bool {
        self.askers.iter().all(|asker| asker.done)
    }

    /// All ask.
    pub fn ask(&mut self, clients: &mut Clients, options: &Options) -> Result<(), LoadError> {
        self.asked_at = Instant::now();
        for asker in &mut self.askers {
            asker.seen.clear();
            asker.done = false;
            asker.ask(clients, options)?;
        }
        Ok(())
    }

    /// Handles an event if it is one of theirs; returns whether it was, and a connection that is to
    /// send its connect.
    pub fn receive(
        &mut self,
        number: usize,
        event: &Event<'_>,
    ) -> Result<Option<usize>, LoadError> {
        let Some(asker) = self
            .askers
            .iter_mut()
            .find(|asker| asker.number == Some(number))
        else {
            return Err(LoadError::unexpected(number, format!("nobody's {event:?}")));
        };
        Ok(asker
            .receive(event, self.asked_at.elapsed())
            .then_some(number))
    }

    /// Ends what is left of their connections.
    pub fn end(&self, clients: &mut Clients) {
        for number in self.askers.iter().filter_map(|asker| asker.number) {
            clients.drop_connection(number);
        }
    }

    /// What each saw.
    pub fn figures(&self) -> Value {
        let shown = |asker: &Asker| {
            let seen: Vec<Value> = asker
                .seen
                .iter()
                .map(|(after, what)| json!({"after_s": (after.as_secs_f64() * 1000.0).round() / 1000.0, "saw": what}))
                .collect();
            json!({"what": asker.what, "seen": seen})
        };
        self.askers.iter().map(shown).collect()
    }
}

impl Asker {
    fn prepare(clients: &mut Clients, what: &'static str, way: Way) -> Result<Self, LoadError> {
        let number = match way {
            Way::Connect | Way::Command(_) => {
                Some(clients.web_socket(Kind::Protocol, "/connection/websocket")?)
            }
            Way::Message(path) => Some(clients.web_socket(Kind::Raw, path)?),
            Way::Post(..) | Way::Get(_) => Some(clients.http()?),
            Way::Handshake(_) => None,
        };
        Ok(Self {
            what,
            way,
            number,
            ready: matches!(way, Way::Post(..) | Way::Get(_) | Way::Handshake(_)),
            seen: Vec::new(),
            done: false,
        })
    }

    fn ask(&mut self, clients: &mut Clients, options: &Options) -> Result<(), LoadError> {
        if let Way::Handshake(path) = self.way {
            self.number = Some(clients.web_socket(Kind::Raw, path)?);
        }
        let Some(number) = self.number else {
            return Ok(());
        };
        match self.way {
            Way::Connect => clients.send_text(number, br#"{"id":1,"connect":{}}"#),
            Way::Command(command) => clients.send_text(number, command.as_bytes()),
            Way::Message(_) => clients.send_text(number, b"hello"),
            Way::Handshake(_) => Ok(()),
            Way::Post(path, body) => {
                // The key changes nothing for these routes.
                let request = http::post(clients.address(), path, &options.key, body.as_bytes());
                clients.send(number, &request)
            }
            Way::Get(path) => clients.send(number, &http::get(clients.address(), path)),
        }
    }

    /// Notes an event; returns whether the connection is to send its connect now.
    fn receive(&mut self, event: &Event<'_>, after: Duration) -> bool {
        if !self.ready {
            match (self.way, event) {
                (Way::Command(_), Event::Open) => return true,
                (Way::Connect | Way::Message(_), Event::Open) => self.ready = true,
                (Way::Command(_), Event::Message(line))
                    if line.starts_with(b"{\"id\":1,\"connect\"") =>
                {
                    self.ready = true;
                }
                // Shown in the table, since it will not become ready.
                (_, event) => self.seen.push((after, told(event))),
            }
            return false;
        }
        if is_ping(event) {
            return false;
        }
        let streams = matches!(self.way, Way::Post(..) | Way::Get(_));
        if streams && self.done {
            // It was told; that nobody answers the pings of its stream is not the backend's fault.
            return false;
        }
        // The head of a stream tells nothing yet; its first line does.
        self.done |= !matches!(event, Event::Answer { streams: true, .. });
        if self.seen.len() < SEEN_MAX {
            self.seen.push((after, told(event)));
        }
        false
    }
}

/// Whether it is a ping or a comment of a stream, which tells nothing of the backend.
fn is_ping(event: &Event<'_>) -> bool {
    matches!(event, Event::Message(line) if matches!(*line, b"{}" | b"data: {}" | b"") || line.starts_with(b":"))
}

/// An event in a few words.
fn told(event: &Event<'_>) -> String {
    let cut = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]).into_owned();
        text.replace('\n', " ").trim().to_owned()
    };
    match event {
        Event::Open => "101".to_owned(),
        Event::Message(message) => cut(message),
        Event::Answer { status, body, .. } => format!("{status} {}", cut(body)).trim().to_owned(),
        Event::Ended(how) => how.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_no_answer_and_a_head_of_a_stream_is_not_yet_one() {
        let mut asker = Asker {
            what: "a stream",
            way: Way::Get("/sse"),
            number: Some(1),
            ready: true,
            seen: Vec::new(),
            done: false,
        };
        let head = Event::Answer {
            status: 200,
            body: b"",
            streams: true,
        };
        for (event, done) in [
            (head, false),
            (Event::Message(b"data: {}"), false),
            (Event::Message(b": comment"), false),
            (Event::Message(b"event: fanfare"), true),
            (Event::Ended("too late to be told".to_owned()), true),
        ] {
            asker.receive(&event, Duration::from_secs(1));
            assert_eq!(asker.done, done, "{event:?}");
        }
        let seen: Vec<&str> = asker.seen.iter().map(|(_, what)| what.as_str()).collect();
        assert_eq!(seen, ["200", "event: fanfare"]);
    }
}
