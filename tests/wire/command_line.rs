//! The command line: settings from file, environment and flags, and what is said when they are
//! wrong.

use std::{
    net::TcpListener,
    process::{Command, Output, Stdio},
};

use crate::support::{Server, TempDir, eventually, raw};

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FANFARE_")) {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    command.output().expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_config_prints_passes_check() {
    let printed = run(&["config"], &[]);
    assert!(printed.status.success());
    let text = String::from_utf8(printed.stdout).expect("text");
    for name in [
        "listen",
        "trusted_proxies",
        "message_bytes",
        "outbox_bytes",
        "ping_interval",
        "pong_timeout",
        "write_timeout",
        "spread",
        "[[raw]]",
        "[[push]]",
    ] {
        assert!(text.contains(name), "{name}");
    }
    assert!(text.contains("FANFARE_LIMITS_MESSAGE_BYTES"));
    let dir = TempDir::new();
    let file = dir.write("all.toml", &text);
    let checked = run(&["check", "--config", file.to_str().expect("a path")], &[]);
    assert!(checked.status.success(), "{}", stderr(&checked));
}

/// `check` said "the settings are right" of a file by which nobody could do anything, and hid its
/// warnings as long as there was an error.
#[test]
fn check_says_what_will_not_work_and_does_so_beside_errors() {
    let dir = TempDir::new();
    let file = dir.write(
        "odd.toml",
        "raw = []\n[channels]\nhistory_size = 1\n[api]\nkey = \"k\"\n",
    );
    let checked = run(&["check", "--config", file.to_str().expect("a path")], &[]);
    assert!(checked.status.success());
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(told.contains("no errors, 3 warnings"), "{told}");
    let text = stderr(&checked);
    for part in ["allow.subscribe", "allow.publish", "api.key"] {
        assert!(
            text.contains(&format!("warning: {part}")),
            "{part} in {text}"
        );
    }
    let worse = [("FANFARE_WORKERS", "0")];
    let checked = run(
        &["check", "--config", file.to_str().expect("a path")],
        &worse,
    );
    assert_eq!(checked.status.code(), Some(2));
    let text = stderr(&checked);
    assert!(
        text.contains("FANFARE_WORKERS: workers: ") && text.contains("warning: api.key"),
        "{text}"
    );
}

#[test]
fn the_short_file_draws_no_word() {
    let dir = TempDir::new();
    let printed = run(&["config", "--short"], &[]);
    let file = dir.write("short.toml", &String::from_utf8_lossy(&printed.stdout));
    let checked = run(&["check", "--config", file.to_str().expect("a path")], &[]);
    assert!(
        checked.status.success() && stderr(&checked).is_empty(),
        "{}",
        stderr(&checked)
    );
}

