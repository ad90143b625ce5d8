//! The opening handshake's checks (RFC 6455 §4.2.1), made before `ws::handshake` sees the request:
//! it lets versions 7 and 8 and any key pass, and reads only the first `Sec-WebSocket-Protocol`
//! header. Pure over the request's head.

use actix_http::header::{self, HeaderMap};
use actix_web::{
    HttpResponse,
    http::{Method, StatusCode, Version},
};
use base64::Engine as _;

use super::query::QueryError;
use crate::{
    admission::LimitReached,
    connection::info::{TEXT_BYTES_MAX, cut},
    metrics,
};

/// Why a handshake is refused; the text is the answer's body and the log's reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// HTTP/1.0, as nginx speaks to its upstreams unless told otherwise.
    #[error(
        "this request came as HTTP/1.0, which has no WebSocket. Behind nginx, set `proxy_http_version 1.1;` and pass \
         on two headers: `proxy_set_header Upgrade $http_upgrade;` and `proxy_set_header Connection \"upgrade\";`"
    )]
    Http10,
    /// A method other than GET.
    #[error("a WebSocket handshake is a GET request, this one is {0}")]
    Method(Method),
    /// No `Upgrade: websocket`, or no `Connection: Upgrade`.
    #[error(
        "this is a WebSocket endpoint, and the request asks for none: the {0} header is missing or says something \
         else. A proxy in between must pass on `Upgrade` and `Connection` (nginx: `proxy_http_version 1.1;`, \
         `proxy_set_header Upgrade $http_upgrade;`, `proxy_set_header Connection \"upgrade\";`)"
    )]
    NotWebSocket(&'static str),
    /// `websocket` among other protocols: actix-http hands over the socket of none but it.
    #[error(
        "the Upgrade header offers {0:?}, and only a request that offers `websocket` and nothing else is upgraded: \
         send `Upgrade: websocket`"
    )]
    UpgradeList(String),
    /// A version other than 13.
    #[error("only WebSocket version 13 (RFC 6455) is spoken here")]
    Version,
    /// No `Sec-WebSocket-Key`, several, or one that is not 16 bytes in base64.
    #[error("the Sec-WebSocket-Key header {0}")]
    Key(&'static str),
    /// A body was announced.
    #[error("a WebSocket handshake has no body")]
    Body,
    /// A list of origins is set, and the request's is not in it.
    #[error("the origin {origin:?} is not allowed here: it is none of those that {setting} names")]
    Origin {
        /// The page's.
        origin: String,
        /// The setting that lists those that are.
        setting: &'static str,
    },
    /// `client.origins` is absent, and the page is of another host.
    #[error(
        "the origin {origin:?} is not that of this server: it was compared with {compared}. Name it in client.origins; \
         or, where the page is of this server and a proxy hides that, let the proxy pass the host on (nginx: \
         `proxy_set_header Host $http_host;`) and name the proxy in trusted_proxies"
    )]
    OtherSite {
        /// The page's.
        origin: String,
        /// What the request says of this server.
        compared: String,
    },
    /// A channel name that is none, too many of them, or a position that is none.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A limit is reached.
    #[error("{0}, please come again later")]
    Limit(#[from] LimitReached),
    /// The server drains.
    #[error("the server is shutting down, please come again")]
    Draining,
}

impl Refusal {
    /// The answer's status.
    #[must_use]
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Http10 | Self::Key(_) | Self::Body | Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotWebSocket(_) | Self::UpgradeList(_) | Self::Version => {
                StatusCode::UPGRADE_REQUIRED
            }
            Self::Origin { .. } | Self::OtherSite { .. } => StatusCode::FORBIDDEN,
            Self::Limit(LimitReached::Address) => StatusCode::TOO_MANY_REQUESTS,
            Self::Limit(LimitReached::Full) | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Under which reason it is counted.
    #[must_use]
    pub(crate) fn counted_as(&self) -> metrics::RefusalReason {
        match self {
            Self::Http10 => metrics::RefusalReason::Http10,
            Self::Method(_) | Self::Body | Self::Query(_) => metrics::RefusalReason::BadRequest,
            Self::NotWebSocket(_) | Self::UpgradeList(_) => metrics::RefusalReason::NotWebSocket,
            Self::Version => metrics::RefusalReason::Version,
            Self::Key(_) => metrics::RefusalReason::Key,
            Self::Origin { .. } | Self::OtherSite { .. } => metrics::RefusalReason::Origin,
            Self::Limit(LimitReached::Address) => metrics::RefusalReason::Address,
            Self::Limit(LimitReached::Full) | Self::Draining => metrics::RefusalReason::Full,
        }
    }

    /// The refusal as an HTTP answer.
    #[must_use]
    pub(crate) fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        match self {
            Self::NotWebSocket(_) | Self::UpgradeList(_) | Self::Version => {
                // RFC 9110 §7.8: who sends Upgrade names it in Connection; actix-http adds that.
                response.insert_header((header::UPGRADE, "websocket"));
                response.insert_header((header::SEC_WEBSOCKET_VERSION, "13"));
            }
            Self::Method(_) => {
                response.insert_header((header::ALLOW, "GET"));
            }
            Self::Limit(_) | Self::Draining => {
                response.insert_header((header::RETRY_AFTER, "5"));
            }
            _ => {}
        }
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        response
            .content_type("text/plain; charset=utf-8")
            .body(format!("{self}\n"))
    }
}

