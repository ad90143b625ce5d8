//! A small HTTP server for the tests of the JWKS: it answers what it is told, counts requests, and
//! may hold answers back. On loopback; it ends with the test's runtime.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Mutex, Semaphore},
};

use super::*;

/// The endpoint.
pub(super) struct Endpoint {
    pub(super) url: String,
    requests: Arc<AtomicUsize>,
    answer: Arc<Mutex<(String, String)>>,
    /// Requests wait for a permit each; there are enough unless they are taken.
    pub(super) gate: Arc<Semaphore>,
}

impl Endpoint {
    pub(super) async fn start(keys: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Self {
            url: format!("http://{}/keys", listener.local_addr().unwrap()),
            requests: Arc::default(),
            answer: Arc::new(Mutex::new(("200 OK".to_string(), document(keys)))),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        };
        let (requests, answer, gate) = (
            endpoint.requests.clone(),
            endpoint.answer.clone(),
            endpoint.gate.clone(),
        );
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (requests, answer, gate) = (requests.clone(), answer.clone(), gate.clone());
                tokio::spawn(async move {
                    let _ = serve(socket, &requests, &answer, &gate).await;
                });
            }
        });
        endpoint
    }

    pub(super) async fn say(&self, status: &str, body: String) {
        *self.answer.lock().await = (status.to_string(), body);
    }

    pub(super) fn tokens(&self) -> Tokens {
        Tokens::new(&TokenSettings {
            jwks_url: Some(self.url.clone()),
            ..TokenSettings::default()
        })
        .unwrap()
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Waits until there were as many requests.
    pub(super) async fn has_seen(&self, count: usize) {
        until(|| self.requests() >= count).await;
    }
}

async fn serve(
    mut socket: TcpStream,
    requests: &AtomicUsize,
    answer: &Mutex<(String, String)>,
    gate: &Semaphore,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await?);
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let Ok(permit) = gate.acquire().await else {
        return Ok(());
    };
    permit.forget();
    let (status, body) = answer.lock().await.clone();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(body.as_bytes()).await?;
    socket.shutdown().await
}

pub(super) fn document(keys: Value) -> String {
    json!({ "keys": keys }).to_string()
}

/// Waits for a condition, with a deadline.
async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("the condition never came about");
}
