//! On whose behalf a call is made, and which headers of the handshake may go along.
//!
//! Pure. Headers are passed on only if the settings name them; those that belong to the connection
//! itself, or that fanfare sets, never are, so that a client cannot bend a call or speak as
//! fanfare.

use std::{collections::BTreeSet, fmt::Write, sync::Arc};

use bytes::Bytes;
use reqwest::header::{HeaderName, HeaderValue};

/// The session that a call is about.
#[derive(Clone, Debug)]
pub struct HookContext {
    /// Its id.
    pub client: String,
    /// Its user; empty if anonymous or not yet known.
    pub user: String,
    /// `websocket`, `sse`, `http_stream`, `uni_…` or `raw`.
    pub transport: &'static str,
    /// `json` or `protobuf`.
    pub protocol: &'static str,
    /// `json`: data is JSON and goes as it stands; `binary`: data goes as base64.
    pub encoding: &'static str,
    /// Headers of the handshake that [`HeaderList::passes`], names in lower case.
    pub headers: Arc<Vec<(String, String)>>,
    /// What the backend keeps with the session: JSON, or empty.
    pub meta: Bytes,
}

impl HookContext {
    /// The same once it is known whose session it is.
    #[must_use]
    pub fn of_user(self, user: &str, meta: &Bytes) -> Self {
        Self {
            user: user.to_string(),
            meta: meta.clone(),
            ..self
        }
    }
}

/// Never passed on, whatever the settings say: they describe the client's connection and what it
/// reads, not this one.
const NEVER: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "proxy-connection",
];

/// `hooks.headers`.
#[derive(Debug)]
pub struct HeaderList(BTreeSet<String>);

impl HeaderList {
    /// The names that may pass, in any case.
    #[must_use]
    pub fn new(names: &[String]) -> Self {
        let names = names.iter().map(|name| name.trim().to_ascii_lowercase());
        Self(
            names
                .filter(|name| !NEVER.contains(&name.as_str()) && !name.starts_with("x-fanfare-"))
                .collect(),
        )
    }

    /// Whether a header of this name, in any case, is passed on.
    #[must_use]
    pub fn passes(&self, name: &str) -> bool {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.0.contains(&name.to_ascii_lowercase())
        } else {
            self.0.contains(name)
        }
    }

    /// What is passed on of a caller's headers; looked at again here, so that no caller can leak
    /// more by mistake.
    pub(super) fn pick<'a>(
        &'a self,
        hook_context: &'a HookContext,
    ) -> impl Iterator<Item = (HeaderName, HeaderValue)> + 'a {
        let listed = hook_context
            .headers
            .iter()
            .filter(|(name, _)| self.passes(name));
        listed.filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
        })
    }
}

/// A text as header value: UTF-8, percent-encoded except for visible ASCII (and `%` itself), so
/// that none is refused and each can be had back.
pub(super) fn header_text(text: &str) -> Option<HeaderValue> {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            value.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(value, "%{byte:02X}");
        }
    }
    HeaderValue::from_str(&value).ok()
}

#[cfg(test)]
mod tests {
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
            user: String::new(),
            transport: "raw",
            protocol: "json",
            encoding: "json",
            headers: Arc::new(headers.collect()),
            meta: Bytes::new(),
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
}