/// Checks what makes a request a WebSocket handshake, in the order in which a reader would want to
/// hear of it.
///
/// # Errors
/// The first [`Refusal`]: version, method, one of the headers, or a body.
pub(crate) fn check(method: &Method, version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    if version < Version::HTTP_11 {
        return Err(Refusal::Http10);
    }
    if method != Method::GET {
        return Err(Refusal::Method(method.clone()));
    }
    check_upgrade(headers)?;
    if !list(headers, header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade")) {
        return Err(Refusal::NotWebSocket("Connection"));
    }
    let mut versions = headers.get_all(header::SEC_WEBSOCKET_VERSION);
    if versions.next().is_none_or(|version| version != "13") || versions.next().is_some() {
        return Err(Refusal::Version);
    }
    check_key(headers)?;
    let has_length = headers
        .get(header::CONTENT_LENGTH)
        .is_some_and(|length| length != "0");
    if has_length || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Refusal::Body);
    }
    Ok(())
}

/// RFC 6455 §4.2.1 item 3. actix-http calls the upgrade service for exactly this value, and only
/// there a socket can be handed over.
fn check_upgrade(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_websocket = |text: &str| text.trim().eq_ignore_ascii_case("websocket");
    let mut lines = headers.get_all(header::UPGRADE);
    if lines.any(|line| line.to_str().is_ok_and(is_websocket)) {
        return Ok(());
    }
    if list(headers, header::UPGRADE).any(is_websocket) {
        let offered: Vec<&str> = list(headers, header::UPGRADE).collect();
        return Err(Refusal::UpgradeList(offered.join(", ")));
    }
    Err(Refusal::NotWebSocket("Upgrade"))
}

/// RFC 6455 §4.2.1 item 5: 16 bytes in base64, once.
fn check_key(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY);
    let Some(key) = keys.next() else {
        return Err(Refusal::Key("is missing"));
    };
    if keys.next().is_some() {
        return Err(Refusal::Key("is there more than once"));
    }
    let mut bytes = [0; 18];
    match base64::engine::general_purpose::STANDARD.decode_slice(key.as_bytes(), &mut bytes) {
        Ok(16) => Ok(()),
        _ => Err(Refusal::Key("must be 16 bytes in base64")),
    }
}

/// The entries of a header that is a comma-separated list, over all its lines.
pub(crate) fn list(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

/// The first offered subprotocol that is known; `*` knows them all. Nothing is chosen that is no
/// token by the grammar, or that carries a credential: what is chosen is sent back and listed.
#[must_use]
pub(crate) fn choose_subprotocol<'a>(headers: &'a HeaderMap, known: &[String]) -> Option<&'a str> {
    let any = known.iter().any(|name| name == "*");
    list(headers, header::SEC_WEBSOCKET_PROTOCOL)
        .filter(|offered| is_token(offered) && !carries_token(offered))
        .find(|offered| any || known.iter().any(|name| name == offered))
}

/// Before a token of a client that can set no header: `token.<jwt>`.
pub(crate) const TOKEN_PREFIX: &str = "token.";

/// Whether an offered subprotocol is a token of a client, however it is spelt.
fn carries_token(offered: &str) -> bool {
    offered
        .get(..TOKEN_PREFIX.len())
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case(TOKEN_PREFIX))
}

/// The offered subprotocols as a log may show them; absent if none was offered.
#[must_use]
pub(crate) fn offered_subprotocols(headers: &HeaderMap) -> Option<String> {
    let shown = list(headers, header::SEC_WEBSOCKET_PROTOCOL).map(|offered| {
        if carries_token(offered) {
            "token.…"
        } else {
            offered
        }
    });
    let shown: Vec<&str> = shown.collect();
    (!shown.is_empty()).then(|| cut(&shown.join(", "), TEXT_BYTES_MAX).to_string())
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether a request's origin is allowed. An absent one is: phones send none.
///
/// # Errors
/// [`Refusal::Origin`].
pub(crate) fn check_origin(
    headers: &HeaderMap,
    allowed: Option<&[String]>,
    setting: &'static str,
) -> Result<(), Refusal> {
    let (Some(allowed), Some(origin)) = (allowed, headers.get(header::ORIGIN)) else {
        return Ok(());
    };
    let origin = String::from_utf8_lossy(origin.as_bytes());
    if allowed.iter().any(|entry| entry == "*") || is_named(allowed, &origin) {
        Ok(())
    } else {
        Err(Refusal::Origin {
            origin: origin.into_owned(),
            setting,
        })
    }
}

/// Whether a list names an origin; `*` names none.
#[must_use]
pub(crate) fn is_named(allowed: &[String], origin: &str) -> bool {
    let origin = without_own_port(origin);
    let mut entries = allowed.iter().map(|entry| without_own_port(entry));
    entries.any(|entry| entry.eq_ignore_ascii_case(origin) || is_below(entry, origin))
}

/// Whether an entry such as `https://*.example.com` stands for an origin: any name below it, not
/// itself.
fn is_below(entry: &str, origin: &str) -> bool {
    let parts = entry.split_once("://*").zip(origin.split_once("://"));
    let Some(((scheme, domain), (of_origin, host))) = parts else {
        return false;
    };
    let at = host.len().checked_sub(domain.len());
    let Some((name, end)) = at.and_then(|at| host.split_at_checked(at)) else {
        return false;
    };
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    scheme.eq_ignore_ascii_case(of_origin)
        && domain.starts_with('.')
        && end.eq_ignore_ascii_case(domain)
        && !name.is_empty()
        && name.bytes().all(in_name)
}

/// An origin without the port of its scheme, which browsers leave out.
fn without_own_port(origin: &str) -> &str {
    let port = match origin.split_once("://") {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => ":80",
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => ":443",
        _ => return origin,
    };
    origin.strip_suffix(port).unwrap_or(origin)
}

#[cfg(test)]
mod tests;
