//! Raw endpoints: the handshake's answer, and the closure that begins the session on a 101.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use bytes::Bytes;

use super::request;
use crate::{
    close::Close,
    connection::ConnectionProfile,
    hooks::ConnectHookRequest,
    node::{
        Node,
        auth::{AuthError, Identity},
        authorize::plain::PlainRequest,
    },
    registry::ChannelName,
    session::{
        NewSession, Session,
        channel_request::ChannelRequest,
        connect_info::ConnectInfo,
        handshake::{self, Refusal},
        query::Query,
        raw::{Raw, RawParams, endpoint::Endpoint},
    },
    transport::handover::HandOver,
};

/// Answers a request for a raw endpoint.
pub(super) async fn open(request: HttpRequest, node: web::Data<Node>) -> HttpResponse {
    match accept(&request, &node).await {
        Ok(response) => response,
        Err(refusal) => request::refuse(&request, &node, &refusal),
    }
}

async fn accept(request: &HttpRequest, node: &web::Data<Node>) -> Result<HttpResponse, Refusal> {
    request::check_handshake(request, node)?;
    // Registered with the resource by `configure`.
    let endpoint = request
        .app_data::<Arc<Endpoint>>()
        .ok_or(Refusal::Draining)?;
    let shard = request::shard_of(request)?.clone();
    let headers = request.headers();
    endpoint.check_origin(headers)?;
    let read = request::query(request, node, &[]);
    // A page cannot see the status of a handshake: it would come again and again.
    let refused = read.as_ref().err().copied();
    let query = read.unwrap_or_default();
    let transport = request::transport_of(request);
    let mut connect_info = request::connect_info(request, node, endpoint.path.clone(), transport)?;
    let (token, by_subprotocol) = request::token_of(headers, &query);
    let named = if by_subprotocol {
        Some("fanfare")
    } else {
        handshake::choose_subprotocol(headers, &endpoint.settings.subprotocols)
    };
    if named.is_none() {
        request::tell_of_offer(request, node, "subprotocols of its [[raw]] table");
    }
    let mut response = request::upgrade_response(request, node, &mut connect_info, named);
    let authorized = match refused {
        Some(error) => {
            node.metrics.refuse(Refusal::from(error).counted_as());
            Err(error.close())
        }
        None => authorize(node, &connect_info, endpoint, token.as_deref(), &query)
            .await
            .map_err(|error| close_of(&connect_info, &error)),
    };
    let (identity, channels) = match authorized {
        Ok((identity, channels)) => (Ok(identity), channels),
        Err(close) => (Err(close), Vec::new()),
    };
    let params = RawParams {
        endpoint: endpoint.clone(),
        identity,
        hook_context: connect_info.hook_context("json"),
        channels,
        envelope: query.envelope,
    };
    let window_bits = connect_info.window_bits;
    let profile = ConnectionProfile::raw(window_bits, query.envelope, query.heartbeat);
    let node = node.clone().into_inner();
    response
        .extensions_mut()
        .insert(HandOver::new(move |upgraded| {
            let new = NewSession {
                connect_info,
                profile,
                params,
                shard: &shard,
                node: &node,
            };
            Session::<Raw>::start_on_socket(new, upgraded);
        }));
    Ok(response)
}

/// How a client is closed that may not come in.
fn close_of(connect_info: &ConnectInfo, error: &AuthError) -> Close {
    // The line of the session's end has all but this.
    if error.has_detail() {
        request::tell_connect_refused(connect_info, error);
    }
    error.close()
}

/// Who a client of a raw endpoint is and what it gets, by WebSocket and by `/send` alike.
pub(super) async fn authorize(
    node: &Node,
    connect_info: &ConnectInfo,
    endpoint: &Endpoint,
    token: Option<&str>,
    query: &Query,
) -> Result<(Identity, Vec<(ChannelName, ChannelRequest)>), AuthError> {
    let context = connect_info.hook_context("json");
    let asked: Vec<String> = query.channels.iter().map(ToString::to_string).collect();
    let hook = endpoint.settings.connect_hook.then(|| ConnectHookRequest {
        context: &context,
        data: Bytes::new(),
        name: "",
        version: "",
        channels: &asked,
    });
    let identity = node.authenticate(token, hook).await?;
    let has_own = !query.channels.is_empty() || !identity.subscriptions.is_empty();
    let request = PlainRequest {
        identity: &identity,
        asked: &query.channels,
        endpoint: endpoint.channels(has_own),
    };
    let granted = node.authorize_channels(&context, request).await?;
    let channels = request::channel_requests(granted, query, query.envelope);
    Ok((identity, channels))
}
