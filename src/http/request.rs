//! What every way in has in common: whose request it is, whether it may come in, and what it asks
//! for.

use std::{
    net::IpAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use actix_http::ws;
use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::header::{self, HeaderMap, HeaderValue},
};

use log::Level;

use super::{
    local,
    origin::{self, Site},
};
use crate::{
    codec::deflate,
    connection::info::{RequestWords, TEXT_BYTES_MAX, TransportKind, cut},
    id::SessionId,
    logger::{
        self, Address, REFUSAL_PAUSE, Subject,
        escape::{Cut, Lossy},
    },
    node::{Node, auth::AuthError},
    session::{
        connect_info::ConnectInfo,
        handshake::{self, Refusal},
        query::{Query, QueryError, QueryText},
    },
    shard::Shard,
    transport::{
        address::{self, Proxies},
        handover::Upgradable,
        request_turn::RequestTurn,
    },
};

/// Bytes of a path that a line of the log has.
const TOLD_BYTES_MAX: usize = 300;

/// The other end of the request's socket; absent on a unix socket. An IPv4 address that is mapped
/// into IPv6 is shown as IPv4.
pub(super) fn peer_ip(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|peer| peer.ip().to_canonical())
}

/// The client's address, as trusted proxies tell it.
pub(super) fn address_of(request: &HttpRequest, node: &Node) -> Option<IpAddr> {
    address::resolve(peer_ip(request), request.headers(), proxies(node))
}

/// Whose word on the client's address is taken.
pub(super) fn proxies(node: &Node) -> Proxies<'_> {
    Proxies {
        trusted: &node.settings.trusted_proxies,
        header: node.settings.address_header.as_deref(),
    }
}

/// Whether nobody between a browser and this server can read along: TLS here or, as a trusted proxy
/// says, in front, or no way at all. Absent behind a trusted proxy that does not say.
pub(super) fn is_secure(request: &HttpRequest, node: &Node) -> Option<bool> {
    let is_tls = transport_of(request) == TransportKind::WebSocketTls;
    let believed = address::is_trusted(peer_ip(request), &node.settings.trusted_proxies);
    let site = Site::of(request.headers(), is_tls, believed);
    let is_here = address_of(request, node).is_some_and(|address| address.is_loopback());
    match site.is_https() {
        Some(is_https) => Some(is_https || is_here),
        None if is_here => Some(true),
        None => (!believed).then_some(false),
    }
}

/// Says in the log, once a process, that the address of a session is doubtful.
fn warn_of_doubt(request: &HttpRequest, node: &Node) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if TOLD.load(Relaxed) {
        return;
    }
    if let Some(doubt) = address::doubt(peer_ip(request), request.headers(), proxies(node))
        && !TOLD.swap(true, Relaxed)
    {
        log::warn!("which header has the client's address? {doubt} This is said once");
    }
}

/// Answers a request that may not come in, and counts it as a handshake.
pub(super) fn refuse(request: &HttpRequest, node: &Node, refusal: &Refusal) -> HttpResponse {
    node.metrics.refuse(refusal.counted_as());
    let mut answer = refusal.response();
    let headers = request.headers();
    if local::is_forwarded(headers) && !headers.contains_key(header::UPGRADE) {
        // Of a hop that a proxy has in between: the client asked for none there. nginx would pass
        // the header on into HTTP/2, where it is an error of the protocol.
        answer.headers_mut().remove(header::UPGRADE);
    }
    answer
}

/// Says in the log why the session of a handshake that was taken is closed at once, where that is
/// more than the client is told. The session's id leads to the line of its end.
pub(super) fn tell_connect_refused(connect_info: &ConnectInfo, error: &AuthError) {
    let (what, address) = ("connect refused", Address(connect_info.address));
    let subject = Subject::new(Level::Info, module_path!(), what)
        .from(address)
        .with("endpoint", &connect_info.endpoint)
        .with("reason", error);
    logger::throttled(subject, REFUSAL_PAUSE, |times| {
        let (id, endpoint) = (connect_info.id, &*connect_info.endpoint);
        log::info!(id:%, address:%, endpoint, reason:% = error, times; "{what}");
    });
}

