//! A client of the Centrifuge protocol in JSON, and the rules that most of its tests run under.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{Peer, Server};

pub(super) struct ProtocolClient {
    pub(super) peer: Peer,
    waiting: VecDeque<Value>,
    id: u64,
}

impl ProtocolClient {
    pub(super) async fn open(server: &Server) -> Self {
        Self {
            peer: server.ws("/connection/websocket").await,
            waiting: VecDeque::new(),
            id: 0,
        }
    }

    pub(super) async fn connected(server: &Server) -> Self {
        let mut client = Self::open(server).await;
        let reply = client.ask(json!({"connect": {}})).await;
        assert!(reply["connect"]["client"].is_string(), "{reply}");
        client
    }

    pub(super) async fn send(&mut self, command: &Value) {
        self.peer.text(&command.to_string()).await;
    }

    /// Sends a command with the next id and waits for its reply; pushes that come before it are
    /// kept.
    pub(super) async fn ask(&mut self, mut command: Value) -> Value {
        self.id += 1;
        command["id"] = json!(self.id);
        self.send(&command).await;
        self.reply(self.id).await
    }

    pub(super) async fn reply(&mut self, id: u64) -> Value {
        let mut before = Vec::new();
        loop {
            let message = self.next().await;
            if message["id"] == id {
                for kept in before.into_iter().rev() {
                    self.waiting.push_front(kept);
                }
                return message;
            }
            before.push(message);
        }
    }

    pub(super) async fn next(&mut self) -> Value {
        if self.waiting.is_empty() {
            let lines = self.peer.json_lines().await;
            self.waiting.extend(lines);
        }
        self.waiting.pop_front().expect("something waits")
    }

    pub(super) async fn push(&mut self) -> Value {
        let message = self.next().await;
        assert!(message["push"].is_object(), "{message}");
        message["push"].clone()
    }

    pub(super) async fn subscribe(&mut self, channel: &str) -> Value {
        let reply = self.ask(json!({"subscribe": {"channel": channel}})).await;
        assert!(reply["subscribe"].is_object(), "{reply}");
        reply["subscribe"].clone()
    }

    pub(super) async fn publish(&mut self, channel: &str, data: &Value) {
        let reply = self
            .ask(json!({"publish": {"channel": channel, "data": data}}))
            .await;
        assert_eq!(code(&reply), 0, "{reply}");
    }

    pub(super) async fn expect_close(&mut self, code: u16) {
        let (found, reason) = loop {
            let frame = self.peer.message().await;
            if frame.is(8) {
                break frame.code_and_reason();
            }
        };
        assert_eq!(found, code, "{reason}");
    }
}

pub(super) fn code(reply: &Value) -> u64 {
    reply["error"]["code"].as_u64().unwrap_or(0)
}

/// Everyone may do everything; see there.
pub(super) const OPEN: &str = concat!("\n", include_str!("../../../testing/open.toml"));
