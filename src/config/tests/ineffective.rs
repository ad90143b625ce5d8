//! Settings that are valid and will not work draw a warning that names the cause and what ends it;
//! saying what is meant ends it too.

use super::{
    Overrides, Scratch,
    exposure::{closed_with, one_warning, warnings},
    faults::one_fault,
    load,
};

const TOKEN: &str = "token.hmac_secret = \"0123456789abcdef0123456789abcdef\"\n";

/// `check` said "the settings are right" of rules that let nobody do anything. Who forgot them
/// finds out from refusals, one by one.
#[test]
fn forgotten_rights_are_named() {
    let forgotten = |name: &str| {
        let text = closed_with("", "");
        let is_it = |line: &&str| !line.starts_with(&format!("channels.{name}"));
        text.lines().filter(is_it).collect::<Vec<_>>().join("\n")
    };
    one_warning(
        &forgotten("allow.subscribe"),
        &["allow.subscribe is written nowhere", "refused", "= []"],
    );
    one_warning(
        &forgotten("allow.publish"),
        &["allow.publish is written nowhere", "only the API", "= []"],
    );
    // One namespace that says it is enough.
    let text = forgotten("allow.publish")
        + "\n[[namespace]]\nname = \"chat\"\nallow.publish = [\"client\"]\n";
    assert_eq!(warnings(&text), [""; 0]);
}

/// Each of these was right to `check`, and did nothing or the opposite of what it seems to.
#[test]
fn what_does_nothing_alone_or_closes_all_is_named() {
    one_warning(
        &closed_with("address_header = \"X-Real-IP\"", ""),
        &["address_header", "trusted_proxies names nobody"],
    );
    one_warning(
        &closed_with("client.origins = []", ""),
        &["client.origins is []", "no web page"],
    );
    one_warning(
        &closed_with("", "[[raw]]\npath = \"/ws\"\norigins = []\n"),
        &["raw.origins of /ws is []"],
    );
    let keyless = closed_with("", "").replace("token.hmac_secret", "#");
    for name in ["audience", "issuer"] {
        one_warning(
            &format!("{keyless}\n[token]\n{name} = \"a\"\n"),
            &[&format!("token.{name} is set and no key")],
        );
    }
    for network in ["0.0.0.0/0", "::/0"] {
        one_warning(
            &closed_with(&format!("trusted_proxies = [\"{network}\"]"), ""),
            &["trusted_proxies", "every client is believed"],
        );
    }
}

/// A warning named neither file nor line, though that is what `check` promises.
#[test]
fn a_warning_names_the_place_of_the_setting_that_it_is_about() {
    let told = |text: &str| {
        let file = Scratch::new(text);
        let (_, warnings) = load(&file.flags(), &[]).expect("right settings");
        let path = file.0.display().to_string();
        let strip = |warning: &super::Warning| warning.to_string().replace(&path, "F");
        warnings.iter().map(strip).collect::<Vec<_>>()
    };
    let text = closed_with("", "limits.messages_burst = 3\n");
    let line = text
        .lines()
        .position(|line| line.starts_with("limits"))
        .expect("a line")
        + 1;
    let burst = told(&text);
    assert!(burst[0].ends_with(&format!("(F:{line})")), "{burst:?}");
    // Of what is written nowhere there is no place, nor where it could be one of several.
    let forgotten = told(&closed_with("", "").replace("raw = []", ""));
    assert!(!forgotten[0].contains("(F:"), "{forgotten:?}");
    let push = "[[push]]\nevery = 9\ndata = \"{tim}\"\n";
    assert!(told(&closed_with("", push))[0].contains("(F:"));
    assert!(!told(&closed_with("", &[push, push].concat()))[0].contains("(F:"));
}

/// Whoever moved from the demonstration to a file had no `/ws` any more and was not told.
#[test]
fn a_forgotten_raw_endpoint_is_named() {
    let text = closed_with("", "").replace("raw = []\n", "");
    one_warning(&text, &["no [[raw]]", "/ws", "raw = []"]);
    assert_eq!(
        warnings(&closed_with("connection.enabled = true", "")),
        [""; 0]
    );
}

