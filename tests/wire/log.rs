//! The log: nobody waits for it, what it says has a bound, and a line is a line. And what ends the
//! process, or shows that a part of it stands still, whatever the log does.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::support::{Server, TempDir, eventually};

/// A fanfare on a unix socket, whose standard error is the test's.
struct Silent {
    child: Child,
    dir: TempDir,
}

impl Silent {
    fn start(settings: &str, stderr: Stdio) -> Self {
        let dir = TempDir::new();
        let socket = dir.path().join("socket");
        let settings = format!(
            "listen = [\"unix:{}\"]\nworkers = 2\n{settings}",
            socket.display()
        );
        let config = dir.write("fanfare.toml", &settings);
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FANFARE_")) {
            command.env_remove(name);
        }
        let child = command
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the binary starts");
        let server = Self { child, dir };
        eventually("the server answers", || {
            let socket = UnixStream::connect(server.socket()).ok()?;
            drop(socket);
            (server.get("/health", "").starts_with("HTTP/1.1 200")).then_some(())
        });
        server
    }

    fn socket(&self) -> std::path::PathBuf {
        self.dir.path().join("socket")
    }

    /// A whole answer; the deadline is the test's own.
    fn get(&self, path: &str, headers: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).expect("a connection");
        stream
            .set_read_timeout(Some(crate::support::SOON))
            .expect("a timeout");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n"
        )
        .expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn metric(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics", "Authorization: Bearer admin\r\n");
        let value = metrics.lines().find_map(|line| line.strip_prefix(name));
        let value = value.unwrap_or_else(|| panic!("no {name} in {metrics}"));
        value.trim().parse().expect("a number")
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.expect("kill runs").success());
    }

    fn wait(&mut self) -> Option<i32> {
        let child = &mut self.child;
        eventually("the process ends", || child.try_wait().expect("a status")).code()
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A log that has much to say of each request.
const LOUD: &str =
    "[log]\nfilter = \"trace\"\nqueue = 64\n[admin]\nkey = \"admin\"\n[drain]\nspread = \"0s\"\n";

#[test]
fn a_log_that_nobody_reads_holds_up_nothing_and_says_later_what_it_dropped() {
    // Standard error was a pipe that nobody read: first the thread of the server hung in its
    // write, then the workers. Nothing was answered or pushed any more, and no signal helped.
    let mut server = Silent::start(LOUD, Stdio::piped());
    let unread = server.child.stderr.take().expect("a pipe");
    // A pipe holds 64 KiB, and then some lines wait.
    eventually("lines are dropped", || {
        assert!(server.get("/status", "").starts_with("HTTP/1.1 200"));
        (server.metric("fanfare_log_lines_dropped_total") > 100).then_some(())
    });
    assert!(server.metric("fanfare_log_lines_waiting") <= 65);
    assert!(server.get("/ready", "").starts_with("HTTP/1.1 200"));
    let lines = BufReader::new(unread).lines().map_while(Result::ok);
    let told = std::thread::spawn(move || {
        let mut lines = lines;
        lines.find(|line| line.contains("log lines were dropped"))
    });
    let told = told.join().expect("a line");
    assert!(told.is_some_and(|line| line.contains("WARN")));
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_process_from_ending() {
    // The drain said that it begins, and hung in the write; two signals did nothing.
    // What is in the log at the end is waited for for a moment only.
    let mut server = Silent::start(LOUD, Stdio::piped());
    let _unread = server.child.stderr.take();
    eventually("lines are dropped", || {
        (server.metric("fanfare_log_lines_dropped_total") > 0).then_some(())
    });
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_log_that_cannot_be_written_and_no_key_of_the_api_are_no_reason_not_to_start() {
    // The key that is made for the run was printed in a way that panics where it cannot be.
    // The server ended with status 101.
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("a full device");
    let server = Silent::start("[api]\nenabled = true\n", full.into());
    assert!(server.get("/health", "").starts_with("HTTP/1.1 200"));
}

#[test]
fn wrong_settings_and_a_standard_error_that_cannot_be_written_end_with_the_status_of_the_first() {
    // The errors were printed in a way that panics where they cannot be: status 101 instead of 2.
    // The same goes for what the other commands print.
    let dir = TempDir::new();
    let config = dir.write("wrong.toml", "wrong = 1\n");
    for arguments in [&["check"][..], &[]] {
        let full = File::options().write(true).open("/dev/full");
        let status = Command::new(env!("CARGO_BIN_EXE_fanfare"))
            .args(arguments)
            .arg("--config")
            .arg(&config)
            .stderr(full.expect("a full device"))
            .status();
        assert_eq!(status.expect("it runs").code(), Some(2), "{arguments:?}");
    }
}

/// Puts a pipe where the settings are: whoever reads them waits for a writer.
fn replace_by_pipe(config: &Path) {
    let pipe = config.with_extension("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    std::fs::rename(pipe, config).expect("a pipe in its place");
}

#[test]
fn a_thread_that_is_stuck_is_told_by_ready_and_a_second_signal_ends_the_process_all_the_same() {
    // Signals were heard by the thread that does the rest of the process's work: while it hung,
    // SIGTERM did nothing, however often, and /ready said 200.
    let settings = "[limits]\nthread_timeout = \"1s\"\n";
    let mut server = Server::start(settings);
    replace_by_pipe(&server.dir.path().join("fanfare.toml"));
    server.signal("HUP");
    let answer = eventually("the stuck thread is told", || {
        let answer = server.get("/ready");
        answer.body.contains("main").then_some(answer)
    });
    assert_eq!(answer.status, 503);
    assert!(answer.body.starts_with("stuck: "), "{}", answer.body);
    let metrics = server.get("/metrics").body;
    assert!(!metrics.contains("fanfare_stuck_threads 0"), "{metrics}");
    // Two signals at a time are one to the system.
    let mut signals = 0;
    let child = server.pid();
    eventually("the process ends", || {
        let ended = server.try_wait();
        if ended.is_none() {
            server.signal("TERM");
            signals += 1;
        }
        ended
    });
    assert!(signals >= 2, "{child} ended by {signals} signals");
    server.log.wait_for("second signal");
}

#[test]
fn signals_without_a_meaning_do_not_end_the_process() {
    // SIGUSR1, which log rotation and other tools like to send, killed the process. It is ignored
    // until it has a meaning; that of SIGUSR2 is in handover.rs.
    let server = Server::start("[log]\nfilter = \"debug\"\n");
    server.signal("USR1");
    server.log.wait_for("SIGUSR1 is ignored");
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_reload_takes_up_what_is_set_of_the_log_and_names_what_needs_a_restart() {
    // SIGHUP with other settings changed as well only said that the filter was taken up.
    // Whoever had raised a limit believed it to be in force.
    let settings = "listen = [\"127.0.0.1:0\"]\nworkers = 2\n[token]\nhmac_secret = \"one\"\n";
    let server = Server::start(settings);
    let changed = "listen = [\"127.0.0.1:0\"]\nworkers = 2\n[token]\nhmac_secret = \"two\"\n\
                   [limits]\nsessions = 7\n[log]\nformat = \"json\"\n\
                   [[raw]]\npath = \"/new\"\n";
    server.dir.write("fanfare.toml", changed);
    server.signal("HUP");
    let line = server.log.wait_for("not before a restart");
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON by now");
    let message = line["message"].as_str().expect("a message");
    assert_eq!(
        message,
        "changed, but not before a restart: limits.sessions, token.hmac_secret, [[raw]]"
    );
    assert_eq!(line["level"], "warn");
    server.dir.write("fanfare.toml", "wrong = 1\nfalse = 2\n");
    server.signal("HUP");
    server.log.wait_for("none is taken up");
    // A line each.
    server.log.wait_for("fanfare.toml:1: ");
    server.log.wait_for("fanfare.toml:2: ");
}

#[test]
fn a_reload_of_wrong_settings_tells_warnings_as_warnings() {
    // What is only odd beside an error was logged as an error too.
    let server = Server::start(KEYED);
    server
        .dir
        .write("fanfare.toml", &format!("wrong = 1\n{KEYED}"));
    server.signal("HUP");
    let error = server.log.wait_for("fanfare.toml:1: wrong");
    assert!(error.contains("ERROR"), "{error}");
    server.log.wait_for("none is taken up");
    let text = server.log.text();
    let behind = text.split("none is taken up").nth(1).expect("lines");
    let line = behind.lines().find(|line| line.contains("api.key has"));
    let line = line.map_or_else(|| server.log.wait_for("fanfare.toml:2)"), str::to_string);
    assert!(line.contains("WARN"), "{line}");
}

/// Settings with a warning of their own.
const KEYED: &str = "api.key = \"k\"\nlisten = [\"127.0.0.1:0\"]\nworkers = 2\n";

#[test]
fn refusals_of_one_address_are_told_once_a_second_with_their_number() {
    // One client pipelined refused requests, 100,000 a second, and each had a line of its own:
    // 131 MB of log in three seconds.
    const REQUESTS: usize = 400;
    let server = Server::start("[[raw]]\npath = \"/ws\"\n");
    let request = "GET /ws HTTP/1.1\r\nHost: test\r\n\r\n".repeat(REQUESTS);
    let last = "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
    stream
        .write_all(format!("{request}{last}").as_bytes())
        .expect("requests");
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers);
    let all = String::from_utf8_lossy(&answers)
        .matches("HTTP/1.1 426")
        .count() as u64;
    assert_eq!(all as usize, REQUESTS + 1);
    let told = |line: &str| -> Option<u64> {
        let times = line.split("times=").nth(1)?;
        times.split(' ').next()?.parse().ok()
    };
    let lines = eventually("all are told", || {
        let text = server.log.text();
        let lines: Vec<String> = text
            .lines()
            .filter(|line| line.contains("request refused"))
            .map(str::to_string)
            .collect();
        let sum: u64 = lines.iter().filter_map(|line| told(line)).sum();
        (sum == all).then_some(lines)
    });
    // One at once, the rest each second.
    assert!(lines.len() < REQUESTS / 10, "{lines:#?}");
    assert!(lines[0].contains("status=426"), "{}", lines[0]);
}

/// The lines about ends with this code, and how many ends they tell of.
fn ends_told(server: &Server, code: u16) -> (usize, u64) {
    let text = server.log.text();
    let first = format!(" code={code} ");
    let again = format!(" kind={code} ");
    let is_told = |line: &&str| {
        line.contains("session ended") && (line.contains(&first) || line.contains(&again))
    };
    let lines: Vec<&str> = text.lines().filter(is_told).collect();
    let times = lines.iter().filter_map(|line| {
        let times = line.split("times=").nth(1)?;
        times.split(' ').next()?.parse::<u64>().ok()
    });
    (lines.len(), times.sum())
}

/// A session that is refused as soon as it begins had a line of its own each time: one client that
/// pipelined such requests wrote ten megabytes of log a second.
#[test]
fn sessions_that_are_refused_are_told_once_a_second_with_their_number() {
    const REQUESTS: usize = 300;
    let settings = "[token]\nhmac_secret = \"s\"\n[client]\nanonymous = true\n\
                    [[raw]]\npath = \"/ws\"\n";
    let server = Server::start(settings);
    let request = |more: &str| {
        format!("GET /connection/sse?cf_connect=garbage HTTP/1.1\r\nHost: test\r\n{more}\r\n")
    };
    let begun = Instant::now();
    let requests = request("").repeat(REQUESTS) + &request("Connection: close\r\n");
    let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
    stream.write_all(requests.as_bytes()).expect("requests");
    let _ = stream.read_to_end(&mut Vec::new());
    for _ in 0..REQUESTS / 10 {
        for (path, code) in [("/ws?channel=$x", 3501), ("/ws?token=none", 3500)] {
            // Not to the end, which waits for the client's own good-bye.
            assert_eq!(server.ws(path).message().code_and_reason().0, code);
        }
    }
    for (code, all) in [(3501, REQUESTS + 1 + REQUESTS / 10), (3500, REQUESTS / 10)] {
        let lines = eventually("all are told", || {
            let (lines, times) = ends_told(&server, code);
            (times == all as u64).then_some(lines)
        });
        // A line a second.
        let most = 10 + all / 20 + begun.elapsed().as_secs() as usize;
        assert!(lines < most, "{code}: {lines} lines for {all}");
    }
    // An end that nobody refused has its own line.
    for _ in 0..3 {
        server.ws("/ws").expect_nothing();
    }
    eventually("the ends of three sessions", || {
        let text = server.log.text();
        (text.matches("code=1006").count() == 3).then_some(())
    });
}
