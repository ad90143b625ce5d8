//! Raw endpoints: the handshake's answer, and the closure that begins the session once 101 is out.

use std::{rc::Rc, sync::Arc};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
};
use actix_web_actors::ws;

use super::{State, peer_ip};
use crate::{
    codec::deflate,
    id::SessionId,
    session::{
        Opening, Session,
        endpoint::{Endpoint, Query},
        handshake::{self, Refusal},
    },
    shard::Shard,
    transport::{
        address,
        handover::{HandOver, Upgradable},
        info::{TEXT_BYTES_MAX, TransportKind, cut},
    },
};

/// Answers a request for a raw endpoint.
pub async fn open(request: HttpRequest, state: State) -> HttpResponse {
    let address = address::resolve(
        peer_ip(&request),
        request.headers(),
        &state.settings.trusted_proxies,
    );
    match accept(&request, &state, address) {
        Ok(response) => response,
        Err(refusal) => {
            state.metrics.refuse(refusal.counted_as());
            // The path, not the query: a token may stand there.
            log::info!(
                "handshake refused address={} path={} status={} reason={refusal}",
                address.map_or_else(|| "unix".to_string(), |address| address.to_string()),
                request.path(),
                refusal.status().as_u16(),
            );
            refusal.response()
        }
    }
}

fn accept(
    request: &HttpRequest,
    state: &State,
    address: Option<std::net::IpAddr>,
) -> Result<HttpResponse, Refusal> {
    let headers = request.headers();
    handshake::check(request.method(), request.version(), headers)?;
    // Without the mark, nobody would take the socket over.
    if request.extensions().get::<Upgradable>().is_none() {
        return Err(Refusal::NotWebSocket("Upgrade"));
    }
    if state.drain.refuses_sessions() {
        return Err(Refusal::Draining);
    }
    // Registered with the resource and the App by `configure`.
    let (Some(endpoint), Some(shard)) = (
        request.app_data::<Arc<Endpoint>>(),
        request.app_data::<Rc<Shard>>(),
    ) else {
        return Err(Refusal::Draining);
    };
    handshake::check_origin(headers, endpoint.settings.origins.as_deref())?;
    let settings = &state.settings;
    let query = Query::parse(request.query_string(), settings.limits.subscriptions)?;
    let permit = state.admission.admit(address)?;

    let subprotocol = handshake::choose_subprotocol(headers, &endpoint.settings.subprotocols);
    let extensions = headers
        .get_all(header::SEC_WEBSOCKET_EXTENSIONS)
        .filter_map(|value| value.to_str().ok());
    let agreed = settings
        .deflate
        .enabled
        .then(|| deflate::negotiate(extensions))
        .flatten();

    let mut response = ws::handshake(request)
        // `check` is the stricter of the two, so this does not happen.
        .map_err(|_| Refusal::NotWebSocket("Upgrade"))?;
    if let Some(name) = subprotocol {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, name));
    }
    if let Some(agreed) = &agreed
        && let Ok(value) = HeaderValue::from_str(&agreed.response)
    {
        response.insert_header((header::SEC_WEBSOCKET_EXTENSIONS, value));
    }
    let opening = Opening {
        endpoint: endpoint.clone(),
        id: SessionId::random(),
        address,
        subprotocol: subprotocol.map(Into::into),
        user_agent: headers
            .get(header::USER_AGENT)
            .map(|value| cut(&String::from_utf8_lossy(value.as_bytes()), TEXT_BYTES_MAX).into()),
        transport: request
            .conn_data::<TransportKind>()
            .copied()
            .unwrap_or(TransportKind::WebSocket),
        window_bits: agreed.map(|agreed| agreed.window_bits),
        channels: query.channels,
        text_heartbeat: query.heartbeat,
        message_bytes_max: settings.limits.message_bytes,
        permit,
    };
    let (shard, server) = (shard.clone(), state.server.clone());
    let mut response = response.finish();
    response
        .extensions_mut()
        .insert(HandOver::new(move |socket, read_buf| {
            Session::start(opening, &shard, &server, socket, read_buf);
        }));
    Ok(response)
}