#[test]
fn every_fault_is_named_at_once_with_file_and_line_and_the_status_is_2() {
    let dir = TempDir::new();
    let file = dir.write(
        "bad.toml",
        "listn = [\"127.0.0.1:1\"]\n[heartbeat]\nping_interval = \"5s\"\npong_timeout = \"8s\"\n[limits]\nmessage_bytes = \"lots\"\n\
         [[raw]]\npath = \"/ws\"\n[[raw]]\npath = \"/ws\"\n",
    );
    for command in ["check", "serve"] {
        let output = run(&[command, "--config", file.to_str().expect("a path")], &[]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        let text = stderr(&output);
        for part in [
            "bad.toml:1:",
            "listen",
            "bad.toml:4:",
            "bad.toml:6:",
            "message_bytes",
            "bad.toml:10:",
            "/ws",
        ] {
            assert!(text.contains(part), "{command}: {part} in {text}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = run(&["--config", "/nonexistent/fanfare.toml"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/nonexistent/fanfare.toml"));
}

#[test]
fn a_port_in_use_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = run(&["--listen", &address], &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains(&address) && text.contains("in use"), "{text}");
}

#[test]
fn flags_go_over_environment_goes_over_file() {
    let dir = TempDir::new();
    let file = dir.write("fanfare.toml", &("listen = [\"127.0.0.1:1\"]\nworkers = 1\nnode = \"file\"\n[limits]\nmessage_bytes = 100\n".to_string() + &raw("/ws", "on_message = \"echo\"")));
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command
        .arg("--config")
        .arg(&file)
        .args(["--listen", "127.0.0.1:0", "--workers", "3"]);
    let mut child = command;
    child.env("FANFARE_NODE", "environment");
    let server = Server::spawn_with_environment(child, dir);
    let status = server.status();
    assert_eq!(status["node"], "environment");
    assert_eq!(status["workers"].as_array().map(Vec::len), Some(3));
    let mut client = server.ws("/ws");
    client.send(&crate::support::Frame::binary(&[0; 101]));
    assert_eq!(client.expect_close().0, 1009);
}

#[test]
fn an_unknown_variable_only_warns() {
    let dir = TempDir::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("FANFARE_PORT_8080_TCP", "tcp://10.0.0.1");
    let server = Server::spawn_with_environment(command, dir);
    server.log.wait_for("FANFARE_PORT_8080_TCP");
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn without_a_file_the_demonstration_runs_and_says_so() {
    let dir = TempDir::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let server = Server::spawn(command, dir);
    let line = server.log.wait_for("demonstration");
    assert!(line.contains("fanfare config"), "{line}");
    assert!(!server.log.text().contains("beyond this machine"));
    let (mut a, mut b) = (
        server.ws("/ws"),
        server.ws_with("/ws", "Sec-WebSocket-Protocol: x\r\n"),
    );
    server.wait_status("sessions", 2);
    a.text("hi");
    // The push of every ten seconds may come before it.
    let heard = eventually("the message", || {
        let text = String::from_utf8(b.message().payload).expect("text");
        (!text.starts_with("你好!")).then_some(text)
    });
    assert_eq!(heard, "hi");
    let mut echo = server.ws("/echo");
    echo.text("hi");
    echo.expect_text("hi");
    assert_eq!(server.status()["pushes"][0]["every_seconds"], 10.0);
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn a_demonstration_beyond_the_loopback_is_warned_of() {
    let dir = TempDir::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args(["--listen", "0.0.0.0:0"]);
    let server = Server::spawn(command, dir);
    let line = server.log.wait_for("beyond this machine");
    assert!(line.contains("WARN"), "{line}");
}

#[test]
fn sighup_takes_up_the_log_filter() {
    let dir = TempDir::new();
    let text = |filter: &str| {
        format!(
            "listen = [\"127.0.0.1:0\"]\n[log]\nfilter = \"{filter}\"\n{}",
            raw("/ws", "")
        )
    };
    let file = dir.write("fanfare.toml", &text("info"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.arg("--config").arg(&file);
    let server = Server::spawn(command, dir);
    drop(server.ws("/ws"));
    server.log.wait_for("session ended");
    server.dir.write("fanfare.toml", &text("warn"));
    server.signal("HUP");
    server.wait_status("sessions", 0);
    eventually("quiet", || {
        let before = server.log.text().matches("session ended").count();
        drop(server.ws("/ws"));
        server.wait_status("sessions", 0);
        (server.log.text().matches("session ended").count() == before).then_some(())
    });
}

#[test]
fn check_looks_at_certificates_and_the_log_filter() {
    let dir = TempDir::new();
    let file = dir.write(
        "tls.toml",
        "tls.cert = \"/nonexistent.pem\"\ntls.key = \"/nonexistent.key\"\n",
    );
    let output = run(&["check", "--config", file.to_str().expect("a path")], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("/nonexistent.pem"),
        "{}",
        stderr(&output)
    );
    let file = dir.write("log.toml", "[log]\nfilter = \"fanfare=loud\"\n");
    let output = run(&["check", "--config", file.to_str().expect("a path")], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("log.toml:2: log.filter"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_keeps_the_server_from_starting_is_said_whatever_the_filter() {
    // With `log.filter = "off"` and a port in use the process ended with 1 and not one byte.
    // A word that is no level had the same effect, and `check` said nothing of it.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let off = [("FANFARE_LOG_FILTER", "off")];
    let output = run(&["--listen", &address], &off);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert_eq!(text.matches(&address).count(), 1, "{text}");
    let wrong = [("FANFARE_LOG_FILTER", "warning")];
    let output = run(&["--listen", &address], &wrong);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("\"warning\" is no level"));
}

#[test]
fn a_line_that_cannot_be_read_says_how_it_is_written() {
    // `fanfare --config F check` and `fanfare check F` were refused without a word of what is
    // right, and `fanfare help --help` was a fault.
    for line in [
        &["--config", "f.toml", "check"][..],
        &["check", "f.toml"],
        &["f.toml"],
    ] {
        let output = run(line, &[]);
        assert_eq!(output.status.code(), Some(2), "{line:?}");
        let text = stderr(&output);
        assert!(text.contains("fanfare check --config "), "{line:?}: {text}");
    }
    let help = run(&["help", "--help"], &[]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("check-token"));
}

#[test]
fn check_names_the_place_of_warnings_and_of_files_for_tls() {
    // "with file and line" held for errors only, and a certificate that is not there was neither
    // named by its setting nor told beside other errors.
    let dir = TempDir::new();
    let odd = dir.write("odd.toml", "raw = []\napi.key = \"k\"\n");
    let checked = run(&["check", "--config", odd.to_str().expect("a path")], &[]);
    let text = stderr(&checked);
    let line = text.lines().find(|line| line.contains("api.key"));
    assert!(
        line.is_some_and(|line| line.ends_with("odd.toml:2)")),
        "{text}"
    );
    let text = "workers = 0\n[tls]\ncert = \"/nope.pem\"\nkey = \"/nope.key\"\n";
    let wrong = dir.write("wrong.toml", text);
    let checked = run(&["check", "--config", wrong.to_str().expect("a path")], &[]);
    assert_eq!(checked.status.code(), Some(2));
    let text = stderr(&checked);
    assert!(text.contains("wrong.toml:1: workers"), "{text}");
    for (setting, place) in [
        ("tls.cert: /nope.pem cannot be read", "wrong.toml:3)"),
        ("tls.key: /nope.key cannot be read", "wrong.toml:4)"),
    ] {
        let line = text.lines().find(|line| line.contains(setting));
        assert!(line.is_some_and(|line| line.ends_with(place)), "{text}");
    }
    let text = "[tls]\ncert = \"/nope.pem\"\nkey = \"/nope.key\"\n";
    let alone = dir.write("alone.toml", text);
    let checked = run(&["check", "--config", alone.to_str().expect("a path")], &[]);
    assert_eq!(checked.status.code(), Some(2));
    let text = stderr(&checked);
    assert!(text.contains("alone.toml:2: tls.cert, tls.key: "), "{text}");
}
