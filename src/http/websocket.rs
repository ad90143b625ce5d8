//! Raw endpoints: the handshake's answer, and the closure that begins the session on a 101.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::{access, request};
use crate::{
    close::Close,
    connection::ConnectionProfile,
    node::{
        Node,
        access::{AccessRequest, Authorized},
        auth::AuthError,
        authorize::plain::PlainChannel,
    },
    session::{
        NewSession, Session, channel_request,
        connect_info::ConnectInfo,
        handshake::{self, Refusal},
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
        None => {
            let asked = access::of_request(&connect_info, token.as_deref(), &query);
            authorize(node, &connect_info, access::on_endpoint(asked, endpoint)).await
        }
    };
    let (identity, granted) = match authorized.map(Authorized::for_session) {
        Ok((identity, granted)) => (Ok(identity), granted),
        Err(close) => (Err(close), Vec::new()),
    };
    let params = RawParams {
        endpoint: endpoint.clone(),
        identity,
        hook_context: connect_info.hook_context("json"),
        channels: channel_request::channel_requests(granted, &query, query.envelope),
        envelope: query.envelope,
    };
    let profile = ConnectionProfile::raw(connect_info.window_bits, query.envelope, query.heartbeat);
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

/// Who a client is and what it gets; or how it is closed if it may not come in.
async fn authorize<'a>(
    node: &'a Node,
    connect_info: &ConnectInfo,
    asked: AccessRequest<'a>,
) -> Result<Authorized<'a, Vec<PlainChannel>>, Close> {
    let authorized = node.authorize_request(asked).await;
    authorized.map_err(|error: AuthError| {
        // The line of the session's end has all but this.
        if error.has_detail() {
            request::tell_connect_refused(connect_info, &error);
        }
        error.close()
    })
}
