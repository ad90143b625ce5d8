//! Offers of permessage-deflate and the answers to them.

use super::*;

const BOTH: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn ask(header: &str) -> Option<(u8, String)> {
    negotiate([header].into_iter()).map(|agreed| (agreed.window_bits, agreed.response))
}

#[test]
fn ordinary_offers_are_accepted() {
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",
        "permessage-deflate;client_max_window_bits=\"15\"",
        "\tpermessage-deflate ; server_no_context_takeover ; client_no_context_takeover ",
        "x-webkit-deflate-frame, permessage-deflate",
    ] {
        assert_eq!(ask(offer), Some((15, BOTH.to_owned())), "{offer}");
    }
}

/// Each window size that a client asked for was agreed on, and each publication compressed once for
/// every one of them: a few clients with different windows made it many times as dear.
#[test]
fn the_servers_window_is_one_of_few_and_never_larger_than_asked_for() {
    for bits in 9..=15 {
        let agreed = match bits {
            15 => 15,
            12.. => 12,
            _ => 9,
        };
        let expected = Some((agreed, format!("{BOTH}; server_max_window_bits={agreed}")));
        for offer in [
            format!("permessage-deflate; server_max_window_bits={bits}"),
            format!("permessage-deflate; server_max_window_bits = \"{bits}\""),
            format!("permessage-deflate; server_max_window_bits=\"\\{bits}\""),
        ] {
            assert_eq!(ask(&offer), expected, "{offer}");
        }
    }
}

#[test]
fn what_cannot_be_kept_or_understood_is_declined() {
    for parameters in [
        "server_max_window_bits=8",
        "server_max_window_bits",
        "server_max_window_bits=",
        "server_max_window_bits=\"\"",
        "server_max_window_bits=16",
        "server_max_window_bits=7",
        "server_max_window_bits=09",
        "server_max_window_bits=+9",
        "server_max_window_bits=9x",
        "server_max_window_bits=\"9",
        "server_max_window_bits=9\"",
        "server_max_window_bits=\"9\"\"",
        "server_max_window_bits=\"9\\",
        "server_max_window_bits=9; server_max_window_bits=9",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits; client_max_window_bits=10",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "unknown",
        "unknown=1",
        "",
        "=",
    ] {
        assert_eq!(
            ask(&format!("permessage-deflate; {parameters}")),
            None,
            "{parameters}"
        );
    }
    for offer in [
        "",
        ",",
        ";",
        "deflate",
        "permessage-deflatex",
        "permessage-bzip2",
    ] {
        assert_eq!(ask(offer), None, "{offer}");
    }
}

#[test]
fn the_first_acceptable_alternative_wins() {
    // RFC 7692 §5.1 and §7.1.3: alternatives in the order of preference, in one header or in
    // several.
    let expected = Some((9, format!("{BOTH}; server_max_window_bits=9")));
    assert_eq!(
        ask("permessage-deflate; server_max_window_bits=8, \
             permessage-deflate; server_max_window_bits=10, permessage-deflate"),
        expected
    );
    let headers = [
        "foo; bar=\"a, permessage-deflate\"",
        "permessage-deflate; nonsense",
        "permessage-deflate; server_max_window_bits=10",
    ];
    let agreed = negotiate(headers.into_iter());
    assert_eq!(agreed.map(|a| (a.window_bits, a.response)), expected);
}
