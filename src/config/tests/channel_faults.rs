//! What is wrong with settings of channels and access is told with its place and what would be
//! right, and no key is repeated.

use super::faults::one_fault;

/// Public, and of no key that is used anywhere.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
                          MCowBQYDK2VwAyEArsk3Jqb4Qswhz6VXPLrbiwfsCQ5oC16ix8PTPZHqzYk=\n\
                          -----END PUBLIC KEY-----\n";

const POLL: &str = "[[poll]]\nurl = \"http://127.0.0.1/\"\nevery = 1\nchannel = \"c\"\n";

#[test]
fn namespaces_have_a_name_of_their_own() {
    one_fault("[[namespace]]", "1: namespace.name: ", "must be set");
    let long = "聊".repeat(85);
    for name in [
        "a:b",
        "a b",
        "聊天\u{3000}",
        "$a",
        "a/b",
        "a#",
        "a,b",
        &long,
    ] {
        let text = format!("[[namespace]]\nname = \"{name}\"\n");
        one_fault(&text, "2: namespace.name: ", "letters, digits");
    }
    one_fault(
        "[[namespace]]\nname = \"a\"\n[[namespace]]\nname = \"a\"\n",
        "4: namespace.name: ",
        "twice",
    );
    one_fault(
        "[namespace]\nname = \"a\"\n",
        "1: namespace: ",
        "[[namespace]]",
    );
    one_fault(
        "[[namespace]]\nname = \"a\"\nallows.publish = []\n",
        "3: namespace.allows: ",
        "unknown setting",
    );
}

#[test]
fn who_may_is_a_list_of_known_words() {
    one_fault(
        "[channels]\nallow.subscribe = [\"clients\"]\n",
        "2: channels.allow.subscribe: ",
        "\"clients\" is unknown; expected a list of \"client\"",
    );
    one_fault(
        "[channels]\nallow.publish = true\n",
        "2: channels.allow.publish: ",
        "a list of",
    );
    one_fault(
        "[channels]\nallow = [\"client\"]\n",
        "2: channels.allow: ",
        "such as allow.subscribe",
    );
    one_fault(
        "[channels]\nallow.subscribers = []\n",
        "2: channels.allow.subscribers: ",
        "did you mean allow.subscribe?",
    );
    one_fault(
        "[[namespace]]\nname = \"a\"\nallow.presence = [\"all\"]\n",
        "3: namespace.allow.presence: ",
        "\"all\" is unknown",
    );
}

#[test]
fn what_recovers_needs_a_history() {
    for name in ["recovery", "cache_recovery", "delta"] {
        one_fault(
            &format!("[channels]\n{name} = true\n"),
            &format!("2: channels.{name}: "),
            "history_size above 0",
        );
        one_fault(
            &format!("[[namespace]]\nname = \"a\"\n{name} = true\n"),
            &format!("3: namespace.{name}: "),
            "history_size above 0",
        );
        one_fault(
            &format!(
                "[channels]\nhistory_size = 1\n{name} = true\n\
                 [[namespace]]\nname = \"a\"\nhistory_size = 0\n"
            ),
            "6: namespace.history_size: ",
            &format!("set {name} = false"),
        );
    }
    // Told once: at [channels], not at each that inherits it, and not where the size itself is
    // wrong.
    one_fault(
        "[channels]\nrecovery = true\n[[namespace]]\nname = \"a\"\n",
        "2: channels.recovery: ",
        "history_size",
    );
    one_fault(
        "[channels]\nhistory_size = \"x\"\nrecovery = true\n\
         [[namespace]]\nname = \"a\"\ndelta = true\n",
        "2: channels.history_size: ",
        "whole number",
    );
    one_fault(
        "[channels]\nhistory_ttl = 0\n",
        "2: channels.history_ttl: ",
        "above 0",
    );
}

