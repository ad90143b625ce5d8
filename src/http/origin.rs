//! Whether a page is of the same origin as this server (RFC 6454 §5), as far as a request tells how
//! the page's browser names the server. Pure over the request's head.
//!
//! Proxies change what arrives, so what a trusted one tells of the request that it got comes before
//! what the request says itself. A scheme that is not known is not compared: whoever ends TLS in
//! front need not say so.

use std::fmt;

use actix_web::http::header::{self, HeaderMap};

/// Mini games of WeChat on iOS send `weapp://wechat-game-runtime`. No web page has this scheme, so
/// no browser acts for one.
const MINI_PROGRAMS: &str = "weapp://";

/// Whether an origin is a mini program's rather than a web page's.
#[must_use]
pub(super) fn is_mini_program(origin: &str) -> bool {
    origin
        .get(..MINI_PROGRAMS.len())
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(MINI_PROGRAMS))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        match () {
            () if is("http") || is("ws") => Some(Self::Http),
            () if is("https") || is("wss") => Some(Self::Https),
            () => None,
        }
    }

    fn port(self) -> &'static str {
        match self {
            Self::Http => "80",
            Self::Https => "443",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// How a browser names this server, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    host: Option<String>,
    /// Who says so.
    host_by: &'static str,
    scheme: Option<Scheme>,
}

impl Site {
    /// The site that a request is for. `is_tls`: it came by TLS; `believed`: it came from a trusted
    /// proxy.
    #[must_use]
    pub(super) fn of(headers: &HeaderMap, is_tls: bool, believed: bool) -> Self {
        let told = |name: &str, parameter: &str| {
            believed
                .then(|| first(headers, name).or_else(|| forwarded(headers, parameter)))
                .flatten()
        };
        let scheme = told("x-forwarded-proto", "proto").and_then(|proto| Scheme::parse(&proto));
        let (host, host_by) = match told("x-forwarded-host", "host") {
            Some(host) => (Some(host), "told by a trusted proxy"),
            None => (
                first_line(headers, header::HOST.as_str()),
                "the Host header",
            ),
        };
        Self {
            host,
            host_by,
            scheme: scheme.or_else(|| is_tls.then_some(Scheme::Https)),
        }
    }

    /// Whether it is reached by https, where that is known.
    #[must_use]
    pub(super) fn is_https(&self) -> Option<bool> {
        self.scheme.map(|scheme| scheme == Scheme::Https)
    }

    /// Whether a page of this origin is of the same.
    ///
    /// # Errors
    /// What was compared, in words.
    pub(super) fn check(&self, origin: &str) -> Result<(), String> {
        let same = self
            .host
            .as_deref()
            .is_some_and(|host| is_same(origin, host, self.scheme));
        if same { Ok(()) } else { Err(self.to_string()) }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "the host {host:?} ({})", self.host_by)?,
            None => f.write_str("a request without a host")?,
        }
        match self.scheme {
            Some(scheme) => write!(f, ", by {scheme}"),
            None => Ok(()),
        }
    }
}

/// Ports 80 and 443 count as absent by the origin's scheme, on both sides.
fn is_same(origin: &str, host: &str, scheme: Option<Scheme>) -> bool {
    let Some((of_origin, named)) = origin.split_once("://") else {
        return false;
    };
    let Some(of_origin) = web_scheme(of_origin) else {
        return false;
    };
    let (name, port) = split_port(named);
    let (host_name, host_port) = split_port(host);
    let known = |port: Option<&'_ str>| port.is_some_and(|port| port != of_origin.port());
    let ports_agree = match (known(port), known(host_port)) {
        (true, true) => port == host_port,
        (one, other) => one == other,
    };
    scheme.is_none_or(|scheme| scheme == of_origin)
        && !name.is_empty()
        && name.eq_ignore_ascii_case(host_name)
        && ports_agree
}

/// A browser's origin is of http or https; no page has the schemes of WebSockets.
fn web_scheme(text: &str) -> Option<Scheme> {
    Scheme::parse(text).filter(|scheme| text.eq_ignore_ascii_case(&scheme.to_string()))
}

/// Name and port of an authority; an IPv6 address stays in its brackets.
pub(super) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (name, Some(port).filter(|port| !port.is_empty()))
        }
        _ => (authority, None),
    }
}

fn first_line(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.to_string())
}

/// The first entry of a list: what the proxy nearest to the client got.
fn first(headers: &HeaderMap, name: &str) -> Option<String> {
    let line = first_line(headers, name)?;
    let entry = line.split(',').next().map(str::trim)?;
    (!entry.is_empty()).then(|| entry.to_string())
}

