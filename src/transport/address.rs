//! Whose connection it is: the client's address through trusted proxies, pure.
//!
//! Only a peer in `trusted_proxies` is believed, and of `X-Forwarded-For` only what trusted proxies
//! wrote: the list is walked from the right past trusted addresses; the first other one is the
//! client. What stands left of it, a client could have made up. And so is the whole header, where
//! the proxy sets another one and passes this one on: `address_header` says which one is the
//! proxy's.

use std::net::{IpAddr, SocketAddr};

use actix_http::header::HeaderMap;

use crate::config::TrustedProxies;

/// The headers that are looked at unless one is named, in this order.
const HEADERS: [&str; 3] = [FORWARDED_FOR, FORWARDED, "x-real-ip"];

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED: &str = "forwarded";

/// Whose word is taken, and which word.
#[derive(Clone, Copy)]
pub(crate) struct Proxies<'a> {
    /// Peers that are believed.
    pub(crate) trusted: &'a TrustedProxies,
    /// The one header that they set; absent: any of the usual ones.
    pub(crate) header: Option<&'a str>,
}

/// Finds the client's address. `peer` is the socket's other end, absent on a unix socket.
#[must_use]
pub(crate) fn resolve(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    proxies: Proxies<'_>,
) -> Option<IpAddr> {
    let trusted = proxies.trusted;
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let told = match proxies.header {
        Some(name) => told_by(name, headers, trusted),
        None => HEADERS
            .iter()
            .find_map(|name| told_by(name, headers, trusted)),
    };
    told.or(peer)
}

/// Whether what a peer tells of others is believed.
#[must_use]
pub(crate) fn is_trusted(peer: Option<IpAddr>, trusted: &TrustedProxies) -> bool {
    match peer {
        Some(peer) => trusted.contains(peer),
        None => trusted.trusts_unix(),
    }
}

/// What makes the address that a trusted proxy tells doubtful, in a sentence: headers that name
/// different clients, of which the client may have sent one itself; or none where one is named.
#[must_use]
pub(crate) fn doubt(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    proxies: Proxies<'_>,
) -> Option<String> {
    let trusted = proxies.trusted;
    if !is_trusted(peer, trusted) {
        return None;
    }
    if let Some(name) = proxies.header {
        return told_by(name, headers, trusted).is_none().then(|| {
            format!(
                "The proxy sent no address in {name}, which address_header names: everyone behind it looks like one \
                 address."
            )
        });
    }
    let mut told = HEADERS
        .iter()
        .filter_map(|name| Some((name, told_by(name, headers, trusted)?)));
    let (believed, address) = told.next()?;
    let (other, differs) = told.find(|(_, other)| *other != address)?;
    Some(format!(
        "{believed} says {address} and {other} says {differs}; the first is believed, and a client can send it \
         itself where the proxy does not set it. Let the proxy set both, or name the one that it sets in \
         address_header."
    ))
}

/// The address in a header of this name; in lists, the one that no trusted proxy has.
fn told_by(name: &str, headers: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    match name {
        FORWARDED => forwarded(headers, trusted),
        _ => forwarded_for(name, headers, trusted),
    }
}

fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
}

/// `X-Forwarded-For` and whatever else holds addresses, several headers being one list.
fn forwarded_for(name: &str, headers: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    let list: Vec<&str> = values(headers, name)
        .flat_map(|value| value.split(','))
        .collect();
    walk(list.into_iter().map(parse_node), trusted)
}

/// `Forwarded: for=…` (RFC 7239 §4).
fn forwarded(headers: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    let mut list = Vec::new();
    for value in values(headers, FORWARDED) {
        for element in value.split(',') {
            let node = element.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then_some(value)
            });
            list.push(node.and_then(parse_node));
        }
    }
    walk(list.into_iter(), trusted)
}

/// The rightmost address that is not a trusted proxy's; if all are, the leftmost. An entry that is
/// no address ends the walk: what stands left of it cannot be believed.
fn walk(
    list: impl DoubleEndedIterator<Item = Option<IpAddr>>,
    trusted: &TrustedProxies,
) -> Option<IpAddr> {
    let mut client = None;
    for entry in list.rev() {
        let Some(address) = entry else { break };
        client = Some(address);
        if !trusted.contains(address) {
            break;
        }
    }
    client
}

