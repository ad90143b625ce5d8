//! What settings promise: precedence, types, defaults, the demonstration, and that what is printed
//! and documented is what is read. What is refused, and with which words, is in `faults`,
//! `channel_faults` and `hook_faults`; what only warns in `exposure` and
//! `ineffective`; the settings of channels and
//! of the backend are in `channels`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::{
    Listen, LoadError, OnMessage, Overrides, Settings, SlowPolicy, Warning, render_defaults,
    render_demonstration, render_markdown, render_short,
};

mod admin;
mod channel_faults;
mod channels;
mod exposure;
mod faults;
mod hook_faults;
mod ineffective;

/// A file of settings that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(text: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fanfare-settings-{}-{number}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).expect("the temporary directory can be written");
        Self(path)
    }

    fn flags(&self) -> Overrides {
        Overrides {
            config: Some(self.0.clone()),
            ..Overrides::default()
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

type Loaded = Result<(Settings, Vec<Warning>), LoadError>;

fn load(overrides: &Overrides, environment: &[(&str, &str)]) -> Loaded {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    Settings::load(overrides, environment.iter().map(owned))
}

fn accepted(text: &str) -> Settings {
    let (settings, _) = load(&Scratch::new(text).flags(), &[])
        .unwrap_or_else(|errors| panic!("{text}\nis refused:\n{errors}"));
    settings
}

/// The same settings, whatever they were read from.
fn without_source(mut settings: Settings) -> Settings {
    settings.demonstration = false;
    settings.file = None;
    settings
}

#[test]
fn flags_go_over_the_environment_and_that_over_the_file() {
    let file = Scratch::new("workers = 2\nlisten = [\"127.0.0.1:1\"]\n[limits]\nsessions = 5\n");
    let (settings, _) = load(&file.flags(), &[]).expect("the file alone");
    assert_eq!((settings.workers, settings.limits.sessions), (2, 5));

    let environment = [
        ("FANFARE_WORKERS", "3"),
        ("FANFARE_LIMITS_SESSIONS", "6"),
        ("FANFARE_LISTEN", "127.0.0.1:2, unix:/run/f.sock"),
    ];
    let (settings, _) = load(&file.flags(), &environment).expect("with environment");
    assert_eq!((settings.workers, settings.limits.sessions), (3, 6));
    let listen = vec![
        Listen::Tcp("127.0.0.1:2".into()),
        "unix:/run/f.sock".parse().expect("an address"),
    ];
    assert_eq!(settings.listen, listen);

    let flags = Overrides {
        listen: vec!["127.0.0.1:3".into(), "[::1]:3".into()],
        workers: Some("4".into()),
        ..file.flags()
    };
    let (settings, _) = load(&flags, &environment).expect("with flags");
    assert_eq!((settings.workers, settings.limits.sessions), (4, 6));
    let listen = vec![
        Listen::Tcp("127.0.0.1:3".into()),
        Listen::Tcp("[::1]:3".into()),
    ];
    assert_eq!(settings.listen, listen);
}

#[test]
fn the_file_may_be_named_in_the_environment_and_the_flag_wins() {
    let (first, second) = (Scratch::new("workers = 2"), Scratch::new("workers = 3"));
    let environment = [("FANFARE_CONFIG", first.0.to_str().expect("a plain path"))];
    let (settings, _) = load(&Overrides::default(), &environment).expect("from the environment");
    assert_eq!(settings.workers, 2);
    assert_eq!(settings.file.as_deref(), Some(first.0.as_path()));
    let (settings, _) = load(&second.flags(), &environment).expect("from the flag");
    assert_eq!(settings.workers, 3);
}

#[test]
fn times_and_sizes_have_bare_and_unit_forms() {
    let settings = accepted(
        "[limits]\nmessage_bytes = 4096\noutbox_bytes = \"2MiB\"\nshard_queue_bytes = \"1MB\"\n\
         [heartbeat]\nping_interval = \"1m 30s\"\npong_timeout = 7\n[slow]\nwrite_timeout = 0.5\n",
    );
    assert_eq!(settings.limits.message_bytes, 4096);
    assert_eq!(settings.limits.outbox_bytes, 2 << 20);
    assert_eq!(settings.limits.shard_queue_bytes, 1_000_000);
    assert_eq!(settings.heartbeat.ping_interval, Duration::from_secs(90));
    assert_eq!(settings.heartbeat.pong_timeout, Duration::from_secs(7));
    assert_eq!(settings.slow.write_timeout, Duration::from_millis(500));

    let environment = [
        ("FANFARE_LIMITS_MESSAGE_BYTES", "64KiB"),
        ("FANFARE_DRAIN_NOTICE", "1.5"),
        ("FANFARE_DRAIN_SPREAD", "200ms"),
        ("FANFARE_DIAG_ENABLED", "false"),
        ("FANFARE_SLOW_POLICY", "latest"),
    ];
    let (settings, _) = load(&Overrides::default(), &environment).expect("all of them");
    assert_eq!(settings.limits.message_bytes, 64 << 10);
    assert_eq!(settings.drain.notice, Duration::from_millis(1500));
    assert_eq!(settings.drain.spread, Duration::from_millis(200));
    assert!(!settings.diag.enabled);
    assert_eq!(settings.slow.policy, SlowPolicy::Latest);
}

#[test]
fn the_fixed_defaults_are_what_the_documentation_promises() {
    let settings = accepted("");
    assert_eq!(settings.listen, [Listen::Tcp("127.0.0.1:8080".into())]);
    assert_eq!(settings.limits.sessions_per_address, 0);
    assert_eq!(settings.limits.message_bytes, 65_536);
    assert_eq!(settings.limits.outbox_bytes, 1_048_576);
    assert_eq!(settings.heartbeat.ping_interval, Duration::from_secs(25));
    assert_eq!(settings.heartbeat.pong_timeout, Duration::from_secs(8));
    assert_eq!(settings.slow.policy, SlowPolicy::Disconnect);
    assert_eq!(settings.slow.write_timeout, Duration::from_secs(10));
    assert_eq!(settings.drain.notice, Duration::ZERO);
    assert_eq!(settings.drain.spread, Duration::from_secs(5));
    assert!(settings.raw.is_empty() && settings.push.is_empty() && !settings.demonstration);
    assert_eq!(settings.channels, super::Channels::default());
    assert_eq!(settings.client, super::ClientSettings::default());
    assert_eq!(settings.api, super::Api::default());
    assert_eq!(settings.hooks, super::Hooks::default());
    assert_eq!(settings.token, super::TokenSettings::default());
    assert!(settings.poll.is_empty());
}

#[test]
fn endpoints_and_pushes_are_read_as_written() {
    let settings = accepted(
        "[[raw]]\npath = \"/wss\"\ngreeting = \"你好\"\non_message = \"reply\"\n\
         reply = \"Server: Received({message})\"\norigins = [\"https://a.example:8443\", \"*\"]\n\
         [[raw]]\npath = \"/r\"\non_message = \"relay\"\nrelay_self = true\nchannels = [\"a\"]\n\
         subprotocols = [\"chat\", \"superchat\"]\n\
         [[raw]]\npath = \"/quiet\"\n\
         [[push]]\nevery = 10\ndata = \"你好!\"\n\
         [[push]]\nevery = \"1s\"\ndata = \"{seq}\"\nchannel = \"a\"\nonly_changed = true\n",
    );
    let reply = OnMessage::Reply("Server: Received({message})".into());
    assert_eq!(settings.raw[0].on_message, reply);
    assert_eq!(settings.raw[0].greeting.as_deref(), Some("你好"));
    assert_eq!(
        settings.raw[1].on_message,
        OnMessage::Relay { relay_self: true }
    );
    assert_eq!(settings.raw[1].channels, ["a"]);
    assert_eq!(settings.raw[1].subprotocols, ["chat", "superchat"]);
    assert_eq!(settings.raw[1].origins, None);
    assert_eq!(settings.raw[2].on_message, OnMessage::Ignore);
    assert_eq!(settings.push[0].every, Duration::from_secs(10));
    assert_eq!(
        (
            settings.push[0].channel.as_deref(),
            settings.push[0].data.as_str()
        ),
        (None, "你好!")
    );
    assert!(settings.push[1].only_changed);
}

#[test]
fn an_unknown_variable_only_warns() {
    let environment = [
        ("FANFARE_PORT", "tcp://10.0.0.1:80"),
        ("FANFARE_LIMITS_SESSION", "5"),
        ("HOME", "/"),
    ];
    let (_, warnings) = load(&Overrides::default(), &environment).expect("warnings only");
    assert!(
        warnings
            .iter()
            .any(|Warning(text, _)| text.contains("FANFARE_PORT"))
    );
    assert!(
        warnings
            .iter()
            .any(|Warning(text, _)| text.contains("FANFARE_LIMITS_SESSIONS?"))
    );
    assert!(
        warnings
            .iter()
            .all(|Warning(text, _)| !text.contains("HOME"))
    );
}

#[test]
fn without_a_file_the_demonstration_runs() {
    let (settings, _) =
        load(&Overrides::default(), &[("FANFARE_LISTEN", "0.0.0.0:9")]).expect("fine");
    assert!(settings.demonstration && settings.file.is_none());
    assert_eq!(settings.listen, [Listen::Tcp("0.0.0.0:9".into())]);
    let paths: Vec<&str> = settings.raw.iter().map(|raw| raw.path.as_str()).collect();
    assert_eq!(paths, ["/ws", "/echo"]);
    assert!(settings.raw.iter().all(|raw| raw.subprotocols == ["*"]));
    assert_eq!(
        settings.raw[0].on_message,
        OnMessage::Relay { relay_self: false }
    );
    assert_eq!(settings.raw[1].on_message, OnMessage::Echo);
    assert_eq!(settings.push[0].every, Duration::from_secs(10));
    // The push reaches /ws and leaves /echo alone.
    assert_eq!(
        settings.push[0].channel.as_ref(),
        settings.raw[0].default_channels.first()
    );
    assert!(settings.raw[1].default_channels.is_empty());
    let (settings, _) = load(&Overrides::default(), &[]).expect("fine");
    assert_eq!(settings, Settings::demonstration());
}

#[test]
fn a_switched_off_route_frees_its_path() {
    let settings = accepted("page.enabled = false\n[[raw]]\npath = \"/\"\n");
    assert_eq!(settings.raw[0].path, "/");
}

#[test]
fn secrets_are_not_in_debug_output_nor_in_faults() {
    let (settings, _) =
        load(&Overrides::default(), &[("FANFARE_ADMIN_KEY", "hush-hush")]).expect("fine");
    assert_eq!(
        settings.admin.key.as_ref().map(super::Secret::expose),
        Some("hush-hush")
    );
    assert!(!format!("{settings:?}").contains("hush-hush"));
}

/// The socket's file was 0755, so that a proxy of another user could not connect.
#[test]
fn a_unix_socket_is_open_to_this_machine_unless_its_mode_and_group_say_otherwise() {
    let socket = |text: &str| match accepted(&format!("listen = [\"unix:{text}\"]")).listen[0] {
        Listen::Unix(ref socket) => (socket.clone(), socket.to_string()),
        ref other => panic!("{other}"),
    };
    let (plain, shown) = socket("/run/f.sock");
    assert_eq!(
        (plain.mode, plain.group, &*shown),
        (0o666, None, "/run/f.sock")
    );
    let (closed, shown) = socket("/run/f.sock?mode=0660&group=www-data");
    assert_eq!(closed.path.to_str(), Some("/run/f.sock"));
    assert_eq!(
        (closed.mode, closed.group.as_deref()),
        (0o660, Some("www-data"))
    );
    assert_eq!(shown, "/run/f.sock?mode=0660&group=www-data");
    let (grouped, shown) = socket("/run/f.sock?group=33");
    assert_eq!((grouped.mode, &*shown), (0o666, "/run/f.sock?group=33"));
}

#[test]
fn the_header_of_the_address_is_a_name_in_any_case() {
    let settings = accepted("address_header = \"X-Real-IP\"");
    assert_eq!(settings.address_header.as_deref(), Some("x-real-ip"));
    assert_eq!(accepted("").address_header, None);
}

#[test]
fn pages_that_are_files_can_be_named_as_origins() {
    let settings = accepted("[client]\norigins = [\"null\", \"file://\", \"weapp://game\"]");
    assert_eq!(
        settings.client.origins.map(|origins| origins.len()),
        Some(3)
    );
}

#[test]
fn trusted_proxies_are_addresses_networks_and_unix() {
    let settings = accepted("trusted_proxies = [\"10.0.0.0/8\", \"::1\", \"unix\"]");
    let trusts = |ip: &str| {
        settings
            .trusted_proxies
            .contains(ip.parse().expect("an address"))
    };
    assert!(trusts("10.255.0.1") && trusts("::1") && trusts("::ffff:10.0.0.1"));
    assert!(!trusts("11.0.0.1") && !trusts("::2") && settings.trusted_proxies.trusts_unix());
    assert!(!accepted("").trusted_proxies.trusts_unix());
}

#[test]
fn what_is_printed_is_read_back_as_the_demonstration() {
    let read = accepted(&render_demonstration());
    assert_eq!(
        without_source(read),
        without_source(Settings::demonstration())
    );
    for name in [
        "FANFARE_LIMITS_MESSAGE_BYTES",
        "FANFARE_TLS_CERT",
        "relay_self",
        "only_changed",
    ] {
        assert!(
            render_demonstration().contains(name),
            "{name} is not printed"
        );
        assert!(render_defaults().contains(name), "{name} is not printed");
    }
}

#[test]
fn the_defaults_that_are_printed_are_those_of_an_empty_file() {
    let printed = without_source(accepted(&render_defaults()));
    assert_eq!(printed, without_source(accepted("")));
}

#[test]
fn the_short_file_is_one_to_start_from() {
    let text = render_short();
    let (settings, warnings) = load(&Scratch::new(&text).flags(), &[]).expect("a right file");
    assert_eq!(warnings, []);
    assert!(settings.channels.configured && settings.raw.len() == 1);
    let keys = [&settings.api.key[0], &settings.token.hmac_secret[0]];
    assert_ne!(keys[0].expose(), keys[1].expose());
    assert_ne!(text, render_short());
    // What is commented out is right as soon as its mark is taken away.
    let all: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest,
            _ => line,
        })
        .collect();
    assert_eq!(accepted(&all.join("\n")).push.len(), 1);
}

#[test]
fn every_setting_has_a_variable_of_its_own() {
    let settings = super::raw_settings::RawSettings::default().settings();
    let mut variables: Vec<String> = settings
        .iter()
        .map(super::sections::Setting::variable)
        .collect();
    let all = variables.len();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), all);
}

#[test]
fn the_documentation_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    if std::env::var_os("FANFARE_BLESS").is_some() {
        fs::write(&path, render_markdown()).expect("docs can be written");
    }
    let file = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        file == render_markdown(),
        "docs/settings.md is not what the settings say; FANFARE_BLESS=1 cargo test writes it anew"
    );
}
