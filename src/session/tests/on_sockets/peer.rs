//! A WebSocket client made of a socket and bytes, so that a test can send what no library would.
//! Its frames are those of `testing::frames`.
//! Every wait has a deadline by the clock of the test, which passes at once where nothing can come.

use std::{collections::VecDeque, rc::Rc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use super::SOON;
pub(super) use crate::testing::frames::{Frame, masked};
use crate::{close::Ending, connection::Connection};

impl Frame {
    pub(super) fn new(first: u8, payload: &[u8]) -> Self {
        Self {
            first,
            payload: payload.into(),
        }
    }
}

/// The client's end of a session's socket.
pub(super) struct Peer {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    bytes: VecDeque<u8>,
    /// The server's end.
    connection: Rc<Connection>,
}

impl Peer {
    /// A client that has read the head of its 101, of so many bytes.
    pub(super) async fn after_head(
        mut stream: UnixStream,
        head: &[u8],
        connection: Rc<Connection>,
    ) -> Self {
        let mut came = vec![0; head.len()];
        stream.read_exact(&mut came).await.expect("a head");
        assert_eq!(came, head);
        let (reader, writer) = stream.into_split();
        Self {
            reader,
            writer,
            bytes: VecDeque::new(),
            connection,
        }
    }

    /// How the session came to its end, once it has.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.connection.ending()
    }

    /// Sends one masked frame, whole.
    pub(super) async fn send(&mut self, frame: &Frame) {
        self.send_raw(&masked(frame.first, &frame.payload)).await;
    }

    pub(super) async fn text(&mut self, text: &str) {
        self.send(&Frame::text(text)).await;
    }

    pub(super) async fn send_raw(&mut self, bytes: &[u8]) {
        let sent = timeout(SOON, self.writer.write_all(bytes)).await;
        sent.expect("it is taken").expect("sent");
    }

    /// Taken apart, for a task that sends while another one reads.
    pub(super) fn into_halves(self) -> (Reader, OwnedWriteHalf) {
        let reader = Reader {
            reader: self.reader,
            bytes: self.bytes,
        };
        (reader, self.writer)
    }

    /// The next frame; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        next(&mut self.reader, &mut self.bytes).await
    }

    /// The next frame that is no ping; pings are answered.
    pub(super) async fn message(&mut self) -> Frame {
        loop {
            let frame = self.next().await.expect("a frame, not the end");
            if !frame.is(9) {
                return frame;
            }
            self.send(&Frame::new(0x8a, &frame.payload)).await;
        }
    }

    /// The lines of the next message, as JSON. A ping of the client protocol (`{}`) is answered and
    /// passed over.
    pub(super) async fn json_lines(&mut self) -> Vec<serde_json::Value> {
        loop {
            let frame = self.message().await;
            assert_eq!(frame.first, 0x81, "{frame:?}");
            let text = String::from_utf8(frame.payload).expect("text");
            let mut lines = Vec::new();
            for line in text.split('\n') {
                match line {
                    "{}" => self.text("{}").await,
                    line => lines.push(serde_json::from_str(line).expect("JSON")),
                }
            }
            if !lines.is_empty() {
                return lines;
            }
        }
    }

    pub(super) async fn expect_text(&mut self, text: &str) {
        let frame = self.message().await;
        assert_eq!(
            frame,
            Frame::text(text),
            "got {:?}",
            String::from_utf8_lossy(&frame.payload)
        );
    }

    /// Whether nothing comes for as long as a round trip takes: sends a ping of its own and wants
    /// its pong first.
    pub(super) async fn expect_nothing(&mut self) {
        self.send(&Frame::new(0x89, b"marker")).await;
        assert_eq!(self.message().await, Frame::new(0x8a, b"marker"));
    }

    /// Expects a Close, answers it as every client does, and then the end of the stream; returns
    /// code and reason.
    pub(super) async fn expect_close(&mut self) -> (u16, String) {
        loop {
            let frame = self.next().await.expect("a Close, not the end");
            if frame.is(8) {
                let close = frame.code_and_reason();
                // A server that answers the client's own Close may be gone already.
                let answer = masked(0x88, frame.payload.get(..2).unwrap_or_default());
                let _ = self.writer.write_all(&answer).await;
                assert_eq!(self.next().await, None, "nothing comes after a Close");
                return close;
            }
        }
    }
}

/// A client that only reads.
pub(super) struct Reader {
    reader: OwnedReadHalf,
    bytes: VecDeque<u8>,
}

impl Reader {
    /// The next frame; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        next(&mut self.reader, &mut self.bytes).await
    }
}

async fn next(reader: &mut OwnedReadHalf, bytes: &mut VecDeque<u8>) -> Option<Frame> {
    loop {
        if let Some(frame) = Frame::take(bytes) {
            return Some(frame);
        }
        let mut chunk = [0; 4096];
        let read = timeout(SOON, reader.read(&mut chunk)).await;
        match read.expect("something comes").expect("no reset") {
            0 => {
                assert!(bytes.is_empty(), "the stream ended inside a frame");
                return None;
            }
            n => bytes.extend(&chunk[..n]),
        }
    }
}