/// A right to read what is never kept is refused with 108 each time. In `[channels]` it may be
/// meant for the namespaces that keep it.
#[test]
fn rights_to_read_what_is_not_kept_are_named() {
    let cases = [
        ("presence", "presence is false", "presence = true"),
        ("history", "history_size is 0", "history_size = 5"),
    ];
    for (what, why, kept) in cases {
        let right = format!("allow.{what} = [\"client\"]");
        let lines = format!("channels.{right}");
        one_warning(
            &closed_with(&lines, ""),
            &[&format!("allow.{what} of [channels]"), why, "108"],
        );
        let chat = "[[namespace]]\nname = \"chat\"\n";
        let inherits = format!("{chat}{kept}\n");
        assert_eq!(warnings(&closed_with(&lines, &inherits)), [""; 0]);
        one_warning(
            &closed_with("", &format!("{chat}{right}\n")),
            &[&format!("allow.{what} of [[namespace]] \"chat\""), why],
        );
    }
}

/// Who forces joins and leaves upon everyone and forgets to turn them on tells nobody of them, and
/// the settings were called right.
#[test]
fn joins_that_are_forced_upon_everyone_and_told_to_nobody_are_named() {
    let forced = "channels.force_push_join_leave = true";
    one_warning(
        &closed_with(forced, ""),
        &["force_push_join_leave of [channels]", "join_leave is false"],
    );
    let told = format!("{forced}\nchannels.join_leave = true");
    assert_eq!(warnings(&closed_with(&told, "")), [""; 0]);
    let chat = "[[namespace]]\nname = \"chat\"\n";
    let lobby = format!("{chat}join_leave = true\n");
    assert_eq!(warnings(&closed_with(forced, &lobby)), [""; 0]);
    one_warning(
        &closed_with("", &format!("{chat}force_push_join_leave = true\n")),
        &["force_push_join_leave of [[namespace]] \"chat\""],
    );
}

/// A key for tokens closes raw endpoints to everyone else, which nothing said.
#[test]
fn raw_endpoints_that_a_key_for_tokens_closes_are_named() {
    let raw = "[[raw]]\npath = \"/ws\"\n";
    let text = closed_with("", raw).replace("client.anonymous = false\n", "");
    one_warning(&text, &["client.anonymous", "/ws", "token"]);
    let asks = format!("{raw}connect_hook = true\n");
    let hook = "hooks.connect.url = \"http://127.0.0.1/\"";
    let text = closed_with(hook, &asks).replace("client.anonymous = false\n", "");
    assert_eq!(warnings(&text), [""; 0]);
}

#[test]
fn what_nothing_uses_is_named() {
    one_warning(
        &closed_with("tls.cert = \"c.pem\"\ntls.key = \"k.pem\"", ""),
        &["tls.cert", "no tls: address"],
    );
    for (hook, part) in [
        ("subscribe", "allow.subscribe"),
        ("publish", "allow.publish"),
        ("message", "on_message = \"hook\""),
        ("refresh", "hooks.connect"),
        ("sub_refresh", "hooks.subscribe"),
    ] {
        let line = format!("hooks.{hook}.url = \"http://127.0.0.1/\"");
        let name = format!("hooks.{hook}.url");
        one_warning(&closed_with(&line, ""), &[&name, "never asked", part]);
    }
}

/// `{foo}` in a push was sent to everyone as it stood. Braces of JSON are no placeholders.
#[test]
fn placeholders_that_nothing_fills_are_named() {
    let push = |data: &str| closed_with("", &format!("[[push]]\nevery = 1\ndata = '{data}'\n"));
    one_warning(
        &push("{foo} at {time}"),
        &["{foo}", "{time}, {sessions}, {seq}"],
    );
    assert_eq!(warnings(&push("{\"n\":{seq},\"x\":{}} {time}")), [""; 0]);
    let reply = "[[raw]]\npath = \"/ws\"\non_message = \"reply\"\nreply = \"{msg}\"\n";
    one_warning(&closed_with("", reply), &["raw.reply: {msg}", "{message}"]);
}

#[test]
fn numbers_that_cannot_be_meant_are_told() {
    one_warning(
        &closed_with("drain.spread = \"1h\"", ""),
        &["drain.notice and drain.spread are 1h", "systemd"],
    );
    for name in ["limits.message_bytes", "api.body_bytes"] {
        one_fault(
            &format!("{name} = \"10GB\""),
            &format!("1: {name}: "),
            "at most 256MiB",
        );
    }
    // With outbox_bytes a recovery has its half.
    let large = "limits.outbox_bytes = \"300MiB\"\nlimits.recovery_bytes = \"1MiB\"";
    one_warning(
        &closed_with(large, ""),
        &["limits.outbox_bytes", "256MiB", "each client"],
    );
}

