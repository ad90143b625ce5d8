//! What is wrong with settings is told with its place, all at once, with what would be right, and
//! nothing else is told.

use super::{Overrides, Scratch, accepted, load};

/// The faults of a file, without its name: `LINE: key: what`.
pub(super) fn faults(text: &str) -> Vec<String> {
    let file = Scratch::new(text);
    let errors = load(&file.flags(), &[]).err().unwrap_or_default();
    let prefix = format!("{}:", file.0.display());
    let strip = |line: &String| {
        let rest = line.strip_prefix(&prefix);
        rest.unwrap_or_else(|| panic!("no place in {line:?}"))
            .to_string()
    };
    errors.errors.0.iter().map(strip).collect()
}

/// Asserts that a file has one fault, which begins and goes on as said.
#[track_caller]
pub(super) fn one_fault(text: &str, place: &str, part: &str) {
    let faults = faults(text);
    assert!(
        faults.len() == 1 && faults[0].starts_with(place) && faults[0].contains(part),
        "expected one fault {place:?} with {part:?} of\n{text}\ngot {faults:#?}"
    );
}

#[test]
fn every_fault_names_its_line() {
    let raw = "[[raw]]\npath = \"/ws\"\n";
    let cases = [
        ("workers = 0", "1: workers: ", "at least 1"),
        ("workers = \"x\"", "1: workers: ", "whole number"),
        ("\nlisten = [\"8080\"]", "2: listen: ", "host:port"),
        ("listen = []", "1: listen: ", "host:port"),
        (
            "listen = [\"127.0.0.1:1\", \"127.0.0.1:1\"]",
            "1: listen: ",
            "twice",
        ),
        ("listen = [\"tls:127.0.0.1:1\"]", "1: listen: ", "tls.cert"),
        ("[tls]\ncert = \"c.pem\"", "2: tls.cert: ", "tls.key"),
        ("[tls]\nkey = \"k.pem\"", "2: tls.key: ", "tls.cert"),
        ("address_header = \"X Real\"", "1: address_header: ", "name"),
        (
            "trusted_proxies = [\"10.0.0.0/33\"]",
            "1: trusted_proxies: ",
            "network",
        ),
        (
            "[limits]\nmessage_bytes = \"64 quux\"",
            "2: limits.message_bytes: ",
            "64KiB",
        ),
        (
            "[limits]\nsessions = -1",
            "2: limits.sessions: ",
            "whole number",
        ),
        (
            "[heartbeat]\nping_interval = \"soon\"",
            "2: heartbeat.ping_interval: ",
            "10s",
        ),
        (
            "[heartbeat]\nping_interval = 5",
            "2: heartbeat.ping_interval: ",
            "shorter",
        ),
        (
            "[heartbeat]\n\npong_timeout = 25",
            "3: heartbeat.pong_timeout: ",
            "shorter",
        ),
        (
            "[slow]\nwrite_timeout = 0",
            "2: slow.write_timeout: ",
            "above 0",
        ),
        (
            "[slow]\npolicy = \"drop\"",
            "2: slow.policy: ",
            "drop_oldest",
        ),
        ("[deflate]\nlevel = 10", "2: deflate.level: ", "1 (fast)"),
        (
            "[deflate]\nenabled = \"yes\"",
            "2: deflate.enabled: ",
            "true or false",
        ),
        ("[admin]\nkey = \"\"", "2: admin.key: ", "not empty"),
        ("limits = 5", "1: limits: ", "[limits]"),
        ("[raw]\npath = \"/ws\"", "1: raw: ", "[[raw]]"),
        ("[[raw]]", "1: raw.path: ", "slash"),
        ("[[raw]]\npath = \"ws\"", "2: raw.path: ", "slash"),
        ("[[raw]]\npath = \"/a{b}\"", "2: raw.path: ", "braces"),
        (
            "[[raw]]\npath = \"/health\"",
            "2: raw.path: ",
            "health.enabled = false",
        ),
        (
            "[[raw]]\npath = \"/fanfare-worker.js\"",
            "2: raw.path: ",
            "a file of the client",
        ),
        ("[[push]]\ndata = \"x\"", "1: push.every: ", "must be set"),
        (
            "[[push]]\nevery = \"99ms\"\ndata = \"x\"",
            "2: push.every: ",
            "100ms",
        ),
        ("[[push]]\nevery = 1", "1: push.data: ", "missing"),
        (
            "[[push]]\nevery = 1\ndata = \"x\"\nchannel = \"$x\"",
            "4: push.channel: ",
            "$",
        ),
        (
            "[log]\nfilter = \"warning\"",
            "2: log.filter: ",
            "\"warning\" is no level; expected off, error, warn",
        ),
        (
            "[log]\nfilter = \"info,verbose\"",
            "2: log.filter: ",
            "\"verbose\" is no level",
        ),
        (
            "[client]\norigins = [\"https://a.*.example.com\"]",
            "2: client.origins: ",
            "https://*.example.com",
        ),
        (
            "[log]\nheaders = [\"Cookie\"]",
            "2: log.headers: ",
            "secret",
        ),
        (
            "[http_api]\nkey = \"k\"",
            "1: http_api: ",
            "docs/centrifugo.md",
        ),
        ("[poll]\nenabled = false", "1: poll: ", "longpoll.enabled"),
        (
            "[[raw]]\npath = \"/弹幕\"",
            "2: raw.path: ",
            "visible ASCII without escapes (%)",
        ),
        (
            "[heartbeat]\npong_timeout = \"8000\"",
            "2: heartbeat.pong_timeout: ",
            "without quotes",
        ),
        ("workers = 1\nworkers = 2", "2: ", "duplicate"),
        ("a = 1\n[limits\n", "2: ", "not TOML"),
    ];
    for (text, place, part) in cases {
        one_fault(text, place, part);
    }
    let below_path = [
        ("path = \"/x\"\n", "duplicate"),
        ("on_message = \"shout\"", "\"relay\""),
        ("on_message = \"reply\"", "reply = "),
        ("reply = \"x\"", "on_message = \"reply\""),
        ("relay_self = false", "on_message = \"relay\""),
        ("channels = [\"a b\"]", "white space (U+0020)"),
        ("subprotocols = [\"a,b\"]", "token"),
        ("origins = [\"www.example.com\"]", "scheme://host"),
    ];
    for (line, part) in below_path {
        one_fault(&format!("{raw}{line}"), "3: ", part);
    }
    one_fault(&format!("{raw}{raw}"), "4: raw.path: ", "already");
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_lines() {
    let text = "workes = 2\n[limits]\nsessions = \"many\"\n[heartbeat]\npong_timeout = 30\n\
                [[raw]]\npath = \"/ws\"\n[[raw]]\npath = \"/ws\"\ncolour = 1\n";
    let file = Scratch::new(text);
    let flags = Overrides {
        workers: Some("many".into()),
        ..file.flags()
    };
    let errors = load(
        &flags,
        &[
            ("FANFARE_LOG_FILTER", "info"),
            ("FANFARE_DEFLATE_LEVEL", "11"),
        ],
    )
    .expect_err("seven faults");
    let places: Vec<&str> = errors
        .errors
        .0
        .iter()
        .filter_map(|line| line.split(": ").next())
        .collect();
    let path = file.0.display().to_string();
    let lines = [1, 3, 5, 9, 10].map(|line| format!("{path}:{line}"));
    assert_eq!(places[..5], lines.each_ref().map(String::as_str));
    assert!(places.contains(&"--workers") && places.contains(&"FANFARE_DEFLATE_LEVEL"));
    assert_eq!(errors.errors.0.len(), 7);
    assert_eq!(errors.errors.to_string().lines().count(), 7);
}

#[test]
fn a_bad_value_is_one_fault_and_draws_no_others() {
    one_fault("[[raw]]\npath = 5", "2: raw.path: ", "text");
    one_fault(
        "[[push]]\nevery = \"soon\"\ndata = \"x\"",
        "2: push.every: ",
        "10s",
    );
    one_fault("[[push]]\nevery = 1\ndata = 5", "3: push.data: ", "text");
    one_fault("[tls]\ncert = 5\nkey = \"k.pem\"", "2: tls.cert: ", "path");
    one_fault(
        "[[raw]]\npath = \"/ws\"\non_message = \"reply\"\nreply = 5",
        "4: raw.reply: ",
        "text",
    );
}

#[test]
fn every_bad_entry_of_a_list_is_told() {
    let faults = faults("listen = [\"here\", \"there\"]\ntrusted_proxies = [\"near\", \"far\"]");
    let all = faults.join("\n");
    assert!(
        ["here", "there", "near", "far"]
            .iter()
            .all(|word| all.contains(word)),
        "{all}"
    );
}

#[test]
fn addresses_that_nothing_can_listen_at_are_refused() {
    for address in [
        "http://127.0.0.1:80",
        "::1:8080",
        "a b:1",
        "tls:",
        "[::g]:1",
        ":8080",
        "a:65536",
    ] {
        one_fault(
            &format!("listen = [\"{address}\"]"),
            "1: listen: ",
            "host:port",
        );
    }
    for (socket, what) in [
        ("unix:", "path"),
        ("unix:?mode=0660", "path"),
        ("unix:/run/f?mode=rw", "octal"),
        ("unix:/run/f?mode=0999", "octal"),
        ("unix:/run/f?mode=7777", "octal"),
        ("unix:/run/f?owner=me", "owner"),
        ("unix:/run/f?group=", "group"),
    ] {
        one_fault(&format!("listen = [\"{socket}\"]"), "1: listen: ", what);
    }
}

#[test]
fn times_beyond_any_clock_are_refused() {
    // Instants overflow when such a time is added, which would panic at the first session.
    for key in [
        "heartbeat.ping_interval",
        "slow.write_timeout",
        "close.timeout",
        "drain.spread",
    ] {
        one_fault(
            &format!("{key} = 1e19"),
            &format!("1: {key}: "),
            "at most a year",
        );
    }
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_one() {
    one_fault(
        "[limits]\nsesions = 5",
        "2: limits.sesions: ",
        "did you mean sessions?",
    );
    one_fault(
        "[limitz]\nsessions = 5",
        "1: limitz: ",
        "did you mean limits?",
    );
    one_fault("workerz = 5", "1: workerz: ", "did you mean workers?");
    one_fault("[[raws]]\npath = \"/\"", "1: raws: ", "did you mean raw?");
    one_fault(
        "[[raw]]\npath = \"/ws\"\ngreting = \"x\"",
        "3: raw.greting: ",
        "did you mean greeting?",
    );
    one_fault("qqqq = 5", "1: qqqq: ", "fanfare config");
}

#[test]
fn a_filter_of_modules_and_levels_is_right() {
    for filter in [
        "",
        "off",
        "WARN",
        "fanfare",
        "fanfare::http",
        "warn, fanfare::hooks=debug",
        "info/a pattern, of text",
        "actix_http=trace",
    ] {
        accepted(&format!("[log]\nfilter = \"{filter}\""));
    }
}

#[test]
fn of_a_file_that_cannot_be_read_nothing_but_that_is_told() {
    // What the file has was told to be missing: no [[raw]], no api.key.
    let text = "[api]\nkey = s3cr3t\n[[raw]]\npath = \"/ws\"\n";
    let errors = load(&Scratch::new(text).flags(), &[]).expect_err("no TOML");
    assert_eq!((errors.errors.0.len(), errors.warnings), (1, Vec::new()));
    let told = &errors.errors.0[0];
    assert!(told.contains("2: key: not TOML at column 7"), "{told}");
    assert!(told.contains("texts need quotes: key = ") && !told.contains("s3cr3t"));
    let flags = Overrides {
        config: Some("/nonexistent/fanfare.toml".into()),
        ..Overrides::default()
    };
    let errors = load(&flags, &[]).expect_err("there is no such file");
    assert_eq!(errors.warnings, []);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let flags = Overrides {
        config: Some("/nonexistent/fanfare.toml".into()),
        ..Overrides::default()
    };
    let errors = load(&flags, &[]).expect_err("there is no such file");
    assert_eq!(errors.errors.0.len(), 1);
    assert!(errors.errors.0[0].starts_with("/nonexistent/fanfare.toml: cannot be read"));
}

#[test]
fn a_byte_order_mark_and_carriage_returns_do_no_harm() {
    assert_eq!(accepted("\u{feff}workers = 2\r\n").workers, 2);
    one_fault("workers = 2\r\n\r\nqqqq = 1\r\n", "3: qqqq: ", "unknown");
}
