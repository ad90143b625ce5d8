//! Which headers go along with a call, and what becomes of their texts.

use super::*;

fn list(names: &[&str]) -> HeaderList {
    HeaderList::new(&names.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn picked(list: &HeaderList, headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    let hook_context = HookContext {
        client: String::new(),
        transport: "raw",
        protocol: "json",
        headers: headers.collect(),
    };
    list.pick(&hook_context)
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        })
        .collect()
}

#[test]
fn cookie_passes_only_if_listed() {
    assert!(!list(&["origin"]).passes("cookie"));
    assert!(list(&["Cookie"]).passes("cookie"));
    assert!(list(&["cookie"]).passes("COOKIE"));
}

#[test]
fn headers_of_the_connection_and_our_own_never_pass() {
    let list = list(&[
        "Host",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "content-type",
        "x-fanfare-signature",
        "X-Fanfare-User",
        "x-tenant",
    ]);
    for name in ["host", "content-length", "transfer-encoding", "connection"] {
        assert!(!list.passes(name), "{name}");
    }
    for name in ["content-type", "x-fanfare-signature", "x-fanfare-user"] {
        assert!(!list.passes(name), "{name}");
    }
    assert!(list.passes("X-Tenant"));
}

#[test]
fn what_is_not_listed_or_cannot_be_a_header_is_left_out() {
    let list = list(&["x-tenant", "x-odd"]);
    let headers = [
        ("x-tenant", "a"),
        ("cookie", "s=1"),
        ("x-odd", "a\r\nx-injected: 1"),
        ("X-Tenant", "b"),
    ];
    assert_eq!(
        picked(&list, &headers),
        [
            ("x-tenant".to_string(), "a".to_string()),
            ("x-tenant".to_string(), "b".to_string())
        ]
    );
}

#[test]
fn any_text_becomes_a_header_and_can_be_had_back() {
    let value = |text| header_text(text).unwrap().to_str().unwrap().to_string();
    assert_eq!(value("alice@example.org"), "alice@example.org");
    assert_eq!(value("a b\r\n%é"), "a%20b%0D%0A%25%C3%A9");
    assert_eq!(value(""), "");
}
