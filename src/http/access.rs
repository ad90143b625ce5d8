//! What a plain client's request asks of the node, and what a session makes of the answer: raw
//! WebSocket, `/sse`, `/poll` and `/send`. Nothing is decided here: see [`crate::node::access`].

use crate::{
    node::access::{AccessRequest, EndpointChannels},
    session::{connect_info::ConnectInfo, query::Query, raw::endpoint::Endpoint},
};

/// What a request asks for that is for no endpoint.
pub(super) fn of_request<'a>(
    connect_info: &ConnectInfo,
    token: Option<&'a str>,
    query: &'a Query,
) -> AccessRequest<'a> {
    AccessRequest {
        hook_context: connect_info.hook_context("json"),
        token,
        connect_hook: false,
        channels: &query.channels,
        endpoint: EndpointChannels::default(),
    }
}

/// What one asks for that is for a raw endpoint.
pub(super) fn on_endpoint<'a>(
    access: AccessRequest<'a>,
    endpoint: &'a Endpoint,
) -> AccessRequest<'a> {
    AccessRequest {
        connect_hook: endpoint.settings.connect_hook,
        endpoint: EndpointChannels {
            beside_own: endpoint.channels(true),
            without_own: endpoint.channels(false),
        },
        ..access
    }
}
