//! Settings that are valid but expose something draw a warning, and others draw none.

use super::{Overrides, Scratch, Warning, load};

/// Settings that nothing is said of.
const CLOSED: &str = "[api]\nkey = \"k\"\n[channels]\nallow.subscribe = [\"client\"]\n\
                      [token]\nhmac_secret = \"0123456789abcdef0123456789abcdef\"\n";

fn warnings(text: &str) -> Vec<String> {
    let (_, warnings) = load(&Scratch::new(text).flags(), &[])
        .unwrap_or_else(|errors| panic!("{text}\nis refused:\n{errors}"));
    warnings.into_iter().map(|Warning(text)| text).collect()
}

/// Asserts that a file draws one warning, which has all these parts.
#[track_caller]
fn one_warning(text: &str, parts: &[&str]) {
    let warnings = warnings(text);
    assert!(
        warnings.len() == 1 && parts.iter().all(|part| warnings[0].contains(part)),
        "expected one warning with {parts:?} of\n{text}\ngot {warnings:#?}"
    );
}

#[test]
fn what_is_closed_draws_no_warning() {
    assert_eq!(warnings(CLOSED), [""; 0]);
    let (_, warnings) = load(&Overrides::default(), &[]).expect("the demonstration");
    assert_eq!(warnings, []);
}

#[test]
fn what_everyone_may_do_is_named() {
    let open = CLOSED.replace("[\"client\"]", "[\"anonymous\"]");
    // As long as a token is asked for, nobody is anonymous.
    assert_eq!(warnings(&open), [""; 0]);
    one_warning(
        &format!("{open}[client]\nanonymous = true\n"),
        &["allow.subscribe", "[channels]", "everyone may subscribe"],
    );
    let anonymous = format!("{CLOSED}[client]\nanonymous = true\n");
    one_warning(
        &format!("{anonymous}[[namespace]]\nname = \"chat\"\nallow.publish = [\"anonymous\"]\n"),
        &["allow.publish", "namespace chat", "everyone may publish"],
    );
    let presence = "[[namespace]]\nname = \"chat\"\nallow.presence = [\"anonymous\"]\n";
    assert_eq!(warnings(&format!("{anonymous}{presence}")), [""; 0]);
    one_warning(
        &format!("{anonymous}{presence}presence = true\n"),
        &["allow.presence", "namespace chat", "see who is there"],
    );
    one_warning(
        &format!(
            "{anonymous}[[namespace]]\nname = \"chat\"\nhistory_size = 1\n\
             allow.history = [\"anonymous\"]\n"
        ),
        &["allow.history", "read the history"],
    );
    one_warning(
        "[api]\nkey = \"k\"\n[[raw]]\npath = \"/ws\"\n",
        &["neither [channels] nor a [[namespace]]", "?channel="],
    );
}

#[test]
fn origins_of_everyone_are_named() {
    let any = format!("{CLOSED}[client]\norigins = [\"*\"]\n");
    one_warning(&any, &["client.origins", "every web page"]);
    let cookie = format!(
        "{CLOSED}[hooks]\nheaders = [\"Cookie\"]\nconnect.url = \"http://127.0.0.1/\"\n\
         message.url = \"http://127.0.0.1/\"\n"
    );
    assert_eq!(warnings(&cookie), [""; 0]);
    let both = warnings(&format!("{cookie}[client]\norigins = [\"*\"]\n"));
    assert!(both.len() == 2 && both.iter().any(|text| text.contains("passes Cookie on")));
    for line in ["connect_hook = true", "on_message = \"hook\""] {
        let raw = format!("{cookie}[[raw]]\npath = \"/ws\"\n{line}\n");
        one_warning(&raw, &["/ws", "any origin", "Cookie"]);
        let named = format!("{raw}origins = [\"https://a.example\"]\n");
        assert_eq!(warnings(&named), [""; 0]);
    }
}

#[test]
fn an_api_without_a_key_is_named() {
    let without = CLOSED.replace("key = \"k\"", "body_bytes = 1");
    one_warning(&without, &["api.key", "loopback"]);
    assert_eq!(
        warnings(&without.replace("body_bytes = 1", "enabled = false")),
        [""; 0]
    );
}

#[test]
fn short_secrets_are_named_without_being_shown() {
    let rotated = CLOSED.replace(
        "hmac_secret = \"0123456789abcdef0123456789abcdef\"",
        "hmac_secret = [\"0123456789abcdef0123456789abcdef\", \"hush\"]",
    );
    one_warning(&rotated, &["secret 2 has 4 bytes"]);
    assert!(!warnings(&rotated)[0].contains("hush"));
}

#[test]
fn plain_http_to_other_hosts_is_named() {
    for url in [
        "http://127.0.0.1:1/",
        "http://localhost/",
        "http://[::1]/",
        "https://a.example/",
    ] {
        assert_eq!(
            warnings(&format!("{CLOSED}[hooks]\nrpc.url = \"{url}\"\n")),
            [""; 0]
        );
    }
    one_warning(
        &format!("{CLOSED}[hooks]\nrpc.url = \"http://u:hush@10.0.0.1/x?y=hush\"\n"),
        &["hooks.rpc.url: http://10.0.0.1/x goes over plain http"],
    );
    one_warning(
        &format!("{CLOSED}jwks_url = \"http://a.example/keys\"\n"),
        &["token.jwks_url", "plain http"],
    );
}

#[test]
fn settings_that_serve_nobody_are_named() {
    one_warning(
        "[api]\nkey = \"k\"\n",
        &["no [[raw]] endpoint", "[channels]"],
    );
}

#[test]
fn limits_that_do_not_fit_are_named() {
    one_warning(
        &format!("{CLOSED}[limits]\nrecovery_bytes = \"2MiB\"\n"),
        &["limits.recovery_bytes", "outbox"],
    );
    one_warning(
        &format!("{CLOSED}[limits]\nmessages_burst = 5\n"),
        &["limits.messages_burst is not used"],
    );
    one_warning(
        &format!("{CLOSED}[[push]]\nevery = 1\ndata_file = \"/nonexistent/news\"\n"),
        &["/nonexistent/news is no file now"],
    );
}

#[test]
fn an_endpoint_that_relays_where_no_client_may_publish_is_named() {
    let relay = "[[raw]]\npath = \"/ws\"\non_message = \"relay\"\nchannels = [\"news\"]\n";
    one_warning(
        &format!("{CLOSED}{relay}"),
        &["raw endpoint /ws", "allow.publish", "news", "3507"],
    );
    let with = |allow: &str| {
        CLOSED.replace(
            "[channels]\n",
            &format!("[channels]\nallow.publish = [{allow}]\n"),
        )
    };
    assert_eq!(warnings(&(with("\"subscriber\"") + relay)), [""; 0]);
    assert_eq!(warnings(&(with("\"client\"") + relay)), [""; 0]);
    let echo = relay.replace("relay", "echo");
    assert_eq!(warnings(&format!("{CLOSED}{echo}")), [""; 0]);
}
