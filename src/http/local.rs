//! Whether a request is from this machine, which is what opens the API's and the metrics' numbers
//! while no key is set. Pure over the request's head.
//!
//! The address alone does not tell: behind a proxy on the same host everybody comes from loopback,
//! and so does the browser of someone who works on this machine, for any page whose name leads to
//! loopback (DNS rebinding). So a request over TCP must also name this machine as its host.

use std::net::IpAddr;

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap, HeaderValue},
};

use super::origin;
use crate::connection::info::TransportKind;

/// Headers that a proxy adds, beside `X-Forwarded-*`.
const FORWARDING: [&str; 4] = ["forwarded", "via", "x-real-ip", "x-forwarded"];

/// The names under which a request may ask for this machine.
pub(crate) struct Machine {
    name: String,
}

impl Machine {
    /// As the system says.
    #[must_use]
    pub(crate) fn here() -> Self {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self::named(name.trim())
    }

    fn named(name: &str) -> Self {
        Self {
            name: name.to_string(),
        }
    }

    /// Whether a request is from here, by no proxy, and for this machine.
    #[must_use]
    pub(crate) fn sent(&self, request: &HttpRequest) -> bool {
        if is_forwarded(request.headers()) {
            return false;
        }
        let transport = request.conn_data::<TransportKind>();
        if transport == Some(&TransportKind::WebSocketUnix) {
            // Whoever can open the socket's file; no browser can.
            return true;
        }
        let from_here = request
            .peer_addr()
            .is_some_and(|peer| peer.ip().to_canonical().is_loopback());
        // HTTP/1.0 has no Host, and no browser speaks it.
        let host = request.headers().get(header::HOST);
        let named = [
            host.map(HeaderValue::as_bytes),
            request.uri().authority().map(|to| to.as_str().as_bytes()),
        ];
        from_here && named.into_iter().flatten().all(|host| self.is_named(host))
    }

    /// Whether a host is this machine: a loopback address, `localhost`, or its own name.
    fn is_named(&self, host: &[u8]) -> bool {
        let Ok(host) = std::str::from_utf8(host) else {
            return false;
        };
        let (name, _) = origin::split_port(host.trim());
        let address = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .unwrap_or(name);
        if let Ok(address) = address.parse::<IpAddr>() {
            return address.to_canonical().is_loopback();
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_own = !self.name.is_empty() && name.eq_ignore_ascii_case(&self.name);
        is_own || name.eq_ignore_ascii_case("localhost")
    }
}

/// Whether a request shows that a proxy passed it on. Names of headers come in lower case.
#[must_use]
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        FORWARDING.contains(&name) || name.starts_with("x-forwarded-")
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn is_local(peer: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = TestRequest::get().peer_addr(peer.parse().expect("an address"));
        for header in headers {
            request = request.append_header(*header);
        }
        Machine::named("box").sent(&request.to_http_request())
    }

    /// A page under a name that leads to 127.0.0.1 read `/metrics` through its visitor's browser.
    /// Who asks for another host than this machine has no rights of loopback.
    #[test]
    fn a_request_from_loopback_must_be_for_this_machine() {
        for (host, is) in [
            ("localhost", true),
            ("localhost:8080", true),
            ("LOCALHOST.", true),
            ("127.0.0.1:8080", true),
            ("127.8.8.8", true),
            ("[::1]", true),
            ("[::1]:8080", true),
            ("[::ffff:127.0.0.1]", true),
            ("box", true),
            ("Box:8080", true),
            ("evil.example", false),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("boxer", false),
            ("192.0.2.1", false),
            ("[2001:db8::1]:80", false),
            ("", false),
        ] {
            assert_eq!(is_local("127.0.0.1:1", &[("Host", host)]), is, "{host:?}");
        }
        assert!(is_local("127.0.0.1:1", &[]), "HTTP/1.0");
        let nameless = Machine::named("");
        assert!(!nameless.is_named(b""));
    }

    #[test]
    fn nobody_behind_a_proxy_and_no_other_machine_is_local() {
        for (peer, is) in [
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("192.0.2.1:1", false),
            ("[2001:db8::1]:1", false),
        ] {
            assert_eq!(is_local(peer, &[("Host", "localhost")]), is, "{peer}");
        }
        for header in [
            ("Forwarded", "for=192.0.2.1"),
            ("X-Forwarded-For", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("X-Real-IP", "127.0.0.1"),
            ("Via", "1.1 proxy"),
        ] {
            assert!(!is_local("127.0.0.1:1", &[header]), "{header:?}");
        }
    }
}
