//! What the settings of channels and of the backend promise: their types, what namespaces inherit,
//! and what follows from other settings.

use std::time::Duration;

use super::{Overrides, Scratch, accepted, load, render_defaults};
use crate::config::{Allow, HookFailureAction, Keep, OnMessage, Secret, Settings, SlowPolicy};

const CLIENT: Allow = Allow {
    client: true,
    anonymous: false,
    subscriber: false,
    token: false,
    hook: false,
};

fn exposed(secrets: &[Secret]) -> Vec<&str> {
    secrets.iter().map(Secret::expose).collect()
}

#[test]
fn who_may_is_written_with_a_dot_or_below_a_heading() {
    let dotted = accepted("[channels]\nallow.subscribe = [\"client\"]\nallow.publish = []\n");
    let heading = accepted("[channels.allow]\nsubscribe = [\"client\"]\n");
    let inline = accepted("channels = { allow = { subscribe = [\"client\"] } }\n");
    let (variables, _) = load(
        &Scratch::new("").flags(),
        &[("FANFARE_CHANNELS_ALLOW_SUBSCRIBE", "client")],
    )
    .expect("from the environment");
    for settings in [dotted, heading, inline, variables] {
        assert!(settings.channels.configured);
        assert_eq!(settings.channels.default.allow_subscribe, CLIENT);
        assert_eq!(settings.channels.default.allow_publish, Allow::default());
    }
    let namespace = "[[namespace]]\nname = \"chat\"\n";
    for text in [
        format!("{namespace}allow.history = [\"client\"]\n"),
        format!("{namespace}[namespace.allow]\nhistory = [\"client\"]\n"),
    ] {
        let settings = accepted(&text);
        assert_eq!(
            settings.channels.namespaces["chat"].allow_history, CLIENT,
            "{text}"
        );
    }
}

#[test]
fn every_word_of_who_may_is_known() {
    let settings = accepted(
        "[channels]\n\
         allow.publish = [\"client\", \"anonymous\", \"subscriber\", \"token\", \"hook\"]\n\
         [token]\nhmac_secret = \"0123456789abcdef0123456789abcdef\"\n\
         [hooks]\npublish.url = \"http://127.0.0.1/\"\n",
    );
    let everything = Allow {
        client: true,
        anonymous: true,
        subscriber: true,
        token: true,
        hook: true,
    };
    assert_eq!(settings.channels.default.allow_publish, everything);
}

#[test]
fn a_namespace_has_what_it_leaves_out_from_channels() {
    let settings = accepted(
        "[channels]\nhistory_size = 10\nhistory_ttl = \"1m\"\nrecovery = true\npresence = true\n\
         slow_policy = \"latest\"\nallow.subscribe = [\"client\"]\nallow.publish = [\"client\"]\n\
         [[namespace]]\nname = \"chat\"\nhistory_size = 50\npresence = false\nallow.publish = []\n\
         [[namespace]]\nname = \"a.b-c_9\"\n",
    );
    let channels = &settings.channels;
    let chat = channels.rules("chat:room:1").expect("it is there");
    assert_eq!((chat.name.as_str(), chat.history_size), ("chat", 50));
    assert_eq!(chat.history_ttl, Duration::from_secs(60));
    assert!(chat.recovery && !chat.presence);
    assert_eq!(chat.slow_policy, Some(SlowPolicy::Latest));
    assert_eq!(
        (chat.allow_subscribe, chat.allow_publish),
        (CLIENT, Allow::default())
    );
    let other = channels.rules("a.b-c_9:x").expect("it is there");
    assert!(other.presence && other.history_size == 10);
    for name in ["news", ":news", "chat"] {
        let rules = channels.rules(name).expect("those of [channels]");
        assert_eq!((rules.name.as_str(), rules.history_size), ("", 10));
    }
    assert!(channels.rules("chats:1").is_none() && channels.rules("Chat:1").is_none());
}

#[test]
fn channels_are_configured_as_soon_as_they_are_written() {
    assert!(!accepted("").channels.configured);
    assert!(!accepted("[hooks]\nqueue = 1\n").channels.configured);
    assert!(accepted("[channels]\n").channels.configured);
    assert!(
        accepted("[[namespace]]\nname = \"a\"\n")
            .channels
            .configured
    );
    assert!(accepted("channels.presence = false\n").channels.configured);
}

#[test]
fn keys_are_a_text_or_a_list() {
    let one = accepted("[api]\nkey = \"a,b\"\n[token]\nhmac_secret = \"c\"\n");
    assert_eq!(exposed(&one.api.key), ["a,b"]);
    assert_eq!(exposed(&one.token.hmac_secret), ["c"]);
    let two = accepted("[api]\nkey = [\"a\", \"b\"]\n[token]\nhmac_secret = [\"c\", \"d\"]\n");
    assert_eq!(exposed(&two.api.key), ["a", "b"]);
    assert_eq!(exposed(&two.token.hmac_secret), ["c", "d"]);
    let environment = [
        ("FANFARE_API_KEY", "a"),
        ("FANFARE_TOKEN_HMAC_SECRET", "c, d"),
    ];
    let (settings, _) = load(&Overrides::default(), &environment).expect("fine");
    assert_eq!(exposed(&settings.api.key), ["a"]);
    assert_eq!(exposed(&settings.token.hmac_secret), ["c", "d"]);
}