/// Checks that a request is a WebSocket handshake whose socket can be handed over.
pub(super) fn check_handshake(request: &HttpRequest, node: &Node) -> Result<(), Refusal> {
    handshake::check(request.method(), request.version(), request.headers())?;
    // Without the mark, nobody would take the socket over.
    if request.extensions().get::<Upgradable>().is_none() {
        return Err(Refusal::NotWebSocket("Upgrade"));
    }
    if node.refuses_sessions() {
        return Err(Refusal::Draining);
    }
    Ok(())
}

/// This worker's shard.
pub(super) fn shard_of(request: &HttpRequest) -> Result<&Rc<Shard>, Refusal> {
    // Registered with every App by `configure`.
    request.app_data::<Rc<Shard>>().ok_or(Refusal::Draining)
}

/// `client.origins`: whether a page may use what is not a raw endpoint.
pub(super) fn check_client_origin(request: &HttpRequest, node: &Node) -> Result<(), Refusal> {
    let headers = request.headers();
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    if let Some(allowed) = &node.settings.client.origins {
        return handshake::check_origin(headers, Some(allowed), "client.origins");
    }
    let origin = String::from_utf8_lossy(origin.as_bytes());
    if origin::is_mini_program(&origin) {
        return Ok(());
    }
    let is_tls = transport_of(request) == TransportKind::WebSocketTls;
    let believed = address::is_trusted(peer_ip(request), &node.settings.trusted_proxies);
    let site = Site::of(headers, is_tls, believed);
    site.check(&origin).map_err(|compared| Refusal::OtherSite {
        origin: origin.into_owned(),
        compared,
    })
}

/// What is settled about a session before it begins. Takes its place under the limits.
pub(super) fn connect_info(
    request: &HttpRequest,
    node: &Node,
    endpoint: Arc<str>,
    transport: TransportKind,
) -> Result<ConnectInfo, Refusal> {
    let headers = request.headers();
    warn_of_doubt(request, node);
    let address = address_of(request, node);
    let permit = node.admit(address)?;
    Ok(ConnectInfo {
        id: SessionId::random(),
        address,
        endpoint,
        words: RequestWords {
            subprotocol: None,
            user_agent: headers
                .get(header::USER_AGENT)
                .map(|value| cut(&Lossy(value.as_bytes()).to_string(), TEXT_BYTES_MAX).into()),
            logged_headers: node.logged_headers(headers),
        },
        transport,
        window_bits: None,
        headers: node.passed_headers(headers),
        permit,
    })
}

/// How a WebSocket is carried.
pub(super) fn transport_of(request: &HttpRequest) -> TransportKind {
    request
        .conn_data::<TransportKind>()
        .copied()
        .unwrap_or(TransportKind::WebSocket)
}

/// What a plain client asks for; `form` is the body, where it is one.
pub(super) fn query(request: &HttpRequest, node: &Node, form: &[u8]) -> Result<Query, QueryError> {
    let ids = request.headers().get_all("last-event-id");
    let text = QueryText {
        address: request.query_string(),
        form,
        last_event_id: ids.last().map(HeaderValue::as_bytes),
    };
    let query = Query::parse(text, node.settings.limits.subscriptions)?;
    if let Some(turn) = request.conn_data::<Rc<RequestTurn>>() {
        turn.spend(query.channels.len().saturating_sub(1));
    }
    if let (true, Some(parameter)) = (query.channels.is_empty(), &query.misspelt) {
        tell_misspelt(request, node, parameter);
    }
    Ok(query)
}

/// Says in the log that a client joins nothing, and what it may have meant: a parameter may be the
/// application's own.
fn tell_misspelt(request: &HttpRequest, node: &Node, parameter: &str) {
    let address = Address(address_of(request, node));
    let what = "no channel is named; did the parameter mean channel?";
    let (path, parameter) = (
        Cut(request.path(), TOLD_BYTES_MAX),
        Cut(parameter, TOLD_BYTES_MAX),
    );
    let subject = Subject::new(Level::Info, module_path!(), what)
        .from(address)
        .with("path", &path)
        .with("parameter", &parameter);
    logger::throttled(subject, REFUSAL_PAUSE, |times| {
        log::info!(address:%, path:%, parameter:%, times; "{what}");
    });
}