#[test]
fn who_may_by_hook_or_token_needs_the_hook_or_a_key() {
    let cases = [
        ("subscribe", "hook", "hooks.subscribe.url"),
        ("publish", "hook", "hooks.publish.url"),
        ("history", "hook", "hooks.subscribe.url"),
        ("presence", "hook", "hooks.subscribe.url"),
        ("subscribe", "token", "token.hmac_secret"),
        ("publish", "token", "token.jwks_url"),
    ];
    for (what, word, part) in cases {
        one_fault(
            &format!("[channels]\nallow.{what} = [\"{word}\"]\n"),
            &format!("2: channels.allow.{what}: "),
            part,
        );
        one_fault(
            &format!("[[namespace]]\nname = \"a\"\nallow.{what} = [\"{word}\"]\n"),
            &format!("3: namespace.allow.{what}: "),
            part,
        );
    }
    // A hook or key that is wrong itself is the only fault.
    one_fault(
        "[channels]\nallow.subscribe = [\"hook\", \"token\"]\n[hooks]\nsubscribe.url = 5\n\
         [token]\nhmac_secret = \"0123456789abcdef0123456789abcdef\"\n",
        "4: hooks.subscribe.url: ",
        "text",
    );
}

#[test]
fn channels_of_the_server_have_a_namespace_once_there_are_any() {
    let push = "[[push]]\nevery = 1\ndata = \"x\"\nchannel = \"chat:1\"\n";
    let poll = POLL.replace("\"c\"", "\"chat:1\"");
    let raw = "[[raw]]\npath = \"/ws\"\nchannels = [\"chat:1\"]\n";
    for (text, place) in [
        (push, "5: push.channel: "),
        (poll.as_str(), "5: poll.channel: "),
        (raw, "4: raw.channels: "),
    ] {
        super::accepted(text);
        super::accepted(&format!("[[namespace]]\nname = \"chat\"\n{text}"));
        one_fault(
            &format!("[channels]\n{text}"),
            place,
            "no [[namespace]] with name = \"chat\"",
        );
    }
}

#[test]
fn pushes_have_one_source() {
    one_fault(
        "[[push]]\nevery = 1\ndata = \"x\"\ndata_file = \"f\"\n",
        "4: push.data_file: ",
        "one of the two",
    );
    one_fault("[[push]]\nevery = 1\n", "1: push.data: ", "data_file");
    one_fault(
        "[[push]]\nevery = 1\ndata_file = 5\n",
        "3: push.data_file: ",
        "path",
    );
    one_fault(
        "[[push]]\nevery = 1\ndata = \"\"\n",
        "3: push.data: ",
        "missing",
    );
}

#[test]
fn routes_of_clients_and_backends_are_taken() {
    for (path, table) in [
        ("/connection/websocket", "connection"),
        ("/connection/anything", "connection"),
        ("/emulation", "connection"),
        ("/sse", "sse"),
        ("/poll", "longpoll"),
        ("/send", "send"),
        ("/api", "api"),
        ("/api/channels/x", "api"),
    ] {
        one_fault(
            &format!("[[raw]]\npath = \"{path}\"\n"),
            "2: raw.path: ",
            &format!("{table}.enabled = false"),
        );
    }
}

#[test]
fn public_keys_are_public_keys() {
    let key = |text: &str| format!("[token]\npublic_keys = ['''{text}''']\n");
    super::accepted(&key(PUBLIC_KEY));
    let file = super::Scratch::new(PUBLIC_KEY);
    super::accepted(&key(&file.0.display().to_string()));

    one_fault(
        &key("/nonexistent/key.pem"),
        "2: token.public_keys: key 1: ",
        "cannot be read",
    );
    let garbled = PUBLIC_KEY.replace("MCow", "AAAA");
    one_fault(
        &key(&garbled),
        "2: token.public_keys: key 1: ",
        "is no public key",
    );
    let private = PUBLIC_KEY.replace("PUBLIC", "PRIVATE");
    one_fault(
        &key(&private),
        "2: token.public_keys: key 1: ",
        "private key",
    );
    let other = super::Scratch::new("workers = 2\n");
    one_fault(
        &key(&other.0.display().to_string()),
        "2: token.public_keys: key 1: ",
        "no PEM",
    );
}