#[test]
fn sessions_without_a_token_are_taken_as_long_as_there_is_no_key() {
    assert!(accepted("").client.anonymous);
    assert!(!accepted("[token]\nhmac_secret = \"c\"\n").client.anonymous);
    assert!(
        !accepted("[token]\njwks_url = \"https://a.example/k\"\n")
            .client
            .anonymous
    );
    let both = "[token]\nhmac_secret = \"c\"\n[client]\nanonymous = true\n";
    assert!(accepted(both).client.anonymous);
    assert!(!accepted("[client]\nanonymous = false\n").client.anonymous);
    // An empty list is no key.
    assert!(accepted("[token]\nhmac_secret = []\n").client.anonymous);
}

#[test]
fn hooks_are_tables_of_their_own() {
    let settings = accepted(
        "[hooks]\nsecret = \"s\"\nheaders = [\"Cookie\", \"X-A\"]\nevents_batch = 5\n\
         [hooks.connect]\nurl = \"http://127.0.0.1:1/connect\"\n\
         [hooks.sub_refresh]\nurl = \"https://b.example/\"\ntimeout = \"250ms\"\n",
    );
    let hooks = &settings.hooks;
    let connect = hooks.connect.as_ref().expect("it is set");
    assert_eq!(connect.url, "http://127.0.0.1:1/connect");
    assert_eq!(connect.timeout, Duration::from_secs(5));
    let refresh = hooks.sub_refresh.as_ref().expect("it is set");
    assert_eq!(refresh.timeout, Duration::from_millis(250));
    assert!(hooks.refresh.is_none() && hooks.events.is_none());
    assert_eq!(hooks.headers, ["cookie", "x-a"]);
    assert_eq!((hooks.events_batch, hooks.concurrency), (5, 256));
    let names: Vec<&str> = hooks.configured().map(|(name, _)| name).collect();
    assert_eq!(names, ["connect", "sub_refresh"]);

    let environment = [
        ("FANFARE_HOOKS_CONNECT_URL", "http://[::1]/c"),
        ("FANFARE_HOOKS_CONNECT_TIMEOUT", "2"),
        ("FANFARE_HOOKS_EVENTS_QUEUE", "7"),
    ];
    let (settings, _) = load(&Overrides::default(), &environment).expect("fine");
    let connect = settings.hooks.connect.expect("it is set");
    assert_eq!(connect.timeout, Duration::from_secs(2));
    assert_eq!(settings.hooks.events_queue, 7);
}

#[test]
fn raw_endpoints_ask_the_backend() {
    let hooks =
        "[hooks]\nmessage.url = \"http://127.0.0.1/\"\nconnect.url = \"http://127.0.0.1/\"\n";
    let raw = "[[raw]]\npath = \"/a\"\non_message = \"hook\"\n";
    let settings = accepted(&format!(
        "{hooks}{raw}connect_hook = true\n\
         [[raw]]\npath = \"/b\"\non_message = \"hook\"\non_failure = \"close\"\n\
         [[raw]]\npath = \"/c\"\non_message = \"hook\"\non_failure = \"reply\"\n\
         failure_reply = \"later\"\n",
    ));
    let actions = [
        HookFailureAction::Close,
        HookFailureAction::Close,
        HookFailureAction::Reply("later".into()),
    ];
    for (endpoint, on_failure) in settings.raw.iter().zip(actions) {
        assert_eq!(endpoint.on_message, OnMessage::Hook { on_failure });
    }
    assert!(settings.raw[0].connect_hook && !settings.raw[1].connect_hook);
}

#[test]
fn polls_and_pushes_of_files_are_read_as_written() {
    let poll = "[[poll]]\nurl = \"http://127.0.0.1/a\"\nevery = \"2s\"\nchannel = \"news\"\n";
    let table = accepted(&format!("{poll}headers = {{ \"X-Key\" = \"k: v\" }}\n"));
    let heading = accepted(&format!("{poll}[poll.headers]\nX-Key = \"k: v\"\n"));
    let list = accepted(&format!(
        "{poll}headers = [\"X-Key: k: v\"]\npublish_failures = true\n"
    ));
    assert_eq!(table.poll, heading.poll);
    for settings in [&table, &heading, &list] {
        let poll = &settings.poll[0];
        assert_eq!(poll.headers, [("X-Key".to_string(), "k: v".to_string())]);
        assert_eq!(poll.every, Duration::from_secs(2));
        assert_eq!(poll.timeout, Duration::from_secs(10));
        assert_eq!(
            (poll.url.as_str(), poll.channel.as_str()),
            ("http://127.0.0.1/a", "news")
        );
    }
    assert!(list.poll[0].publish_failures && !table.poll[0].publish_failures);

    let push = accepted("[[push]]\nevery = 1\ndata_file = \"/run/news.json\"\n");
    assert_eq!(push.push[0].file, Some("/run/news.json".into()));
    assert_eq!(push.push[0].data, "");
}

