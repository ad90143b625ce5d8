//! Helpers of the wire ring: the real binary as a child process, and a WebSocket client made of a
//! socket and bytes, so that a test can send what no library would. Every wait has a deadline;
//! nothing sleeps for a fixed time.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

pub(crate) use crate::frames::{Frame, masked};

/// How long anything may take that should be immediate; generous, since machines are shared.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Waits until `condition` gives something.
#[expect(
    clippy::disallowed_methods,
    reason = "the step of a wait that has a deadline"
)]
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

static DIRECTORIES: AtomicU32 = AtomicU32::new(0);

/// A directory of this test's own, removed at its end.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("fanfare-wire-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a process writes to standard error, collected by a thread.
#[derive(Default)]
pub(crate) struct Log {
    lines: Mutex<Vec<String>>,
    /// Everyone who writes here has ended.
    is_over: AtomicBool,
    more: Condvar,
}

impl Log {
    fn push(&self, line: String) {
        self.lines.lock().unwrap().push(line);
        self.more.notify_all();
    }

    fn end(&self) {
        let lines = self.lines.lock().unwrap();
        self.is_over.store(true, Ordering::Relaxed);
        drop(lines);
        self.more.notify_all();
    }

    /// Waits for a line that contains `text`.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let deadline = Instant::now() + SOON;
        let mut lines = self.lines.lock().unwrap();
        loop {
            if let Some(line) = lines.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "no line with {text:?} in:\n{}",
                lines.join("\n")
            );
            lines = self.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// What has come so far.
    pub(crate) fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// All that a process wrote which has ended, and what those wrote that it started.
    pub(crate) fn whole(&self) -> String {
        let deadline = Instant::now() + SOON;
        let mut lines = self.lines.lock().unwrap();
        while !self.is_over.load(Ordering::Relaxed) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "someone writes on");
            lines = self.more.wait_timeout(lines, left).unwrap().0;
        }
        lines.join("\n")
    }
}

/// A running fanfare; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub address: SocketAddr,
    pub log: Arc<Log>,
    pub dir: TempDir,
}

impl Server {
    /// Starts with these settings, on a free port of the loopback unless they say otherwise.
    pub(crate) fn start(settings: &str) -> Self {
        let dir = TempDir::new();
        Self::start_in(dir, settings, &[])
    }

    pub(crate) fn start_in(dir: TempDir, settings: &str, arguments: &[&str]) -> Self {
        let mut text = String::new();
        if !settings.lines().any(|line| line.starts_with("listen")) {
            text.push_str("listen = [\"127.0.0.1:0\"]\n");
        }
        if !settings.lines().any(|line| line.starts_with("workers")) {
            text.push_str("workers = 2\n");
        }
        text.push_str(settings);
        let config = dir.write("fanfare.toml", &text);
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.arg("--config").arg(config).args(arguments);
        Self::spawn(command, dir)
    }