/// The same of `Forwarded` (RFC 7239 §4).
fn forwarded(headers: &HeaderMap, parameter: &str) -> Option<String> {
    let element = first(headers, "forwarded")?;
    let value = element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case(parameter).then_some(value)
    })?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    /// A `Host` without a port let every port and scheme of the same name pass, and one with the
    /// scheme's own port was refused (code-server, 6161).
    #[test]
    fn origins_are_the_same_by_scheme_name_and_port() {
        use Scheme::{Http, Https};
        for (origin, host, scheme, is) in [
            ("http://a.example", "a.example", None, true),
            ("https://a.example", "a.example", None, true),
            ("https://A.example", "a.EXAMPLE", None, true),
            ("http://b.example", "a.example", None, false),
            ("http://a.example.b", "a.example", None, false),
            // Ports.
            ("https://a.example:8443", "a.example", None, false),
            ("https://a.example", "a.example:8443", None, false),
            ("https://a.example:8443", "a.example:8443", None, true),
            ("https://a.example:8443", "a.example:8444", None, false),
            ("https://a.example", "a.example:443", None, true),
            ("https://a.example:443", "a.example", None, true),
            ("http://a.example", "a.example:80", None, true),
            ("http://a.example:80", "a.example", None, true),
            ("http://a.example", "a.example:443", None, false),
            ("https://a.example", "a.example:80", None, false),
            ("https://a.example", "a.example:", None, true),
            // Schemes, where they are known.
            ("https://a.example", "a.example", Some(Https), true),
            ("http://a.example", "a.example", Some(Https), false),
            ("https://a.example", "a.example", Some(Http), false),
            ("http://a.example:443", "a.example:443", Some(Http), true),
            // Addresses.
            ("http://[::1]:8080", "[::1]:8080", None, true),
            ("http://[::1]", "[::1]", None, true),
            ("http://[::1]:8080", "[::1]", None, false),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", None, true),
            // What is no page of a web server.
            ("null", "null", None, false),
            ("file://", "", None, false),
            ("http://", "", None, false),
            ("ws://a.example", "a.example", None, false),
            ("ftp://a.example", "a.example", None, false),
            ("chrome-extension://a", "a", None, false),
            ("a.example", "a.example", None, false),
        ] {
            assert_eq!(
                is_same(origin, host, scheme),
                is,
                "{origin} {host} {scheme:?}"
            );
        }
    }

    fn site(list: &[(&'static str, &'static str)], is_tls: bool, believed: bool) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        Site::of(&headers, is_tls, believed).to_string()
    }

    #[test]
    fn what_a_trusted_proxy_got_comes_before_what_it_sends() {
        let told = [
            ("host", "10.0.0.7:8080"),
            ("x-forwarded-host", "a.example:8443, inner"),
            ("x-forwarded-proto", "https,http"),
        ];
        let by_proxy = "the host \"a.example:8443\" (told by a trusted proxy), by https";
        let by_host = "the host \"10.0.0.7:8080\" (the Host header)";
        assert_eq!(site(&told, false, true), by_proxy);
        assert_eq!(site(&told, false, false), by_host);
        assert_eq!(site(&told, true, false), format!("{by_host}, by https"));
        let standard = [
            ("host", "10.0.0.7:8080"),
            (
                "forwarded",
                "for=192.0.2.1; host=\"a.example:8443\";Proto=wss, for=10.0.0.1",
            ),
        ];
        assert_eq!(site(&standard, false, true), by_proxy);
        // TLS between the proxy and here says nothing of the client's side.
        let plain = [("host", "a.example"), ("x-forwarded-proto", "http")];
        assert_eq!(
            site(&plain, true, true),
            "the host \"a.example\" (the Host header), by http"
        );
        let odd = [("host", "a.example"), ("x-forwarded-proto", "gopher")];
        assert_eq!(
            site(&odd, false, true),
            "the host \"a.example\" (the Host header)"
        );
        assert_eq!(site(&[], false, false), "a request without a host");
    }

    #[test]
    fn only_the_scheme_of_mini_programs_is_theirs() {
        for origin in ["weapp://wechat-game-runtime", "WEAPP://x"] {
            assert!(is_mini_program(origin), "{origin}");
        }
        for origin in ["https://weapp://", "weapp:", "", "微信", "http://weapp"] {
            assert!(!is_mini_program(origin), "{origin}");
        }
    }
}
