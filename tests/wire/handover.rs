//! Restarting without a gap: sockets from a supervisor, and SIGUSR2, by which a new process takes
//! over.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use command_fds::{CommandFdExt as _, FdMapping};

use crate::{
    support::{Client, Frame, Log, Response, SOON, Server, TempDir, eventually, raw},
    tls,
};

const API_KEY: &str = "a key of these tests";
/// How long a process that has handed over waits for its clients, however slow the machine is.
const PATIENT: &str = "close.timeout = \"15s\"\nhttp.request_timeout = \"15s\"\n";

/// So long a client waits at most on a machine that does ten other things: less than old processes
/// wait, at whose end it would be answered all the same.
const ANSWERED: Duration = Duration::from_secs(12);

/// The last process of those that took over from each other; killed at the end.
pub(crate) struct Last(pub(crate) u32);

impl Last {
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.0.to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
    }

    pub(crate) fn ends(&self) {
        eventually("the process ends", || (!is_alive(self.0)).then_some(()));
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        if is_alive(self.0) {
            let _ = Command::new("kill")
                .args(["-KILL", &self.0.to_string()])
                .status();
        }
    }
}

/// Whether a process runs; one that has ended may be there until someone asks how.
fn is_alive(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").starts_with(" Z"))
}

/// The numbers that lines have between these words, in the order of the lines.
fn numbers(log: &Log, before: &str, behind: &str) -> Vec<u32> {
    let of = |line: &str| {
        let (_, rest) = line.split_once(before)?;
        rest.split_once(behind)?.0.parse().ok()
    };
    log.text().lines().filter_map(of).collect()
}

/// The process that took over as the `count`th.
pub(crate) fn taken_over(log: &Log, count: usize) -> Last {
    let process = eventually("a new process takes over", || {
        let all = numbers(log, "process ", " has taken over");
        all.get(count - 1).copied()
    });
    Last(process)
}

pub(crate) fn hand_over(server: &Server) -> Last {
    server.signal("USR2");
    taken_over(&server.log, 1)
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    stream
}

pub(crate) fn ask(stream: &mut (impl Read + Write), request: &str) -> Response {
    stream.write_all(request.as_bytes()).expect("sent");
    Response::read(stream).expect("an answer")
}

pub(crate) const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: test\r\n\r\n";

fn outcomes(server: &Server, outcome: &str) -> String {
    let headers = format!("X-API-Key: {API_KEY}\r\n");
    let text = server.get_with("/metrics", &headers).body;
    let name = format!("fanfare_handovers_total{{outcome=\"{outcome}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.expect("a number").to_string()
}

/// fanfare with listening sockets, by a parent of ours that does as systemd does: `LISTEN_PID` is
/// the process's own number.
pub(crate) fn with_sockets(config: &Path, sockets: Vec<OwnedFd>) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "LISTEN_PID=$$; export LISTEN_PID; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_fanfare"))
        .arg("--config")
        .arg(config)
        .env("LISTEN_FDS", sockets.len().to_string());
    let mappings = sockets.into_iter().zip(3..);
    let mappings = mappings.map(|(parent_fd, child_fd)| FdMapping {
        parent_fd,
        child_fd,
    });
    command
        .fd_mappings(mappings.collect())
        .expect("no two of a number");
    command
}

/// Clients beside the hand-overs: what went wrong, how much went right, and the longest wait.
#[derive(Default)]
struct Load {
    ends: AtomicBool,
    answers: AtomicUsize,
    faults: Mutex<Vec<String>>,
    longest: Mutex<Duration>,
}

impl Load {
    /// One request on a connection of its own.
    fn once(&self, address: SocketAddr, request: &str) {
        let started = Instant::now();
        let ask = || -> std::io::Result<Response> {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(SOON))?;
            stream.write_all(request.as_bytes())?;
            Response::read(&mut stream)
        };
        self.note(started, ask());
    }

    fn note(&self, started: Instant, answer: std::io::Result<Response>) {
        match answer {
            Ok(answer) if answer.status == 200 => {
                self.answers.fetch_add(1, Relaxed);
            }
            other => self.faults.lock().unwrap().push(format!("{other:?}")),
        }
        let mut longest = self.longest.lock().unwrap();
        *longest = started.elapsed().max(*longest);
    }

    /// Requests on connections that are kept as long as the server keeps them.
    fn kept(&self, address: SocketAddr) {
        while !self.ends.load(Relaxed) {
            let mut stream = connect(address);
            let mut is_first = true;
            while !self.ends.load(Relaxed) {
                let started = Instant::now();
                let sent = stream.write_all(HEALTH.as_bytes());
                match sent.and_then(|()| Response::read(&mut stream)) {
                    // It was idle, and closed before the server saw the request: the client that
                    // keeps connections repeats it on another one.
                    Err(_) if !is_first => break,
                    answer => {
                        let closes = answer
                            .as_ref()
                            .is_ok_and(|answer| answer.header("connection") == Some("close"));
                        self.note(started, answer);
                        if closes {
                            break;
                        }
                    }
                }
                is_first = false;
            }
        }
    }
}