/// The 101 to a handshake that was checked, with what was agreed; notes it in the opening. `named`
/// is the subprotocol. What makes it a 101 on the wire is written by the hand-over.
pub(super) fn upgrade_response(
    request: &HttpRequest,
    node: &Node,
    connect_info: &mut ConnectInfo,
    named: Option<&str>,
) -> HttpResponse {
    let extensions = request
        .headers()
        .get_all(header::SEC_WEBSOCKET_EXTENSIONS)
        .filter_map(|value| value.to_str().ok());
    let agreed = node
        .settings
        .deflate
        .enabled
        .then(|| deflate::negotiate(extensions))
        .flatten();
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let accept = ws::hash_key(key.map_or(b"", HeaderValue::as_bytes));
    let mut response = HttpResponse::SwitchingProtocols();
    // In base64.
    if let Ok(accept) = HeaderValue::from_bytes(&accept) {
        response.insert_header((header::SEC_WEBSOCKET_ACCEPT, accept));
    }
    if let Some(name) = named {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, name));
        connect_info.words.subprotocol = Some(name.into());
    }
    if let Some(agreed) = &agreed
        && let Ok(value) = HeaderValue::from_str(&agreed.response)
    {
        response.insert_header((header::SEC_WEBSOCKET_EXTENSIONS, value));
    }
    connect_info.window_bits = agreed.map(|agreed| agreed.window_bits);
    response.finish()
}

/// Says in the log that subprotocols were offered and none is known: a browser takes that for a
/// failure, and tells nobody why.
pub(super) fn tell_of_offer(request: &HttpRequest, node: &Node, known: &'static str) {
    let Some(offered) = handshake::offered_subprotocols(request.headers()) else {
        return;
    };
    let address = Address(address_of(request, node));
    let what = "no subprotocol that a client offers is known, at which browsers fail";
    let path = Cut(request.path(), TOLD_BYTES_MAX);
    let subject = Subject::new(Level::Info, module_path!(), what)
        .from(address)
        .with("path", &path)
        .with("offered", &offered);
    logger::throttled(subject, REFUSAL_PAUSE, |times| {
        log::info!(address:%, path:%, offered:%, known, times; "{what}");
    });
}

/// The token of a plain request: `?token=`, `Authorization: Bearer`, or the subprotocol
/// `token.<jwt>`, in this order. An empty one is none. A token in another form than `Bearer` is
/// given as it came, and refused as one that cannot be read: passed over, its user would be nobody.
#[must_use]
pub(super) fn token_in(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let bearer = || {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        let is = |name: &&str| scheme.eq_ignore_ascii_case(name);
        if is(&"bearer") {
            return Some(token.trim().to_string());
        }
        // What a proxy asks a browser for is none of ours.
        let of_proxies = ["basic", "digest", "negotiate", "ntlm"];
        (!of_proxies.iter().any(is)).then(|| value.to_string())
    };
    let subprotocol = || {
        let offered = handshake::list(headers, header::SEC_WEBSOCKET_PROTOCOL);
        offered
            .filter_map(|name| name.strip_prefix(handshake::TOKEN_PREFIX))
            .map(str::to_string)
            .next()
    };
    query
        .map(str::to_string)
        .or_else(bearer)
        .or_else(subprotocol)
        .filter(|token| !token.is_empty())
}

/// The token of a plain request, and whether its subprotocols are the form `fanfare, token.<jwt>`,
/// of which only the first is echoed.
pub(super) fn token_of(headers: &HeaderMap, query: &Query) -> (Option<String>, bool) {
    let offered: Vec<&str> = handshake::list(headers, header::SEC_WEBSOCKET_PROTOCOL).collect();
    let by_subprotocol = offered
        .iter()
        .any(|name| name.starts_with(handshake::TOKEN_PREFIX));
    let token = token_in(headers, query.token.as_deref());
    (token, by_subprotocol && offered.contains(&"fanfare"))
}