#[test]
fn limits_follow_from_others_where_they_are_left_out() {
    let limits = accepted("[limits]\noutbox_bytes = 2000\nmessages_per_second = 10\n").limits;
    assert_eq!(
        (limits.recovery_bytes(), limits.messages_burst()),
        (1000, 20)
    );
    let limits =
        accepted("[limits]\nrecovery_bytes = 7\nmessages_per_second = 10\nmessages_burst = 11\n")
            .limits;
    assert_eq!((limits.recovery_bytes(), limits.messages_burst()), (7, 11));
    let limits = accepted("").limits;
    assert_eq!(limits.recovery_bytes(), 512 << 10);
    assert_eq!(limits.history_bytes, 256 << 20);
    assert_eq!(
        (limits.messages_per_second, limits.sessions_per_user),
        (0, 0)
    );
    assert_eq!(limits.poll_wait, Duration::from_secs(25));
}

#[test]
fn the_demonstration_is_open_and_keeps_a_history() {
    let channels = Settings::demonstration().channels;
    let everyone = Allow {
        anonymous: true,
        ..CLIENT
    };
    let rules = channels.rules("anything").expect("those of [channels]");
    assert!(channels.configured && rules.presence && rules.join_leave && rules.recovery);
    assert_eq!(rules.history_size, 100);
    for allow in [
        rules.allow_subscribe,
        rules.allow_publish,
        rules.allow_history,
        rules.allow_presence,
    ] {
        assert_eq!(allow, everyone);
    }
    let settings = Settings::demonstration();
    assert!(settings.client.anonymous && settings.connection.enabled);
}

#[test]
fn no_debug_output_holds_a_secret() {
    let settings = accepted(
        "[api]\nkey = \"hush-1\"\n[token]\nhmac_secret = \"hush-2\"\n\
         [hooks]\nsecret = \"hush-3\"\nconnect.url = \"http://u:hush-4@127.0.0.1/?k=hush-5\"\n\
         [[poll]]\nurl = \"http://hush-6@127.0.0.1/#hush-7\"\nevery = 1\nchannel = \"c\"\n\
         headers = { X-Key = \"hush-8\" }\n",
    );
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hush"), "{shown}");
    assert!(shown.contains("X-Key") && shown.contains("http://127.0.0.1/"));
}

#[test]
fn a_switched_off_route_of_clients_frees_its_path() {
    for (table, path) in [
        ("connection", "/connection/websocket"),
        ("connection", "/emulation"),
        ("sse", "/sse"),
        ("longpoll", "/poll"),
        ("send", "/send"),
        ("api", "/api/publish"),
    ] {
        let text = format!("{table}.enabled = false\n[[raw]]\npath = \"{path}\"\n");
        assert_eq!(accepted(&text).raw[0].path, path);
    }
    assert_eq!(accepted("[[raw]]\npath = \"/apis\"\n").raw[0].path, "/apis");
}

/// What is commented out is right as soon as its marks are taken away.
#[test]
fn examples_that_are_printed_are_accepted() {
    let mut text = String::new();
    let mut table = String::new();
    for line in render_defaults().lines() {
        if let Some(name) = line.trim_start_matches('#').strip_prefix('[') {
            table = name.trim_matches(['[', ']']).to_string();
        }
        let has_mark = line.starts_with('#') && !line.starts_with("# ");
        if has_mark
            && [
                "raw",
                "push",
                "namespace",
                "poll",
                "hooks",
                "channels",
                "client",
                "limits",
            ]
            .contains(&table.as_str())
        {
            text.push_str(&line[1..]);
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    let settings = accepted(&text.replace('…', "x"));
    assert_eq!(settings.poll.len(), 1);
    assert!(settings.channels.namespaces.contains_key("chat"));
    assert_eq!(settings.hooks.configured().count(), 8);
    assert_eq!(settings.poll[0].headers.len(), 1);
}

/// A window is set for the channels that need it, whose messages come fast. It is inherited and
/// overridden like every rule, and off unless it is written.
#[test]
fn a_window_is_inherited_and_off_unless_written() {
    let settings = accepted("[[namespace]]\nname = \"chat\"\n");
    assert!(!settings.channels.have_windows());
    let settings = accepted(
        "[channels]\nwindow = \"50ms\"\nwindow_bytes = \"8KiB\"\nkeep = \"newest\"\n\
         [[namespace]]\nname = \"off\"\nwindow = 0\nkeep = \"all\"\n\
         [[namespace]]\nname = \"prices\"\nkeep = \"newest_by:share:a\"\n",
    );
    let channels = &settings.channels;
    assert!(channels.have_windows());
    let (off, prices) = (&channels.namespaces["off"], &channels.namespaces["prices"]);
    assert_eq!((off.window, &off.keep), (Duration::ZERO, &Keep::All));
    assert_eq!(prices.window, Duration::from_millis(50));
    assert_eq!(prices.window_bytes, 8 << 10);
    assert_eq!(prices.keep, Keep::NewestBy("share:a".to_string()));
    assert_eq!(channels.default.keep, Keep::Newest);
}
