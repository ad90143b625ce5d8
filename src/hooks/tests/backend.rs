//! A backend for tests: answers HTTP/1.1 on loopback as a function says, and notes what it was
//! asked.
//!
//! Owned by the test, ends with its runtime. It understands requests with `Content-Length`, which
//! is all that fanfare sends, and keeps connections open.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};

/// What the backend was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(have, _)| have == name);
        named.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the backend does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// Answers; status line and headers as given, with the length of the body.
    Answers(&'static str, Vec<u8>),
    /// Writes these bytes and closes.
    Writes(Vec<u8>),
    /// Writes these bytes, then nothing more.
    Hangs(Vec<u8>),
}

pub(crate) fn json(body: &str) -> Does {
    Does::Answers(
        "200 OK\r\nContent-Type: application/json",
        body.as_bytes().to_vec(),
    )
}

/// A port that refuses connections as long as the socket lives: bound, so that nobody else gets it,
/// but not listening.
pub(crate) fn nowhere() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    (socket, url)
}

pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Backend {
    pub(crate) async fn start(does: impl Fn(&Asked) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let backend = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            connections: Arc::default(),
        };
        let (asked, does) = (Arc::clone(&backend.asked), Arc::new(does));
        let connections = Arc::clone(&backend.connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Relaxed);
                tokio::spawn(serve(stream, Arc::clone(&asked), Arc::clone(&does)));
            }
        });
        backend
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve<D: Fn(&Asked) -> Does>(
    mut stream: TcpStream,
    asked: Arc<Mutex<Vec<Asked>>>,
    does: Arc<D>,
) -> Option<()> {
    let mut input = Vec::new();
    loop {
        let request = request(&mut stream, &mut input).await?;
        asked.lock().unwrap().push(request.clone());
        match does(&request) {
            Does::Answers(head, body) => {
                let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(&body).await.ok()?;
            }
            Does::Writes(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                return None;
            }
            Does::Hangs(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                std::future::pending().await
            }
        }
    }
}

/// Reads the next request; `None` when the other side has gone.
async fn request(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<Asked> {
    let end = loop {
        if let Some(at) = input.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        read_more(stream, input).await?;
    };
    let head: Vec<u8> = input.drain(..end).collect();
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
    let line = lines.next()?.to_string();
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_string()))
    });
    let mut asked = Asked {
        line,
        headers: headers.collect(),
        body: Vec::new(),
    };
    let length = asked.header("content-length").map(str::parse::<usize>);
    let length = length.and_then(Result::ok).unwrap_or(0);
    while input.len() < length {
        read_more(stream, input).await?;
    }
    asked.body = input.drain(..length).collect();
    Some(asked)
}

async fn read_more(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(input).await.ok()?;
    (read > 0).then_some(())
}