/// While a process that listens is replaced, connections were refused, or reset out of its queue.
/// The queue is handed on, so that whoever connects is answered, over 20 hand-overs in a row.
#[test]
fn over_twenty_hand_overs_nobody_is_refused_or_reset() {
    let server = Server::start(&format!(
        "api.key = \"{API_KEY}\"\ndrain.spread = \"100ms\"\n{PATIENT}{}",
        raw("/ws", "")
    ));
    let mut first = server;
    let address = first.address;
    let load = Arc::new(Load::default());
    let body = r#"{"channel":"news","data":"hello"}"#;
    let publish = format!(
        "POST /api/publish HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-API-Key: {API_KEY}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let close = "GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".to_string();
    let mut threads = Vec::new();
    for request in [close.clone(), close, publish] {
        let load = load.clone();
        threads.push(std::thread::spawn(move || {
            while !load.ends.load(Relaxed) {
                load.once(address, &request);
            }
        }));
    }
    let kept = load.clone();
    threads.push(std::thread::spawn(move || kept.kept(address)));
    let mut last = Last(first.pid());
    for count in 1..=20 {
        last.signal("USR2");
        // Dropped, it would be killed before its time.
        std::mem::forget(std::mem::replace(&mut last, taken_over(&first.log, count)));
    }
    assert_eq!(first.wait(), 0);
    for process in numbers(&first.log, "process ", " has taken over") {
        if process != last.0 {
            eventually("an old one ends", || (!is_alive(process)).then_some(()));
        }
    }
    load.ends.store(true, Relaxed);
    for thread in threads {
        thread.join().expect("a thread ends");
    }
    let faults = load.faults.lock().unwrap();
    assert!(
        faults.is_empty(),
        "{} faults: {:?}",
        faults.len(),
        &faults[0]
    );
    let longest = *load.longest.lock().unwrap();
    assert!(longest < ANSWERED, "{longest:?}");
    assert!(load.answers.load(Relaxed) > 100);
}

/// A client of the old process that is kept there would never see the new one. Idle connections
/// end, each answer is the last of its connection, and who asks late is sent to the new one.
#[test]
fn the_old_process_serves_what_it_accepted_and_sends_everyone_to_the_new_one() {
    let settings = format!("drain.spread = 0\n{PATIENT}");
    let mut server = Server::start(&(settings + &raw("/ws", "")));
    let mut session = server.ws("/ws");
    let mut idle = connect(server.address);
    let kept = ask(&mut idle, HEALTH);
    assert_eq!(kept.header("connection"), None);
    let (mut plain, handshake) = (connect(server.address), connect(server.address));
    // Accepted behind them, so they are the old one's.
    assert_eq!(server.get("/health").status, 200);
    let new = hand_over(&server);
    assert_eq!(idle.read(&mut [0]).expect("an end"), 0, "idle ones end");
    let answer = ask(&mut plain, HEALTH);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    let (answer, late) = Client::handshake(handshake, "/ws", "");
    assert_eq!(answer.status, 101, "{answer:?}");
    let mut late = late.expect("a client");
    assert_eq!(late.message().code_and_reason().0, 1012);
    late.send(&Frame::close(1012, ""));
    drop((plain, late));
    assert_eq!(session.message().code_and_reason().0, 1012);
    session.send(&Frame::close(1012, ""));
    // It waits for whoever stays.
    drop((session, idle));
    assert_eq!(server.wait(), 0);
    let mut client = server.ws("/ws");
    client.expect_nothing();
    new.signal("TERM");
    assert_eq!(client.message().code_and_reason().0, 1012);
    client.send(&Frame::close(1012, ""));
    new.ends();
}

/// A release with a broken file of settings ended the service that ran. The old process goes on and
/// says why, and the next attempt counts.
#[test]
fn a_new_process_that_fails_leaves_the_old_one_serving() {
    let good = format!(
        "api.key = \"{API_KEY}\"\n{}",
        raw("/ws", "on_message = \"echo\"")
    );
    let server = Server::start(&good);
    let file = server.dir.path().join("fanfare.toml");
    let right = std::fs::read_to_string(&file).expect("the settings");
    let mut client = server.ws("/ws");
    server
        .dir
        .write("fanfare.toml", &right.replace("api.key", "api.kay"));
    server.signal("USR2");
    let line = server.log.wait_for("does not take over");
    assert!(line.contains("so this one goes on: it says:"), "{line}");
    assert!(line.contains("kay"), "{line}");
    client.text("still");
    client.expect_text("still");
    assert_eq!(server.get("/ready").status, 200);
    assert_eq!(outcomes(&server, "failed"), "1");
    server.dir.write("fanfare.toml", &right);
    let _new = hand_over(&server);
    assert_eq!(client.message().code_and_reason().0, 1012);
}

/// A fanfare that is called by a link, which can be made to lead to a program that never serves.
fn start_by_link(settings: &str) -> Server {
    let dir = TempDir::new();
    let link = dir.path().join("fanfare");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fanfare"), &link).expect("a link");
    let settings = format!(
        "listen = [\"127.0.0.1:0\"]\nworkers = 2\napi.key = \"{API_KEY}\"\n{settings}\n{}",
        raw("/ws", "")
    );
    let config = dir.write("fanfare.toml", &settings);
    let mut command = Command::new(link);
    command.arg("--config").arg(config);
    let server = Server::spawn(command, dir);
    let sleeps = server.dir.write("sleeps", "#!/bin/sh\nexec sleep 600\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&sleeps, mode).expect("a program");
    let link = server.dir.path().join("fanfare");
    std::fs::remove_file(&link).expect("a link");
    std::os::unix::fs::symlink(sleeps, link).expect("a link");
    server
}

fn started(server: &Server) -> Last {
    let started = || numbers(&server.log, "process ", " is started to take over");
    Last(eventually("a new process", || started().first().copied()))
}

/// A new binary that hangs would hold the hand-over open for ever. It is ended when its time is
/// over, and the old process goes on.
#[test]
fn a_new_process_that_is_never_ready_is_ended_in_time() {
    let server = start_by_link("drain.handover_timeout = \"500ms\"\n");
    server.signal("USR2");
    let new = started(&server);
    let line = server.log.wait_for("does not take over");
    assert!(line.contains("drain.handover_timeout"), "{line}");
    new.ends();
    assert_eq!(server.get("/ready").status, 200);
    assert_eq!(outcomes(&server, "timeout"), "1");
}

/// Two new processes would both wait for the old one's word. A second SIGUSR2 is ignored, and a
/// SIGTERM ends both: nobody would be left to end the new one.
#[test]
fn one_hand_over_at_a_time_and_a_stop_ends_a_process_that_is_not_ready() {
    let mut server = start_by_link("");
    server.signal("USR2");
    let new = started(&server);
    server.signal("USR2");
    server.log.wait_for("SIGUSR2 is ignored");
    assert_eq!(outcomes(&server, "ignored"), "1");
    assert!(is_alive(new.0));
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    new.ends();
}

/// The signal that a deployment sends to the old process may come when it is going already. It ends
/// that one, and never the one that serves.
#[test]
fn a_stop_behind_a_hand_over_leaves_the_new_process_serving() {
    let settings = "drain.spread = 0\nclose.timeout = \"1s\"\n";
    let mut server = Server::start(&(settings.to_string() + &raw("/ws", "")));
    // It answers no Close, so the old process waits for it.
    let silent = server.ws("/ws");
    let new = hand_over(&server);
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    drop(silent);
    assert!(is_alive(new.0));
    eventually("it is ready", || {
        (server.get("/ready").status == 200).then_some(())
    });
}

/// A socket that nobody asked for would take connections in that nobody accepts. Its address is in
/// the error, and the process ends.
#[test]
fn an_inherited_socket_that_no_entry_of_listen_names_is_an_error() {
    let dir = TempDir::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let config = dir.write("fanfare.toml", "listen = [\"127.0.0.2:0\"]\nworkers = 1\n");
    let ended = with_sockets(&config, vec![listener.into()]).output();
    let ended = ended.expect("the binary starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let named = format!("the socket {address} was inherited");
    assert!(said.contains(&named), "{said}");
    let (stream, _other) = UnixStream::pair().expect("a pair");
    let ended = with_sockets(&config, vec![stream.into()]).output();
    let said = ended.expect("the binary starts").stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("descriptor 3 was inherited"), "{said}");
}

/// What a supervisor holds outlives each process: ending one must not end the sockets, take who
/// waits there, or remove a path. Who connects between two processes is served by the next.
#[test]
fn sockets_of_a_supervisor_outlive_a_process() {
    let dir = TempDir::new();
    tls::make_certificate(&dir);
    let bind = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let (plain, secret) = (bind(), bind());
    let path = dir.path().join("socket");
    let unix = UnixListener::bind(&path).expect("a socket");
    let address = plain.local_addr().expect("an address");
    let secret_address = secret.local_addr().expect("an address");
    let directory = dir.path().display();
    let settings = format!(
        "listen = [\"unix:{}\", \"{address}\", \"tls:{secret_address}\"]\nworkers = 2\n\
         tls.cert = \"{directory}/cert.pem\"\ntls.key = \"{directory}/key.pem\"\n{}",
        path.display(),
        raw("/ws", "on_message = \"echo\"")
    );
    let config = dir.write("fanfare.toml", &settings);
    let start = || {
        let sockets = vec![
            plain.try_clone().expect("a descriptor").into(),
            secret.try_clone().expect("a descriptor").into(),
            unix.try_clone().expect("a descriptor").into(),
        ];
        let server = Server::spawn(with_sockets(&config, sockets), TempDir::new());
        server
            .log
            .wait_for(&format!("listening on https://{secret_address}/"));
        server
    };
    let mut first = start();
    assert_eq!(ask(&mut connect(address), HEALTH).status, 200);
    first.signal("TERM");
    assert_eq!(first.wait(), 0);
    // Between two processes.
    let mut waiting = connect(address);
    waiting.write_all(HEALTH.as_bytes()).expect("sent");
    let mut waiting_unix = UnixStream::connect(&path).expect("the path stays");
    waiting_unix.write_all(HEALTH.as_bytes()).expect("sent");
    let _second = start();
    assert_eq!(Response::read(&mut waiting).expect("an answer").status, 200);
    let answer = Response::read(&mut waiting_unix).expect("an answer");
    assert_eq!(answer.status, 200);
    let (stream, _) = tls::connect(secret_address);
    let mut client = Client::handshake(stream, "/ws", "").1.expect("a client");
    client.text("over TLS");
    client.expect_text("over TLS");
}

/// The old process removed the path of its unix socket when it ended, and the new one stood behind
/// a path that was gone. It stays for as long as a process listens there, and goes with the last.
#[test]
fn the_path_of_a_unix_socket_goes_with_the_last_process() {
    let dir = TempDir::new();
    let path = dir.path().join("socket");
    let settings = format!(
        "listen = [\"127.0.0.1:0\", \"unix:{}\"]\ndrain.spread = 0\n{}",
        path.display(),
        raw("/ws", "")
    );
    let mut server = Server::start_in(dir, &settings, &[]);
    let new = hand_over(&server);
    assert_eq!(server.wait(), 0);
    let mut stream = UnixStream::connect(&path).expect("the path stays");
    assert_eq!(ask(&mut stream, HEALTH).status, 200);
    drop(stream);
    new.signal("TERM");
    new.ends();
    assert!(!path.exists());
}

/// A supervisor that is not told takes the end of the old process for the end of the service, and
/// starts it again or stops the new one.
#[test]
fn the_supervisor_is_told_what_the_main_process_is() {
    let dir = TempDir::new();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a timeout");
    let told = || {
        let mut bytes = [0; 512];
        let count = socket.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..count]).trim().to_string()
    };
    let settings = "listen = [\"127.0.0.1:0\"]\nworkers = 1\n".to_string() + &raw("/ws", "");
    let config = dir.write("fanfare.toml", &settings);
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command
        .arg("--config")
        .arg(config)
        .env("NOTIFY_SOCKET", path);
    let mut server = Server::spawn(command, dir);
    assert_eq!(told(), "READY=1");
    server.signal("HUP");
    assert!(told().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(told(), "READY=1");
    let new = hand_over(&server);
    assert!(told().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(told(), format!("MAINPID={}\nREADY=1", new.0));
    assert_eq!(told(), "READY=1", "the new one's");
    assert_eq!(server.wait(), 0);
    new.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
}