// Nobody could be given a channel of a namespace that is not there, and who pings every other week
// is lost by clients that count milliseconds in 31 bits.
#[test]
fn a_personal_channel_has_a_namespace_that_is_there_and_pings_come_at_least_daily() {
    let personal =
        "[client]\npersonal_channel.enabled = true\npersonal_channel.namespace = \"me\"\n";
    one_fault(
        personal,
        "3: client.personal_channel.namespace: ",
        "there is no [[namespace]] \"me\"",
    );
    one_fault(
        "[heartbeat]\nping_interval = \"25h\"\n",
        "2: heartbeat.ping_interval: ",
        "at most a day",
    );
}

#[test]
fn clients_keys_and_bodies_are_checked() {
    let cases = [
        ("client", "origins = [\"a.example\"]", "scheme://host"),
        ("client", "connect_timeout = 0", "above 0"),
        ("client", "anonymous = \"no\"", "true or false"),
        (
            "client",
            "personal_channel.single_connection = true",
            "needs",
        ),
        ("api", "key = \"\"", "not empty"),
        ("api", "key = [\"a\", \"\"]", "not empty"),
        ("api", "body_bytes = 0", "at least 1"),
        ("api", "publishes_per_second = -1", "whole number"),
        ("token", "hmac_secret = 5", "list of them"),
        ("limits", "history_bytes = 0", "at least 1"),
        ("limits", "commands_pending = 0", "at least 1"),
        ("limits", "frames_pending = 0", "at least 1"),
        ("http", "head_bytes = 1", "1KiB to 128KiB"),
        ("http", "head_bytes = \"1MiB\"", "1KiB to 128KiB"),
        ("limits", "commands_per_turn = 0", "at least 1"),
        ("limits", "inflated_bytes_per_turn = 0", "at least 1"),
        ("limits", "poll_wait = 0", "above 0"),
        ("limits", "presence_ttl = 0", "above 0"),
    ];
    for (table, line, part) in cases {
        let name = line.split(' ').next().unwrap_or_default();
        one_fault(
            &format!("[{table}]\n{line}\n"),
            &format!("2: {table}.{name}: "),
            part,
        );
    }
}

/// A window that nothing waits in, or a position in a channel that leaves publications out, would
/// be found out by clients. `check` says so where it is written, with what would be right.
#[test]
fn a_window_goes_with_what_makes_sense_of_it() {
    one_fault(
        "[channels]\nwindow = \"1m\"\n",
        "2: channels.window: ",
        "at most 10s",
    );
    one_fault(
        "[channels]\nwindow_bytes = 0\n",
        "2: channels.window_bytes: ",
        "above 0",
    );
    for keep in ["old", "newest_by:", "newest_by"] {
        let text = format!("[channels]\nwindow = \"50ms\"\nkeep = \"{keep}\"\n");
        one_fault(&text, "3: channels.keep: ", "\"newest_by:TAG\"");
    }
    for keep in ["newest", "newest_by:city"] {
        one_fault(
            &format!("[channels]\nkeep = \"{keep}\"\n"),
            "2: channels.keep: ",
            "needs window above 0",
        );
        for name in ["recovery", "delta"] {
            one_fault(
                &format!(
                    "[channels]\nwindow = \"50ms\"\nkeep = \"{keep}\"\n{name} = true\nhistory_size = 1\n"
                ),
                "3: channels.keep: ",
                &format!("set {name} = false or keep = \"all\""),
            );
        }
    }
    // What is inherited is wrong where the namespace adds to it.
    let channels = "[channels]\nwindow = \"50ms\"\nhistory_size = 1\n";
    one_fault(
        &format!("{channels}recovery = true\n[[namespace]]\nname = \"a\"\nkeep = \"newest\"\n"),
        "7: namespace.keep: ",
        "recovery needs all of them",
    );
    one_fault(
        &format!("{channels}keep = \"newest\"\n[[namespace]]\nname = \"a\"\ndelta = true\n"),
        "7: namespace.delta: ",
        "delta needs all of them",
    );
    one_fault(
        &format!("{channels}keep = \"newest\"\n[[namespace]]\nname = \"a\"\nwindow = 0\n"),
        "7: namespace.window: ",
        "needs window above 0",
    );
    let cached = "window = \"50ms\"\nkeep = \"newest\"\nhistory_size = 1\ncache_recovery = true\n";
    assert!(super::faults::faults(&format!("[channels]\n{cached}")).is_empty());
}
