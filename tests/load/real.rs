//! The real fanfare, by each protocol that it speaks: everything comes once and in order, and what
//! it cost is told.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::load;

const KEY: &str = "a-key-of-the-api-for-this-test-alone";

/// A running fanfare; killed when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start() -> Self {
        let settings = format!(
            "listen = [\"127.0.0.1:0\"]\nworkers = 1\n[api]\nkey = \"{KEY}\"\n[channels]\n\
             history_size = 100\nrecovery = true\nallow.subscribe = [\"client\", \"anonymous\"]\n\
             allow.publish = [\"client\", \"anonymous\"]\n[[raw]]\npath = \"/ws\"\n\
             on_message = \"relay\"\nrelay_self = true\n[[raw]]\npath = \"/echo\"\n\
             on_message = \"echo\"\n"
        );
        let name = format!("fanfare-load-{}.toml", uuid::Uuid::new_v4());
        let config = std::env::temp_dir().join(name);
        std::fs::write(&config, settings).expect("a file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_fanfare"))
            .arg("--config")
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("listening on http://")?.1.to_owned()))
            .expect("it listens");
        std::thread::spawn(move || lines.for_each(drop));
        let _ = std::fs::remove_file(config);
        let address = address.trim_end_matches('/').to_owned();
        Self { child, address }
    }

    fn run(&self, work: &str, url: &str, more: &[&str]) -> Value {
        let url = url.replace("HOST", &self.address);
        let pid = self.child.id().to_string();
        let mut arguments = vec![work, "--url", &url, "--pids", &pid, "--conns", "20"];
        let api = format!("http://{}/api/publish", self.address);
        let header = format!("X-API-Key: {KEY}");
        let by_api = more.contains(&"api");
        arguments.extend(more.iter().filter(|word| **word != "api"));
        if by_api {
            arguments.extend(["--publish-url", &api, "--publish-header", &header]);
            arguments.extend([
                "--publish-body",
                r#"{"channel":"{channel}","data":"{data}"}"#,
            ]);
        }
        let (status, told, said) = load(&arguments);
        assert_eq!(status, 0, "{said} {told}");
        assert_eq!(told["clean"], true, "{told}");
        told
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CENTRIFUGE: &str = "ws://HOST/connection/websocket";
const EVENTS: &str = "http://HOST/sse?channel={channel}";

// What is proved against a server of our own making may be a fault that both share. So each
// protocol is held against the server that it is for.
#[test]
fn every_protocol_delivers_everything_once_and_in_order() {
    let server = Server::start();
    let fifty = ["--messages", "50", "--in-flight", "4"];
    let cases: [(&str, &str, &[&str]); 5] = [
        ("raw", "ws://HOST/ws", &[]),
        ("centrifuge-json", CENTRIFUGE, &["--channels", "5"]),
        ("centrifuge-protobuf", CENTRIFUGE, &[]),
        ("centrifuge-json", CENTRIFUGE, &["api"]),
        ("sse", EVENTS, &["api"]),
    ];
    for (protocol, url, more) in cases {
        let more = [&["--protocol", protocol], &fifty[..], more].concat();
        let told = server.run("fanout", url, &more);
        let receivers = if more.contains(&"--channels") { 4 } else { 20 };
        assert_eq!(told["delivered"], 50 * receivers, "{told}");
        assert!(told["latency_us"]["p9999"].is_u64(), "{told}");
        assert!(told["server"]["cpu_us_per_delivery"].is_f64(), "{told}");
        assert!(told["load"]["limited"].is_boolean(), "{told}");
    }
}

#[test]
fn echo_publish_connect_and_idle_tell_their_figures() {
    let server = Server::start();
    let told = server.run("echo", "ws://HOST/echo", &["--messages", "200"]);
    assert_eq!(
        (&told["delivered"], &told["published"]),
        (&200.into(), &200.into())
    );
    let api = [
        "--protocol",
        "centrifuge-json",
        "api",
        "--messages",
        "100",
        "--in-flight",
        "4",
    ];
    let told = server.run("publish", CENTRIFUGE, &api);
    assert_eq!(told["answers"]["count"], 100, "{told}");
    let told = server.run("connect", "ws://HOST/ws", &["--connect-rate", "200"]);
    assert!(told["connects_per_s"].as_f64() <= Some(250.0), "{told}");
    assert!(told["latency_us"]["p50"].is_u64(), "{told}");
    let told = server.run("idle", "ws://HOST/ws", &["--duration", "100ms"]);
    assert!(told["server"]["pss_kb_per_conn"].is_f64(), "{told}");
}

// Everyone is away while messages are published: who comes back without them has not recovered, and
// who gets them twice has not either.
#[test]
fn after_a_storm_everyone_has_what_was_missed() {
    let server = Server::start();
    for (protocol, url) in [
        ("centrifuge-json", CENTRIFUGE),
        ("centrifuge-protobuf", CENTRIFUGE),
        ("sse", EVENTS),
        ("raw", "ws://HOST/ws?channel={channel}&envelope=1"),
    ] {
        let channel = format!("storm-{protocol}");
        let more = [
            "--protocol",
            protocol,
            "--channel",
            &channel,
            "api",
            "--messages",
            "7",
        ];
        let told = server.run("storm", url, &more);
        assert_eq!(told["storm"]["complete"], 20, "{protocol}: {told}");
    }
}