// Who sets these loses more than they think, or cannot start at all.
#[test]
fn a_state_that_the_disk_holds_late_or_that_has_no_room_is_told() {
    for (line, part) in [
        ("state.sync = \"1ms\"", "at least 10ms"),
        ("state.sync = \"sometimes\"", "\"always\" or \"never\""),
        ("state.bytes = \"10MiB\"", "at least 80MiB"),
        ("state.queue = 0", "at least 1"),
        ("state.queue_bytes = 0", "at least 1"),
    ] {
        let name = line.split(" = ").next().unwrap_or_default();
        one_fault(line, &format!("1: {name}: "), part);
    }
    let kept = "state.dir = \"/kept\"\nstate.sync = ";
    let late = [("\"11s\"", "is 11s"), ("\"never\"", "is \"never\"")];
    for (sync, part) in late {
        let file = closed_with(&format!("{kept}{sync}"), "");
        one_warning(&file, &["state.sync ", part, "a crash of the machine"]);
    }
    let none = [""; 0];
    assert_eq!(warnings(&closed_with(&format!("{kept}\"10s\""), "")), none);
    assert_eq!(warnings(&closed_with("state.sync = \"never\"", "")), none);
}

/// `every = "0s"` was answered with "must be set", and `hooks.timeout` with a guess at one of
/// eight.
#[test]
fn the_true_reason_is_given() {
    let push = "[[push]]\ndata = \"x\"\n";
    one_fault(
        &format!("{push}every = \"0s\""),
        "3: push.every: ",
        "at least 100ms",
    );
    let poll = "[[poll]]\nurl = \"http://127.0.0.1/\"\nchannel = \"c\"\nevery = 0\n";
    one_fault(poll, "4: poll.every: ", "at least 100ms");
    one_fault(
        "[hooks]\ntimeout = \"1s\"",
        "2: hooks.timeout: ",
        "<name>.timeout",
    );
    one_fault("[hooks]\nurl = \"x\"", "2: hooks.url: ", "<name>.url");
}

/// While there was an error no warning was printed, so that mending took a second round.
#[test]
fn errors_do_not_hide_warnings() {
    let file =
        Scratch::new("raw = []\nworkers = 0\napi.key = \"k\"\nlimits.message_bytes = \"x\"\n");
    let error = load(&file.flags(), &[]).expect_err("two errors");
    assert_eq!(error.errors.0.len(), 2);
    let text = error.to_string();
    assert!(text.contains("warning: api.key has 1 byte"), "{text}");
    // Of what could not be read there is no second word.
    assert_eq!(text.matches("limits.message_bytes").count(), 1, "{text}");
}

/// Platforms write `True`. Files for docker's --env-file keep the quotes, which then are part of a
/// key that nobody finds.
#[test]
fn variables_are_read_as_platforms_write_them() {
    for (text, value) in [
        ("True", true),
        ("FALSE", false),
        ("Yes", true),
        ("oFF ", false),
    ] {
        let (settings, _) =
            load(&Overrides::default(), &[("FANFARE_CLIENT_ANONYMOUS", text)]).expect("a boolean");
        assert_eq!(settings.client.anonymous, value, "{text}");
    }
    let quoted = [("FANFARE_NODE", "\"one\"")];
    let (settings, warnings) = load(&Overrides::default(), &quoted).expect("a name");
    assert_eq!(settings.node, "\"one\"");
    assert!(warnings[0].0.contains("FANFARE_NODE") && warnings[0].0.contains("quotes"));
    let quoted = [("FANFARE_WORKERS", "'2'")];
    let error = load(&Overrides::default(), &quoted).expect_err("no number");
    assert!(error.to_string().contains("quotes"), "{error}");
}

#[test]
fn a_token_key_alone_draws_no_warning_of_channels() {
    // Nothing is written of channels, so that none is forgotten.
    let text = format!("api.key = \"a key of many letters\"\n{TOKEN}");
    assert_eq!(warnings(&text), [""; 0]);
}
