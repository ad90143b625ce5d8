//! Settings that are valid but expose something draw a warning, and others draw none.

use super::{Overrides, Scratch, Warning, load};

/// Settings that nothing is said of, a line each.
const CLOSED: [&str; 6] = [
    "raw = []",
    "api.key = \"a key of many letters\"",
    "channels.allow.subscribe = [\"client\"]",
    "channels.allow.publish = []",
    "client.anonymous = false",
    "token.hmac_secret = \"0123456789abcdef0123456789abcdef\"",
];

/// The closed settings with others: `lines` are dotted and take the place of those with their name,
/// `tables` follow.
pub(super) fn closed_with(lines: &str, tables: &str) -> String {
    let name = |line: &str| line.split(" = ").next().map(str::to_string);
    let is_replaced = |closed: &&str| {
        lines.lines().any(|line| name(line) == name(closed))
            || (*closed == "raw = []" && tables.contains("[[raw]]"))
    };
    let mut text: String = CLOSED
        .iter()
        .filter(|closed| !is_replaced(closed))
        .map(|line| format!("{line}\n"))
        .collect();
    text.push_str(lines);
    text.push('\n');
    text.push_str(tables);
    text
}

pub(super) fn warnings(text: &str) -> Vec<String> {
    let (_, warnings) = load(&Scratch::new(text).flags(), &[])
        .unwrap_or_else(|errors| panic!("{text}\nis refused:\n{errors}"));
    warnings.into_iter().map(|Warning(text, _)| text).collect()
}

/// Asserts that a file draws one warning, which has all these parts.
#[track_caller]
pub(super) fn one_warning(text: &str, parts: &[&str]) {
    let warnings = warnings(text);
    assert!(
        warnings.len() == 1 && parts.iter().all(|part| warnings[0].contains(part)),
        "expected one warning with {parts:?} of\n{text}\ngot {warnings:#?}"
    );
}

#[test]
fn what_is_closed_draws_no_warning() {
    assert_eq!(warnings(&closed_with("", "")), [""; 0]);
    let (_, warnings) = load(&Overrides::default(), &[]).expect("the demonstration");
    assert_eq!(warnings, []);
}

#[test]
fn what_everyone_may_do_is_named() {
    let open = "channels.allow.subscribe = [\"anonymous\"]";
    // As long as a token is asked for, nobody is anonymous.
    assert_eq!(warnings(&closed_with(open, "")), [""; 0]);
    one_warning(
        &closed_with(&format!("{open}\nclient.anonymous = true"), ""),
        &["allow.subscribe", "[channels]", "everyone may subscribe"],
    );
    let anonymous = |tables: &str| closed_with("client.anonymous = true", tables);
    one_warning(
        &anonymous("[[namespace]]\nname = \"chat\"\nallow.publish = [\"anonymous\"]\n"),
        &["allow.publish", "namespace chat", "everyone may publish"],
    );
    let presence = "[[namespace]]\nname = \"chat\"\nallow.presence = [\"anonymous\"]\n";
    one_warning(
        &anonymous(&format!("{presence}presence = true\n")),
        &["allow.presence", "namespace chat", "see who is there"],
    );
    one_warning(
        &anonymous(
            "[[namespace]]\nname = \"chat\"\nhistory_size = 1\nallow.history = [\"anonymous\"]\n",
        ),
        &["allow.history", "read the history"],
    );
    one_warning(
        "api.key = \"a key of many letters\"\n[[raw]]\npath = \"/ws\"\n",
        &["neither [channels] nor a [[namespace]]", "?channel="],
    );
}

#[test]
fn origins_of_everyone_are_named() {
    let any = "client.origins = [\"*\"]";
    one_warning(&closed_with(any, ""), &["client.origins", "every web page"]);
    let cookie = "hooks.headers = [\"Cookie\"]\nhooks.connect.url = \"http://127.0.0.1/\"\n\
                  channels.allow.publish = [\"hook\"]\nhooks.publish.url = \"http://127.0.0.1/\"";
    assert_eq!(warnings(&closed_with(cookie, "")), [""; 0]);
    let both = warnings(&closed_with(&format!("{cookie}\n{any}"), ""));
    assert!(both.len() == 2 && both.iter().any(|text| text.contains("passes Cookie on")));
    let message = format!("{cookie}\nhooks.message.url = \"http://127.0.0.1/\"");
    for (hooks, line) in [
        (cookie, "connect_hook = true"),
        (&message, "on_message = \"hook\""),
    ] {
        let raw = format!("[[raw]]\npath = \"/ws\"\n{line}\n");
        one_warning(&closed_with(hooks, &raw), &["/ws", "any origin", "Cookie"]);
        let named = format!("{raw}origins = [\"https://a.example\"]\n");
        assert_eq!(warnings(&closed_with(hooks, &named)), [""; 0]);
    }
}