/// An address with or without port, brackets and quotes.
fn parse_node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in list {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        map
    }

    fn trusted() -> TrustedProxies {
        "127.0.0.1,10.0.0.0/8".parse().expect("valid proxies")
    }

    fn resolved(peer: Option<IpAddr>, headers: &HeaderMap, header: Option<&str>) -> Option<IpAddr> {
        let trusted = &trusted();
        resolve(peer, headers, Proxies { trusted, header })
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn headers_of_an_untrusted_peer_are_not_believed() {
        let headers = headers(&[("x-forwarded-for", "1.2.3.4"), ("x-real-ip", "1.2.3.4")]);
        assert_eq!(resolved(ip("8.8.8.8"), &headers, None), ip("8.8.8.8"));
        assert_eq!(resolved(None, &headers, None), None);
    }

    #[test]
    fn the_walk_goes_from_the_right_past_trusted_proxies() {
        let headers = headers(&[
            ("x-forwarded-for", "6.6.6.6, 1.2.3.4"),
            ("x-forwarded-for", "10.1.1.1"),
            ("x-real-ip", "9.9.9.9"),
        ]);
        assert_eq!(resolved(ip("127.0.0.1"), &headers, None), ip("1.2.3.4"));
    }

    #[test]
    fn what_stands_left_of_garbage_is_not_believed() {
        let headers = headers(&[("x-forwarded-for", "1.2.3.4, unknown, 10.1.1.1")]);
        assert_eq!(resolved(ip("127.0.0.1"), &headers, None), ip("10.1.1.1"));
    }

    #[test]
    fn forwarded_and_real_ip_come_after() {
        let both = headers(&[
            (
                "forwarded",
                "for=\"[2001:db8::1]:4711\";proto=https, for=10.2.2.2",
            ),
            ("x-real-ip", "9.9.9.9"),
        ]);
        assert_eq!(resolved(ip("127.0.0.1"), &both, None), ip("2001:db8::1"));
        let real = headers(&[("x-real-ip", "9.9.9.9")]);
        assert_eq!(resolved(ip("10.0.0.1"), &real, None), ip("9.9.9.9"));
        assert_eq!(
            resolved(ip("10.0.0.1"), &HeaderMap::new(), None),
            ip("10.0.0.1")
        );
    }

    /// Behind a proxy that sets only X-Real-IP, a client chose its address by sending
    /// X-Forwarded-For itself. The setting names the one header that is the proxy's.
    #[test]
    fn a_named_header_is_the_only_one_that_is_read() {
        let claimed = headers(&[("x-forwarded-for", "6.6.6.6"), ("x-real-ip", "9.9.9.9")]);
        let peer = ip("127.0.0.1");
        assert_eq!(resolved(peer, &claimed, None), ip("6.6.6.6"));
        assert_eq!(resolved(peer, &claimed, Some("x-real-ip")), ip("9.9.9.9"));
        assert_eq!(resolved(peer, &claimed, Some("cf-connecting-ip")), peer);
        assert_eq!(resolved(peer, &claimed, Some("forwarded")), peer);
        let outside = ip("8.8.8.8");
        assert_eq!(resolved(outside, &claimed, Some("x-real-ip")), outside);
        let list = headers(&[
            ("x-client", "1.2.3.4, 10.1.1.1"),
            ("forwarded", "for=7.7.7.7"),
        ]);
        assert_eq!(resolved(peer, &list, Some("x-client")), ip("1.2.3.4"));
        assert_eq!(resolved(peer, &list, Some("forwarded")), ip("7.7.7.7"));
    }

    #[test]
    fn headers_that_disagree_are_told() {
        let doubt = |peer, list: &[(&'static str, &'static str)], header| {
            let trusted = &trusted();
            doubt(ip(peer), &headers(list), Proxies { trusted, header })
        };
        let claimed = [("x-forwarded-for", "6.6.6.6"), ("x-real-ip", "9.9.9.9")];
        let text = doubt("127.0.0.1", &claimed, None).expect("a doubt");
        assert!(
            text.contains("x-forwarded-for says 6.6.6.6 and x-real-ip says 9.9.9.9"),
            "{text}"
        );
        assert!(text.contains("address_header"), "{text}");
        assert_eq!(doubt("8.8.8.8", &claimed, None), None);
        assert_eq!(doubt("127.0.0.1", &claimed, Some("x-real-ip")), None);
        let missing = doubt("127.0.0.1", &claimed, Some("x-client"));
        assert!(missing.is_some_and(|text| text.contains("x-client")));
        let same = [
            ("x-forwarded-for", "6.6.6.6, 10.0.0.1"),
            ("x-real-ip", "6.6.6.6"),
        ];
        assert_eq!(doubt("127.0.0.1", &same, None), None);
        assert_eq!(doubt("127.0.0.1", &claimed[..1], None), None);
        assert_eq!(doubt("127.0.0.1", &[], None), None);
    }
}
