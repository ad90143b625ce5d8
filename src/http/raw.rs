//! Raw endpoints: the handshake's answer, and the closure that begins the session once 101 is out.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};

use super::{State, entrance};
use crate::{
    close::Close,
    hub::identity::Identity,
    registry::ChannelName,
    session::{
        endpoint::{Endpoint, Query},
        handshake::{self, Refusal},
        opening::Opening,
        raw::{RawOpening, Session},
        resume::Resume,
    },
    transport::handover::HandOver,
};

/// Answers a request for a raw endpoint.
pub async fn open(request: HttpRequest, state: State) -> HttpResponse {
    match accept(&request, &state).await {
        Ok(response) => response,
        Err(refusal) => entrance::refuse(&request, &state, &refusal),
    }
}

async fn accept(request: &HttpRequest, state: &State) -> Result<HttpResponse, Refusal> {
    entrance::check_handshake(request, state)?;
    // Registered with the resource by `configure`.
    let endpoint = request
        .app_data::<Arc<Endpoint>>()
        .ok_or(Refusal::Draining)?;
    let shard = entrance::shard_of(request)?.clone();
    let headers = request.headers();
    handshake::check_origin(headers, endpoint.settings.origins.as_deref())?;
    let query = Query::parse(request.query_string(), state.settings.limits.subscriptions)?;
    let transport = entrance::transport_of(request);
    let mut opening = entrance::opening(request, state, endpoint.path.clone(), transport)?;
    let (token, by_subprotocol) = entrance::token_of(headers, &query);
    let named = if by_subprotocol {
        Some("fanfare")
    } else {
        handshake::choose_subprotocol(headers, &endpoint.settings.subprotocols)
    };
    let mut response = entrance::switch(request, state, &mut opening, named)?;
    let plan = plan(state, &opening, endpoint, token.as_deref(), &query).await;
    let (identity, channels) = match plan {
        Ok((identity, channels)) => (Ok(identity), channels),
        Err(close) => (Err(close), Vec::new()),
    };
    let raw = RawOpening {
        opening,
        endpoint: endpoint.clone(),
        identity,
        channels,
        envelope: query.envelope,
        text_heartbeat: query.heartbeat,
    };
    let hub = state.hub.clone();
    response
        .extensions_mut()
        .insert(HandOver::new(move |socket, read_buf| {
            Session::start(raw, &shard, &hub, socket, read_buf);
        }));
    Ok(response)
}

/// Who it is and what it gets.
pub(super) async fn plan(
    state: &State,
    opening: &Opening,
    endpoint: &Endpoint,
    token: Option<&str>,
    query: &Query,
) -> Result<(Identity, Vec<(ChannelName, Resume)>), Close> {
    let caller = opening.caller("json", "json");
    let asked: Vec<String> = query.channels.iter().map(ToString::to_string).collect();
    let hook = endpoint.settings.connect_hook.then_some(&caller);
    let identity = state
        .hub
        .identify(token, hook, &asked)
        .await
        .map_err(|error| {
            log::info!("session {} is turned away: {error:?}", opening.id);
            error.close()
        })?;
    let mut channels = entrance::channels(state, &identity, &caller, query, query.envelope).await?;
    for name in endpoint.channels() {
        if channels.iter().all(|(channel, _)| channel != name) {
            let resume = match state.hub.rules(name) {
                Ok(rules) if state.settings.channels.configured => {
                    Resume::under(rules, crate::hub::replay::Since::Now, query.envelope)
                }
                _ => Resume {
                    positions: query.envelope,
                    ..Resume::plain()
                },
            };
            channels.push((name.clone(), resume));
        }
    }
    Ok((identity, channels))
}