    /// Starts a prepared command without this process's own settings.
    pub(crate) fn spawn(mut command: Command, dir: TempDir) -> Self {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FANFARE_")) {
            command.env_remove(name);
        }
        Self::spawn_with_environment(command, dir)
    }

    /// Starts a prepared command, its environment as it is.
    pub(crate) fn spawn_with_environment(mut command: Command, dir: TempDir) -> Self {
        // One that was started with sockets may have no state yet for as long as a test wants.
        let may_be_starting = command.get_envs().any(|(name, _)| name == "LISTEN_FDS");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().expect("a pipe");
        let collected = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                collected.push(line);
            }
            collected.end();
        });
        let line = log.wait_for("listening on ");
        let address = line
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split(['/', '"']).next()?.parse().ok())
            .map(|mut address: SocketAddr| {
                if address.ip().is_unspecified() {
                    address.set_ip([127, 0, 0, 1].into());
                }
                address
            })
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let server = Self {
            child,
            address,
            log,
            dir,
        };
        if line.contains("http://") {
            eventually("the server is there", || {
                (server.try_get("/health").ok()?.status == 200).then_some(())
            });
            // It accepts a moment before it has begun.
            eventually("it has begun", || {
                let is_starting = server.try_get("/ready").ok()?.body == "starting\n";
                (may_be_starting || !is_starting).then_some(())
            });
        }
        server
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success());
    }

    /// The status of a process that has ended.
    pub(crate) fn try_wait(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().expect("a status")
    }

    /// Waits for the process to end; its exit status.
    pub(crate) fn wait(&mut self) -> i32 {
        let child = &mut self.child;
        eventually("the process ends", || child.try_wait().expect("a status"))
            .code()
            .expect("no signal ended it")
    }

    pub(crate) fn try_get(&self, path: &str) -> io::Result<Response> {
        self.request(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ))
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.try_get(path).expect("an answer")
    }

    pub(crate) fn get_with(&self, path: &str, headers: &str) -> Response {
        self.request(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
        ))
        .expect("an answer")
    }

    /// Sends these bytes and reads the answer to its end.
    pub(crate) fn request(&self, text: &str) -> io::Result<Response> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(SOON))?;
        // Who is refused early has an answer, and may be cut before all of it is sent.
        let sent = stream.write_all(text.as_bytes());
        Response::read(&mut stream).map_err(|error| sent.err().unwrap_or(error))
    }

    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.get("/status").body).expect("JSON")
    }

    /// Waits until `/status` shows this number under this name.
    pub(crate) fn wait_status(&self, name: &str, number: u64) {
        eventually(&format!("{name} = {number}"), || {
            (self.status()[name] == number).then_some(())
        });
    }

    /// A number of `/metrics`, its labels included in the name; `headers` are for what opens them.
    pub(crate) fn metric(&self, name: &str, headers: &str) -> u64 {
        let text = self.get_with("/metrics", headers).body;
        let mut lines = text.lines();
        let number = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let number = number.unwrap_or_else(|| panic!("no {name} in:\n{text}"));
        number.parse().expect("a number")
    }

    /// Opens a WebSocket.
    pub(crate) fn ws(&self, path: &str) -> Client {
        self.ws_with(path, "")
    }

    pub(crate) fn ws_with(&self, path: &str, headers: &str) -> Client {
        let (response, client) = self.try_ws(path, headers);
        assert_eq!(response.status, 101, "{}", response.body);
        client.expect("a client")
    }

    /// Tries to open a WebSocket.
    pub(crate) fn try_ws(&self, path: &str, headers: &str) -> (Response, Option<Client>) {
        let stream = TcpStream::connect(self.address).expect("a connection");
        Client::handshake(stream, path, headers)
    }

    /// Resident memory in KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let text = std::fs::read_to_string(path).expect("a running process");
        text.lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").trim().parse().ok())
            .expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
    /// The body as it came, which may be no text.
    pub bytes: Vec<u8>,
}

impl Response {
    /// Reads until the other side ends, or the announced length is there; a 101 ends with its head.
    pub(crate) fn read(stream: &mut impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            if let Some(response) = Self::parse(&bytes, false) {
                return Ok(response);
            }
            let n = match stream.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if n == 0 {
                return Self::parse(&bytes, true)
                    .ok_or_else(|| io::Error::other(format!("no answer: {bytes:?}")));
            }
            bytes.extend_from_slice(&chunk[..n]);
        }
    }

    fn parse(bytes: &[u8], ended: bool) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let response = Self {
            status,
            body: String::from_utf8_lossy(&bytes[end..]).into_owned(),
            bytes: bytes[end..].to_vec(),
            head,
        };
        let length = response
            .header("content-length")
            .and_then(|n| n.parse().ok());
        let complete = status == 101 || length.is_some_and(|n: usize| bytes.len() - end >= n);
        (complete || ended).then_some(response)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Frame {
    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self {
            first: 0x88,
            payload: [&code.to_be_bytes(), reason.as_bytes()].concat(),
        }
    }
}

/// Any byte stream that a client runs on.
pub(crate) trait Stream: Read + Write + Send {
    fn set_timeout(&mut self, timeout: Option<Duration>);
}

impl Stream for TcpStream {
    fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.set_read_timeout(timeout).expect("a timeout");
    }
}

#[cfg(unix)]
impl Stream for std::os::unix::net::UnixStream {
    fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.set_read_timeout(timeout).expect("a timeout");
    }
}

/// A WebSocket client in bytes.
pub(crate) struct Client {
    pub stream: Box<dyn Stream>,
    bytes: VecDeque<u8>,
}

pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

