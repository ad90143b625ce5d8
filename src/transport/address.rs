//! Whose connection it is: the client's address through trusted proxies, pure.
//!
//! Only a peer in `trusted_proxies` is believed, and of `X-Forwarded-For` only what trusted proxies
//! wrote: the list is walked from the right past trusted addresses; the first other one is the
//! client. What stands left of it, a client could have made up.

use std::net::{IpAddr, SocketAddr};

use actix_http::header::HeaderMap;

use crate::config::TrustedProxies;

/// Finds the client's address. `peer` is the socket's other end, absent on a unix socket.
#[must_use]
pub fn resolve(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    trusted: &TrustedProxies,
) -> Option<IpAddr> {
    let believed = match peer {
        Some(peer) => trusted.contains(peer),
        None => trusted.trusts_unix(),
    };
    if !believed {
        return peer;
    }
    forwarded_for(headers, trusted)
        .or_else(|| forwarded(headers, trusted))
        .or_else(|| real_ip(headers))
        .or(peer)
}

fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
}

/// `X-Forwarded-For`, several headers being one list.
fn forwarded_for(headers: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    let list: Vec<&str> = values(headers, "x-forwarded-for")
        .flat_map(|value| value.split(','))
        .collect();
    walk(list.into_iter().map(parse_node), trusted)
}

/// `Forwarded: for=…` (RFC 7239 §4).
fn forwarded(headers: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    let mut list = Vec::new();
    for value in values(headers, "forwarded") {
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

fn real_ip(headers: &HeaderMap) -> Option<IpAddr> {
    values(headers, "x-real-ip").next().and_then(parse_node)
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

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn headers_of_an_untrusted_peer_are_not_believed() {
        let headers = headers(&[("x-forwarded-for", "1.2.3.4"), ("x-real-ip", "1.2.3.4")]);
        assert_eq!(resolve(ip("8.8.8.8"), &headers, &trusted()), ip("8.8.8.8"));
        assert_eq!(resolve(None, &headers, &trusted()), None);
    }

    #[test]
    fn the_walk_goes_from_the_right_past_trusted_proxies() {
        let headers = headers(&[
            ("x-forwarded-for", "6.6.6.6, 1.2.3.4"),
            ("x-forwarded-for", "10.1.1.1"),
            ("x-real-ip", "9.9.9.9"),
        ]);
        assert_eq!(
            resolve(ip("127.0.0.1"), &headers, &trusted()),
            ip("1.2.3.4")
        );
    }

    #[test]
    fn what_stands_left_of_garbage_is_not_believed() {
        let headers = headers(&[("x-forwarded-for", "1.2.3.4, unknown, 10.1.1.1")]);
        assert_eq!(
            resolve(ip("127.0.0.1"), &headers, &trusted()),
            ip("10.1.1.1")
        );
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
        assert_eq!(
            resolve(ip("127.0.0.1"), &both, &trusted()),
            ip("2001:db8::1")
        );
        let real = headers(&[("x-real-ip", "9.9.9.9")]);
        assert_eq!(resolve(ip("10.0.0.1"), &real, &trusted()), ip("9.9.9.9"));
        assert_eq!(
            resolve(ip("10.0.0.1"), &HeaderMap::new(), &trusted()),
            ip("10.0.0.1")
        );
    }
}