#[test]
fn an_api_without_a_key_is_named() {
    let without = |line: &str| closed_with("", "").replace(super::exposure::CLOSED[1], line);
    one_warning(&without(""), &["api.key", "loopback"]);
    assert_eq!(warnings(&without("api.enabled = false")), [""; 0]);
}

/// `api.key = "k"` was taken in silence. Every key that lets someone in is held to a length.
#[test]
fn short_secrets_are_named_without_being_shown() {
    let rotated = closed_with(
        "token.hmac_secret = [\"0123456789abcdef0123456789abcdef\", \"hush\"]",
        "",
    );
    one_warning(&rotated, &["secret 2 has 4 bytes"]);
    assert!(!warnings(&rotated)[0].contains("hush"));
    for (lines, part) in [
        ("api.key = \"k\"", "api.key has 1 byte and"),
        (
            "api.key = [\"a key of many letters\", \"hush\"]",
            "api.key has 4 bytes",
        ),
        ("admin.key = \"hush\"", "admin.key has 4 bytes"),
        ("hooks.secret = \"hush\"", "hooks.secret has 4 bytes"),
    ] {
        let text = closed_with(lines, "");
        one_warning(&text, &[part, "openssl rand"]);
        assert!(!warnings(&text)[0].contains("hush"));
    }
}

#[test]
fn plain_http_to_other_hosts_is_named() {
    for url in [
        "http://127.0.0.1:1/",
        "http://localhost/",
        "http://[::1]/",
        "https://a.example/",
    ] {
        let lines = format!("hooks.rpc.url = \"{url}\"");
        assert_eq!(warnings(&closed_with(&lines, "")), [""; 0]);
    }
    one_warning(
        &closed_with("hooks.rpc.url = \"http://u:hush@10.0.0.1/x?y=hush\"", ""),
        &["hooks.rpc.url: http://10.0.0.1/x goes over plain http"],
    );
    one_warning(
        &closed_with("token.jwks_url = \"http://a.example/keys\"", ""),
        &["token.jwks_url", "plain http"],
    );
}

#[test]
fn settings_that_serve_nobody_are_named() {
    one_warning(
        "api.key = \"a key of many letters\"\n",
        &["no [[raw]] endpoint", "[channels]"],
    );
}

#[test]
fn limits_that_do_not_fit_are_named() {
    one_warning(
        &closed_with("limits.recovery_bytes = \"2MiB\"", ""),
        &["limits.recovery_bytes", "outbox"],
    );
    one_warning(
        &closed_with("limits.messages_burst = 5", ""),
        &["limits.messages_burst is not used"],
    );
    one_warning(
        &closed_with(
            "",
            "[[push]]\nevery = 1\ndata_file = \"/nonexistent/news\"\n",
        ),
        &["/nonexistent/news is no file now"],
    );
}

#[test]
fn an_endpoint_that_relays_where_no_client_may_publish_is_named() {
    let relay = "[[raw]]\npath = \"/ws\"\non_message = \"relay\"\nchannels = [\"news\"]\n";
    one_warning(
        &closed_with("", relay),
        &["raw endpoint /ws", "allow.publish", "news", "3507"],
    );
    let with = |allow: &str| closed_with(&format!("channels.allow.publish = [{allow}]"), relay);
    assert_eq!(warnings(&with("\"subscriber\"")), [""; 0]);
    assert_eq!(warnings(&with("\"client\"")), [""; 0]);
    let echo = relay.replace("relay", "echo");
    assert_eq!(warnings(&closed_with("", &echo)), [""; 0]);
}

// An input method writes full-width signs, and 聊天：1 is then no channel of the namespace 聊天 but
// one of [channels]. Nothing said so.
#[test]
fn a_name_that_only_looks_as_if_it_had_parts_is_named() {
    let namespace = "[[namespace]]\nname = \"聊天\"\n";
    let push = |name: &str| {
        let push = "[[push]]\nevery = \"10s\"\ndata = \"x\"\n";
        closed_with("", &format!("{namespace}{push}channel = \"{name}\"\n"))
    };
    one_warning(
        &push("聊天：1"),
        &["push.channel", "聊天：1", "U+FF1A", "ASCII : separates"],
    );
    assert_eq!(warnings(&push("聊天:1")), [""; 0]);
    let raw = "[[raw]]\npath = \"/ws\"\nchannels = [\"弹幕\", \"dialog＃42\"]\n";
    one_warning(&closed_with("", raw), &["raw.channels", "U+FF03"]);
    let raw = "[[raw]]\npath = \"/ws\"\ndefault_channels = [\"聊天：1\"]\n";
    one_warning(&closed_with("", raw), &["raw.default_channels", "U+FF1A"]);
    one_warning(
        &closed_with("", "[[namespace]]\nname = \"a，b\"\n"),
        &["namespace.name", "U+FF0C"],
    );
}
