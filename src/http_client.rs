//! The one pooled HTTP client through which fanfare asks backends, for hooks and for polled
//! endpoints.
//!
//! Owned by the node and shared by clones. Bounds: an answer has at most
//! [`ANSWER_BYTES_MAX`] bytes, and the caller sets the deadline. It follows no redirect, uses no
//! proxy and keeps no cookie: a backend that was named in the settings is the only one that ever
//! sees what is sent.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use reqwest::{
    RequestBuilder, Url,
    header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue},
    redirect,
};

/// Largest body of an answer; a longer one is refused without being kept.
pub(crate) const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Shorter than the 5 s for which common backends keep an idle connection: a call that may not be
/// repeated should not be sent on a connection that the other side is about to close.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// Longest `Content-Type` and `ETag` that are looked at.
const HEADER_BYTES_MAX: usize = 1024;

/// Why hooks or polls cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// An address in the settings that is none.
    #[error("{what} is no address of an HTTP endpoint ({why}): {url}")]
    Url {
        /// The setting, as the message names it.
        what: String,
        /// What is wrong with it.
        why: String,
        /// The address without what may be secret in it.
        url: String,
    },
    /// A header in the settings that cannot be sent.
    #[error("{what} has a header that cannot be sent: {name:?}")]
    Header {
        /// The setting, as the message names it.
        what: String,
        /// The header's name.
        name: String,
    },
    /// The HTTP client could not be made.
    #[error("the HTTP client for hooks could not be set up")]
    Client(#[source] reqwest::Error),
}

/// Why there is no answer; as text, in the words of the system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    /// No connection came about, so nothing was sent.
    #[error("{0}")]
    Connect(String),
    /// The connection ended, or what came was no HTTP; the backend may have acted.
    #[error("{0}")]
    Broken(String),
    /// The answer is compressed, which nothing asked for.
    #[error("the answer is encoded as {0:?} (Content-Encoding), which was not asked for")]
    Encoded(String),
    /// The answer has more than [`ANSWER_BYTES_MAX`] bytes.
    #[error("the answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
}

impl HttpError {
    /// Its kind, in a word for whoever is not to know how the backend is reached.
    #[must_use]
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Broken(_) => "broken",
            Self::Encoded(_) => "malformed",
            Self::TooLarge => "too_large",
        }
    }
}

impl From<reqwest::Error> for HttpError {
    /// What lies at the bottom of it is what the system said; the address may be secret.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut cause: &dyn Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let words = cause.to_string();
        if error.is_connect() {
            Self::Connect(words)
        } else {
            Self::Broken(words)
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct HttpResponse {
    /// The status code.
    pub(crate) status: u16,
    /// `Content-Type` in lower case; empty if there was none.
    pub(crate) content_type: String,
    /// `ETag` as it came.
    pub(crate) etag: Option<HeaderValue>,
    /// The whole body.
    pub(crate) body: Bytes,
}

impl HttpResponse {
    /// Whether the status says that the backend did what it was asked.
    #[must_use]
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// `Content-Type` without its parameters.
    #[must_use]
    pub(crate) fn media_type(&self) -> &str {
        let end = self.content_type.find(';');
        self.content_type[..end.unwrap_or(self.content_type.len())].trim()
    }

    /// Whether the body calls itself JSON.
    #[must_use]
    pub(crate) fn is_json(&self) -> bool {
        let media = self.media_type();
        media == "application/json" || media == "text/json" || media.ends_with("+json")
    }

    /// Whether the body is text: it calls itself that, or nothing at all, and is UTF-8.
    #[must_use]
    pub(crate) fn is_text(&self) -> bool {
        let media = self.media_type();
        let says_so = media.is_empty()
            || media.starts_with("text/")
            || self.is_json()
            || media == "application/xml"
            || media.ends_with("+xml")
            || media == "application/javascript";
        says_so && simdutf8::basic::from_utf8(&self.body).is_ok()
    }
}

/// A handle of the pool; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient(reqwest::Client);

impl HttpClient {
    /// A client with an empty pool.
    ///
    /// # Errors
    /// When TLS cannot be set up at all. A machine without root certificates still gets a client:
    /// plain HTTP works, and TLS trusts nobody.
    pub(crate) fn new() -> Result<Self, HttpSetupError> {
        // Fails only if another part of the process chose a provider before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = builder()
            .build()
            .or_else(|error| {
                log::warn!(
                    "hooks over https will not work: {}",
                    error
                        .source()
                        .map_or_else(|| error.to_string(), ToString::to_string)
                );
                builder().tls_certs_only([]).build()
            })
            .map_err(HttpSetupError::Client)?;
        Ok(Self(client))
    }

    /// A GET request to be given to [`HttpClient::send`].
    pub(crate) fn get(&self, url: &Url) -> RequestBuilder {
        self.0.get(url.clone())
    }

    /// A POST request to be given to [`HttpClient::send`].
    pub(crate) fn post(&self, url: &Url) -> RequestBuilder {
        self.0.post(url.clone())
    }

    /// Sends once and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`HttpError`]; the request's deadline is the caller's to set.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<HttpResponse, HttpError> {
        let mut response = request.send().await?;
        if let Some(encoding) = encoding(response.headers()) {
            return Err(HttpError::Encoded(encoding));
        }
        let too_large = |length: u64| length > ANSWER_BYTES_MAX as u64;
        if response.content_length().is_some_and(too_large) {
            return Err(HttpError::TooLarge);
        }
        let mut body = Vec::new();
        loop {
            let Some(chunk) = response.chunk().await? else {
                break;
            };
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let headers = response.headers();
        Ok(HttpResponse {
            status: response.status().as_u16(),
            content_type: content_type(headers),
            etag: headers
                .get(ETAG)
                .filter(|tag| tag.len() <= HEADER_BYTES_MAX)
                .cloned(),
            // In an allocation of its size, since a history may keep it.
            body: body.into_boxed_slice().into(),
        })
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .tcp_nodelay(true)
        .pool_idle_timeout(IDLE_MAX)
        .user_agent(concat!("fanfare/", env!("CARGO_PKG_VERSION")))
}

/// The encoding of a body that did not come as it is.
fn encoding(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_ENCODING)?;
    let value = String::from_utf8_lossy(&value.as_bytes()[..value.len().min(HEADER_BYTES_MAX)]);
    let value = value.trim();
    (!value.is_empty() && !value.eq_ignore_ascii_case("identity")).then(|| value.to_string())
}

fn content_type(headers: &HeaderMap) -> String {
    headers
        .get(CONTENT_TYPE)
        .filter(|value| value.len() <= HEADER_BYTES_MAX)
        .and_then(|value| value.to_str().ok())
        .map(str::to_ascii_lowercase)
        .unwrap_or_default()
}

/// Reads an address from the settings.
///
/// # Errors
/// When it is not `http://` or `https://` with a host.
pub(crate) fn parse_url(what: &str, url: &str) -> Result<Url, HttpSetupError> {
    let fault = |why: String| HttpSetupError::Url {
        what: what.to_string(),
        why,
        url: redacted(url),
    };
    let parsed = Url::parse(url).map_err(|error| fault(error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(fault("expected http:// or https://".to_string()));
    }
    Ok(parsed)
}

/// An address without user, password, query and fragment, for logs and status.
#[must_use]
pub(crate) fn redacted(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else {
        return "(unreadable)".to_string();
    };
    url.set_query(None);
    url.set_fragment(None);
    // Both refuse only where there is no host, and then there is no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}
