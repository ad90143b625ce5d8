//! What must hold for `[admin]` and for the danmaku screen of `[page]`.

use super::{Overrides, Scratch, accepted, faults::one_fault, load};

#[test]
fn logins_have_times_and_numbers_that_let_somebody_in() {
    for (line, what) in [
        ("token_ttl = \"500ms\"", "at least 1s"),
        ("token_lifetime = 0", "at least 1s"),
        ("tokens = 0", "at least 1"),
        ("listen = []", "host:port"),
        ("listen = [\"tls:127.0.0.1:1\"]", "needs tls.cert"),
        ("key = \"fanfare_admin_x\"", "as tokens of logins do"),
    ] {
        let name = line.split(' ').next().unwrap_or_default();
        one_fault(
            &format!("[admin]\n{line}"),
            &format!("2: admin.{name}: "),
            what,
        );
    }
}

/// Two listeners on one address are one that is not there, or a page that everyone reaches.
#[test]
fn the_admins_address_is_another_than_everyones() {
    let text = "listen = [\"127.0.0.1:1\"]\nadmin.key = \"k\"\nadmin.listen = [\"127.0.0.1:1\"]\n";
    one_fault(text, "3: admin.listen: ", "twice, or in listen too");
    accepted("listen = [\"127.0.0.1:0\"]\nadmin.key = \"k\"\nadmin.listen = [\"127.0.0.1:0\"]\n");
}

#[test]
fn an_address_without_a_key_is_warned_of() {
    let file = Scratch::new("admin.listen = [\"127.0.0.1:1\"]\n");
    let (_, warnings) = load(&file.flags(), &[]).expect("fine");
    let told = warnings
        .iter()
        .any(|warning| warning.to_string().contains("admin.key is not"));
    assert!(told, "{warnings:?}");
}

#[test]
fn a_raw_endpoint_takes_no_path_of_the_administrator() {
    let raw = |path: &str| format!("[[raw]]\npath = \"{path}\"\n");
    for path in ["/admin", "/admin/x"] {
        let text = format!("admin.key = \"k\"\n{}", raw(path));
        one_fault(&text, "3: raw.path: ", "while admin.key is set");
        accepted(&raw(path));
    }
}

/// A screen that nobody can write to, or that stays empty, is worse than none; so what closes it is
/// said.
#[test]
fn the_danmaku_screen_has_a_channel_that_its_visitors_can_use() {
    const OPEN: &str = "allow.subscribe = [\"anonymous\"]\nallow.publish = [\"subscriber\"]\n";
    let page = |channel: &str, rest: &str| format!("[page]\ndanmaku = \"{channel}\"\n{rest}");
    let open = format!("[channels]\n{OPEN}");
    let settings = accepted(&page("弹幕", &open));
    assert_eq!(settings.page.danmaku.as_deref(), Some("弹幕"));
    accepted(&page(
        "d",
        "[hooks]\nconnect.url = \"http://127.0.0.1/\"\n[channels]\nallow.subscribe = [\"client\"]\nallow.publish = [\"client\"]\n",
    ));
    let key = "[token]\nhmac_secret = \"0123456789abcdef0123456789abcdef\"\n";
    for (channel, rest, what) in [
        ("$stats", &*open, "begin with $"),
        ("no:such", &open, "there is no [[namespace]]"),
        ("d#42", &open, "behind its #"),
        ("d", "", "needs [channels]"),
        (
            "d",
            &format!("{open}[connection]\nenabled = false\n"),
            "needs connection.enabled",
        ),
        (
            "d",
            &format!("enabled = false\n{open}"),
            "needs page.enabled",
        ),
        ("d", &format!("{open}{key}"), "client.anonymous = true"),
        (
            "d",
            "[channels]\nallow.publish = [\"anonymous\"]\n",
            "allow.subscribe of [channels]",
        ),
        (
            "d",
            "[channels]\nallow.subscribe = [\"anonymous\"]\n",
            "allow.publish of [channels]",
        ),
        (
            "d",
            "[channels]\nallow.subscribe = [\"client\"]\nallow.publish = [\"client\"]\n",
            "allow.subscribe",
        ),
    ] {
        one_fault(&page(channel, rest), "2: page.danmaku: ", what);
    }
}

/// The demonstration has a screen of its own, which must not keep it from starting where a variable
/// closes what the screen needs.
#[test]
fn the_demonstrations_screen_is_left_out_where_it_cannot_be_used() {
    let demonstration = |environment: &[(&str, &str)]| {
        let (settings, _) = load(&Overrides::default(), environment).expect("fine");
        settings.page.danmaku
    };
    assert_eq!(demonstration(&[]).as_deref(), Some("danmaku"));
    for (name, value) in [
        ("FANFARE_PAGE_ENABLED", "false"),
        ("FANFARE_CONNECTION_ENABLED", "false"),
        ("FANFARE_CLIENT_ANONYMOUS", "false"),
    ] {
        assert_eq!(demonstration(&[(name, value)]), None, "{name}");
    }
    let errors = load(&Overrides::default(), &[("FANFARE_PAGE_DANMAKU", "a b")]).err();
    let errors = errors.expect("it is refused").errors.to_string();
    assert!(errors.contains("FANFARE_PAGE_DANMAKU"), "{errors}");
}
