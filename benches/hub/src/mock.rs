//! A backend that answers every hook with yes: at once, late, or not at all.
//!
//! Owned by the `backend` mode. Bounds: [`CONNECTIONS_MAX`] connections, each a thread that mostly
//! sleeps; a question of [`QUESTION_MAX`] bytes. It must never answer out of turn, and while it is
//! down nothing listens on its port.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use crate::error::LoadError;

/// More than the server's `hooks.concurrency`.
const CONNECTIONS_MAX: usize = 600;
/// A longer question is not one of the server under test.
const QUESTION_MAX: usize = 64 << 10;
/// Stack of a thread that reads, sleeps and writes.
const STACK_BYTES: usize = 64 << 10;

/// The backend.
#[derive(Debug)]
pub struct Mock {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    delay_ms: AtomicU64,
    /// Questions that were read.
    asked: AtomicUsize,
    /// Connections that are open; `None`: it is down.
    open: Mutex<Option<Vec<TcpStream>>>,
}

impl Mock {
    /// Down until [`Mock::up`] is called.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            shared: Arc::new(Shared::default()),
            listening: None,
        }
    }

    /// Listens and answers, each question after `delay`.
    pub fn up(&mut self, delay: Duration) -> Result<(), LoadError> {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.shared.delay_ms.store(delay, Relaxed);
        if self.listening.is_some() {
            return Ok(());
        }
        let listener =
            TcpListener::bind(self.address).map_err(LoadError::io("listen as the backend"))?;
        *self.connections() = Some(Vec::new());
        let shared = self.shared.clone();
        self.listening = Some(thread::spawn(move || listen(&listener, &shared)));
        Ok(())
    }

    /// Ends every connection and listens no more: whoever connects is refused.
    pub fn down(&mut self) {
        for stream in self.connections().take().unwrap_or_default() {
            // Fails only for one that has ended.
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(listening) = self.listening.take() {
            // Wakes the thread, which sees that it is to end.
            let _ = TcpStream::connect(self.address);
            let _ = listening.join();
        }
    }

    /// Questions so far.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Relaxed)
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, Option<Vec<TcpStream>>> {
        self.shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.down();
    }
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = open.as_mut() else {
            return;
        };
        open.retain(|stream| stream.peer_addr().is_ok());
        let (Ok(stream), true) = (stream, open.len() < CONNECTIONS_MAX) else {
            continue;
        };
        let shared = shared.clone();
        if let Ok(copy) = stream.try_clone() {
            let spawned = thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn(move || serve(stream, &shared));
            if spawned.is_ok() {
                open.push(copy);
            }
        }
    }
}

/// Answers one connection's questions until it ends.
fn serve(mut stream: TcpStream, shared: &Shared) {
    let mut buffer = Vec::new();
    let mut part = [0; 4096];
    loop {
        while let Some((path, length)) = question(&buffer) {
            let answer = answer(&path);
            buffer.drain(..length);
            shared.asked.fetch_add(1, Relaxed);
            #[expect(
                clippy::disallowed_methods,
                reason = "a thread a connection, and its slowness is what is measured"
            )]
            thread::sleep(Duration::from_millis(shared.delay_ms.load(Relaxed)));
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        match stream.read(&mut part) {
            Ok(got @ 1..) if buffer.len() < QUESTION_MAX => buffer.extend_from_slice(&part[..got]),
            _ => {
                // The copy that is kept for `down` would hold the connection open.
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        }
    }
}

/// A whole request's path and length.
fn question(bytes: &[u8]) -> Option<(String, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let length = end + 4 + length.unwrap_or(0);
    let path = head.split(' ').nth(1)?.to_owned();
    (bytes.len() >= length).then_some((path, length))
}

/// Yes, in the shape of the hook that the path names.
fn answer(path: &str) -> String {
    let (content_type, body) = match path {
        "/connect" => ("application/json", r#"{"result":{"user":"somebody"}}"#),
        "/rpc" => ("application/json", r#"{"result":{"data":{"answer":42}}}"#),
        "/message" => ("text/plain", "the backend's answer"),
        _ => ("application/json", r#"{"result":{}}"#),
    };
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_while_it_is_up_and_refused_while_it_is_down() {
        let probe = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = probe.local_addr().unwrap();
        drop(probe);
        let mut mock = Mock::new(address);
        for _ in 0..2 {
            assert!(TcpStream::connect(address).is_err());
            mock.up(Duration::ZERO).unwrap();
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .write_all(b"POST /rpc HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")
                .unwrap();
            let mut answer = [0; 15];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200 OK");
            mock.down();
            let mut rest = Vec::new();
            // Ended or reset, either way over.
            let _ = stream.read_to_end(&mut rest);
        }
        assert_eq!(mock.asked(), 2);
    }

    #[test]
    fn half_a_question_is_none() {
        let whole = b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
        for cut in 0..whole.len() {
            assert_eq!(question(&whole[..cut]), None);
        }
        assert_eq!(question(whole), Some(("/a".to_owned(), whole.len())));
    }
}