impl Client {
    pub(crate) fn handshake(
        mut stream: impl Stream + 'static,
        path: &str,
        headers: &str,
    ) -> (Response, Option<Self>) {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{headers}\r\n"
        );
        stream.set_timeout(Some(SOON));
        stream.write_all(request.as_bytes()).expect("sent");
        // Byte by byte up to the end of the head, so that nothing of the frames behind it is lost.
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => panic!(
                    "the handshake ended: {other:?} {}",
                    String::from_utf8_lossy(&head)
                ),
            }
        }
        let mut response = Response::parse(&head, true).expect("a head");
        if response.status == 101 {
            let client = Self {
                stream: Box::new(stream),
                bytes: VecDeque::new(),
            };
            return (response, Some(client));
        }
        let mut body = String::new();
        let _ = stream.read_to_string(&mut body);
        response.body = body;
        (response, None)
    }

    /// Sends one masked frame, whole.
    pub(crate) fn send(&mut self, frame: &Frame) {
        self.send_raw(&masked(frame.first, &frame.payload));
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.send(&Frame::text(text));
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    /// The next frame; `None` at the end of the stream. A reset is not an end: it may destroy what
    /// was sent before.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        self.try_next()
            .unwrap_or_else(|error| panic!("reading failed: {error}"))
    }

    pub(crate) fn try_next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = Frame::take(&mut self.bytes) {
                return Ok(Some(frame));
            }
            let mut chunk = [0; 16 * 1024];
            let read = match self.stream.read(&mut chunk) {
                // A socket with a timeout hands signals on to its reader.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            match read {
                0 => {
                    assert!(self.bytes.is_empty(), "the stream ended inside a frame");
                    return Ok(None);
                }
                n => self.bytes.extend(&chunk[..n]),
            }
        }
    }

    /// The next frame that is no ping; pings are answered.
    pub(crate) fn message(&mut self) -> Frame {
        loop {
            let frame = self.next().expect("a frame, not the end");
            if !frame.is(9) {
                return frame;
            }
            self.send(&Frame {
                first: 0x8a,
                payload: frame.payload,
            });
        }
    }

    /// The lines of the next message, as JSON. A ping of the client protocol (`{}`) may come at any
    /// time on a loaded machine: it is answered and passed over.
    pub(crate) fn json_lines(&mut self) -> Vec<serde_json::Value> {
        loop {
            let frame = self.message();
            assert_eq!(frame.first, 0x81, "{frame:?}");
            let text = String::from_utf8(frame.payload).expect("text");
            let mut lines = Vec::new();
            for line in text.split('\n') {
                match line {
                    "{}" => self.text("{}"),
                    line => lines.push(serde_json::from_str(line).expect("JSON")),
                }
            }
            if !lines.is_empty() {
                return lines;
            }
        }
    }

    pub(crate) fn expect_text(&mut self, text: &str) {
        let frame = self.message();
        assert_eq!(
            frame,
            Frame::text(text),
            "got {:?}",
            String::from_utf8_lossy(&frame.payload)
        );
    }

    /// Whether nothing comes for as long as a round trip takes: sends a ping of its own and wants
    /// its pong first.
    pub(crate) fn expect_nothing(&mut self) {
        self.send(&Frame {
            first: 0x89,
            payload: b"marker".into(),
        });
        assert_eq!(
            self.message(),
            Frame {
                first: 0x8a,
                payload: b"marker".into()
            }
        );
    }

    /// Expects a Close, answers it as every client does (RFC 6455, 5.5.1: a server that gets no
    /// answer waits for one), and then the end of the stream; returns code and reason.
    pub(crate) fn expect_close(&mut self) -> (u16, String) {
        loop {
            let frame = self.next().expect("a Close, not the end");
            if frame.is(8) {
                let close = frame.code_and_reason();
                // A server that answers the client's own Close may be gone already.
                let answer = masked(0x88, frame.payload.get(..2).unwrap_or_default());
                let _ = self.stream.write_all(&answer);
                assert_eq!(self.next(), None, "nothing comes after a Close");
                return close;
            }
        }
    }
}

/// `[[raw]]` of this path with these further lines.
pub(crate) fn raw(path: &str, lines: &str) -> String {
    let mut text = String::new();
    let _ = write!(text, "\n[[raw]]\npath = \"{path}\"\n{lines}\n");
    text
}
