//! On whose behalf a call is made, and which headers of the handshake may go along.
//!
//! Pure. Headers are passed on only if the settings name them; those that belong to the connection
//! itself, or that fanfare sets, never are, so that a client cannot bend a call or speak as
//! fanfare.

use std::{collections::BTreeSet, fmt::Write, sync::Arc};

use bytes::Bytes;
use reqwest::header::{HeaderName, HeaderValue};

use crate::identity::Identity;

/// Headers of a client's request that [`HeaderList::passes`], names in lower case; shared by its
/// session and the calls for it. Of most clients there are none, which take no memory.
pub(crate) type PassedHeaders = Arc<[(String, String)]>;

/// The session that a call is about, before it is known whose it is: what `connect` is asked with.
#[derive(Clone, Debug)]
pub(crate) struct HookContext {
    /// Id of the session.
    pub(crate) client: String,
    /// `websocket`, `sse`, `http_stream`, `uni_…` or `raw`.
    pub(crate) transport: &'static str,
    /// `json` or `protobuf`.
    pub(crate) protocol: &'static str,
    /// Headers of the handshake.
    pub(crate) headers: PassedHeaders,
}

/// The session that a call is about, whose user is known: what every hook but `connect` is asked
/// with. It is made of an identity and in no other way, so no such hook is asked about a client
/// before it is known who that is.
#[derive(Clone, Debug)]
pub(crate) struct UserContext {
    context: HookContext,
    user: String,
    meta: Bytes,
}

impl UserContext {
    /// The session with on whose behalf the backend is asked.
    #[must_use]
    pub(crate) fn of(identity: &Identity, context: HookContext) -> Self {
        Self {
            context,
            user: identity.user.clone(),
            meta: identity.meta.clone(),
        }
    }

    /// The session.
    pub(super) fn context(&self) -> &HookContext {
        &self.context
    }

    /// Its user; empty if anonymous.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// What the backend keeps with the session: JSON, or empty.
    pub(super) fn meta(&self) -> &[u8] {
        &self.meta
    }

    /// Id of the session.
    #[must_use]
    pub(crate) fn client(&self) -> &str {
        &self.context.client
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
pub(super) struct HeaderList(BTreeSet<String>);

impl HeaderList {
    /// The names that may pass, in any case.
    #[must_use]
    pub(crate) fn new(names: &[String]) -> Self {
        let names = names.iter().map(|name| name.trim().to_ascii_lowercase());
        Self(
            names
                .filter(|name| !NEVER.contains(&name.as_str()) && !name.starts_with("x-fanfare-"))
                .collect(),
        )
    }

    /// Whether a header of this name, in any case, is passed on.
    #[must_use]
    pub(crate) fn passes(&self, name: &str) -> bool {
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
mod tests;
