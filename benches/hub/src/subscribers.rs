//! Opening subscribers of either kind and waiting until they are.
//!
//! Owned by one measurement. Bounds: [`OPENING_MAX`] handshakes at a time. A session of the client
//! protocol asks for its channels in the frame of its connect, as the SDKs do.

use std::time::{Duration, Instant};

use crate::{
    clients::{Clients, Event, Kind},
    error::LoadError,
};

/// Handshakes under way at a time, below any server's backlog.
const OPENING_MAX: usize = 64;

/// The address of a raw session in these channels.
pub fn raw_path(endpoint: &str, channels: &[String]) -> String {
    let mut path = endpoint.to_owned();
    for (index, channel) in channels.iter().enumerate() {
        path.push(if index == 0 { '?' } else { '&' });
        path.push_str("channel=");
        path.push_str(channel);
    }
    path
}

/// The first frame of a session of the client protocol: connect as 1, the subscriptions as 2 and
/// on.
pub fn commands(channels: &[String]) -> Vec<u8> {
    let mut text = "{\"id\":1,\"connect\":{}}".to_owned();
    for (index, channel) in channels.iter().enumerate() {
        text.push_str(&format!(
            "\n{{\"id\":{},\"subscribe\":{{\"channel\":\"{channel}\"}}}}",
            index + 2
        ));
    }
    text.into_bytes()
}

/// Opens one session for each list of channels, numbered on from what `clients` has, and waits
/// until all are in.
pub fn open(
    clients: &mut Clients,
    kind: Kind,
    sessions: &[Vec<String>],
    patience: Duration,
) -> Result<Vec<usize>, LoadError> {
    let mut opening = Opening {
        kind,
        sessions,
        numbers: Vec::with_capacity(sessions.len()),
        awaited: Vec::new(),
        done: 0,
    };
    let mut progress = Instant::now();
    while opening.done < sessions.len() {
        let done = opening.done;
        opening.begin(clients)?;
        opening.turn(clients)?;
        if opening.done > done {
            progress = Instant::now();
        } else if progress.elapsed() > patience {
            return Err(LoadError::Stalled {
                seconds: patience.as_secs(),
                state: format!("{done} of {} sessions are in", sessions.len()),
            });
        }
    }
    Ok(opening.numbers)
}

/// Sessions on their way in.
struct Opening<'a> {
    kind: Kind,
    /// The channels of each.
    sessions: &'a [Vec<String>],
    /// The connections of those that were begun, in their order.
    numbers: Vec<usize>,
    /// Answers that are awaited, by connection number.
    awaited: Vec<usize>,
    /// How many are in.
    done: usize,
}

impl Opening<'_> {
    /// Begins as many handshakes as may be under way.
    fn begin(&mut self, clients: &mut Clients) -> Result<(), LoadError> {
        while self.numbers.len() < self.sessions.len()
            && self.numbers.len() - self.done < OPENING_MAX
        {
            let channels = &self.sessions[self.numbers.len()];
            let path = match self.kind {
                Kind::Raw => raw_path("/ws", channels),
                _ => "/connection/websocket".to_owned(),
            };
            let number = clients.web_socket(self.kind, &path)?;
            self.awaited.resize(number + 1, 0);
            // A raw session is in with its handshake, one of the protocol when everything was
            // answered.
            self.awaited[number] = match self.kind {
                Kind::Raw => 1,
                _ => channels.len() + 1,
            };
            self.numbers.push(number);
        }
        Ok(())
    }

    /// Takes what has come, and sends its commands to whoever is connected now.
    fn turn(&mut self, clients: &mut Clients) -> Result<(), LoadError> {
        let mut connected = Vec::new();
        clients.turn(Duration::from_millis(100), &mut |number, event| {
            if self.on_event(number, event)? {
                connected.push(number);
            }
            Ok(())
        })?;
        for number in connected {
            if let Some(index) = self.numbers.iter().position(|known| *known == number) {
                clients.send_text(number, &commands(&self.sessions[index]))?;
            }
        }
        Ok(())
    }

    /// Counts what came for a connection. True where its commands are due.
    fn on_event(&mut self, number: usize, event: Event<'_>) -> Result<bool, LoadError> {
        let awaited = self.awaited.get_mut(number).filter(|count| **count > 0);
        match (event, awaited) {
            (Event::Open, Some(awaited)) if self.kind == Kind::Raw => {
                *awaited = 0;
                self.done += 1;
            }
            (Event::Open, _) => return Ok(true),
            (Event::Message(line), Some(awaited)) if is_reply(line) => {
                *awaited -= 1;
                self.done += usize::from(*awaited == 0);
            }
            (Event::Message(line), Some(_)) => {
                let line = String::from_utf8_lossy(line);
                return Err(LoadError::unexpected(number, format!("got {line:?}")));
            }
            (Event::Message(_), None) => (),
            (Event::Answer { status, body, .. }, _) => {
                let body = String::from_utf8_lossy(body);
                return Err(LoadError::unexpected(
                    number,
                    format!("answered with {status} {body:?}"),
                ));
            }
            (Event::Ended(how), _) => return Err(LoadError::unexpected(number, how)),
        }
        Ok(false)
    }
}

/// A reply without an error.
fn is_reply(line: &[u8]) -> bool {
    line.starts_with(b"{\"id\":") && !line.windows(8).any(|part| part == b"\"error\":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_are_in_the_address_or_in_the_first_frame() {
        let channels = ["a:1".to_owned(), "a:2".to_owned()];
        assert_eq!(raw_path("/ws", &channels), "/ws?channel=a:1&channel=a:2");
        let text = String::from_utf8(commands(&channels)).unwrap();
        let commands: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(commands.len(), 3);
        assert_eq!(commands[2]["subscribe"]["channel"], "a:2");
        assert_eq!(commands[2]["id"], 3);
    }

    #[test]
    fn an_error_is_no_reply() {
        assert!(is_reply(b"{\"id\":2,\"subscribe\":{}}"));
        assert!(!is_reply(b"{\"id\":2,\"error\":{\"code\":103}}"));
        assert!(!is_reply(b"{\"push\":{}}"));
    }
}
