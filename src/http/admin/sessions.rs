//! `/admin/sessions`: who is connected, and the end of one.
//!
//! Bounds: a page of `LIMIT_MAX`, within the first `REACH` of what is sorted; [`CHANNELS_MAX`]
//! channels of one session.

use std::{net::IpAddr, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Payload},
};
use serde::{Deserialize, Serialize};

use super::{
    AdminError, Administrator,
    answer::{body_of, json, query, seconds},
    page::{Order, PageQuery},
};
use crate::{
    close::Close,
    connection::{ConnectionPhase, info::SessionInfo},
    http::HttpState,
    id::SessionId,
    logger::Address,
    node::{Node, search::SortKey},
    server::search::SessionSearch,
    shard::SessionState,
};

/// Channels that one session is shown with.
const CHANNELS_MAX: usize = 1000;
/// What sessions are sorted by.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SessionSort {
    #[default]
    Since,
    User,
    Address,
    Endpoint,
    Transport,
    MessagesIn,
    MessagesOut,
    BytesIn,
    BytesOut,
}

impl SessionSort {
    /// `place` is that of the session's arrival.
    fn key(self, place: u64, info: &SessionInfo) -> SortKey {
        let traffic = &info.traffic;
        match self {
            Self::Since => SortKey::Number(place),
            Self::User => SortKey::Text(info.user().unwrap_or_default().into()),
            Self::Address => SortKey::Text(by_number(info.address).into()),
            Self::Endpoint => SortKey::Text((*info.endpoint).into()),
            Self::Transport => SortKey::Text(info.transport.as_str().into()),
            Self::MessagesIn => SortKey::Number(traffic.messages_in.get()),
            Self::MessagesOut => SortKey::Number(traffic.messages_out.get()),
            Self::BytesIn => SortKey::Number(traffic.bytes_in.get()),
            Self::BytesOut => SortKey::Number(traffic.bytes_out.get()),
        }
    }
}

/// An address as a text that sorts as the number does; IPv4 comes first.
fn by_number(address: Option<IpAddr>) -> String {
    match address {
        None => String::new(),
        Some(IpAddr::V4(address)) => format!("4{:08x}", address.to_bits()),
        Some(IpAddr::V6(address)) => format!("6{:032x}", address.to_bits()),
    }
}

/// The query of `GET /admin/sessions`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionsQuery {
    q: Option<String>,
    user: Option<String>,
    client: Option<String>,
    address: Option<IpAddr>,
    endpoint: Option<String>,
    user_agent: Option<String>,
    channel: Option<String>,
    transport: Option<String>,
    #[serde(default)]
    sort: SessionSort,
    order: Option<Order>,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

/// A session as it is shown.
#[derive(Serialize)]
struct ShownSession<'a> {
    id: String,
    user: Option<&'a str>,
    address: Option<IpAddr>,
    endpoint: &'a str,
    transport: &'static str,
    subprotocol: Option<&'a str>,
    protocol: Option<&'static str>,
    user_agent: Option<&'a str>,
    worker: u32,
    since: String,
    duration_seconds: f64,
    idle_seconds: Option<f64>,
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    subscriptions: Option<usize>,
    queue_messages: Option<usize>,
    queue_bytes: Option<usize>,
}

impl<'a> ShownSession<'a> {
    fn of(info: &'a SessionInfo, state: Option<&SessionState>) -> Self {
        let traffic = &info.traffic;
        Self {
            id: info.id.to_string(),
            user: info.user(),
            address: info.address,
            endpoint: &info.endpoint,
            transport: info.transport.as_str(),
            subprotocol: info.subprotocol(),
            protocol: info.protocol(),
            user_agent: info.user_agent(),
            worker: info.worker,
            since: humantime::format_rfc3339_millis(info.since()).to_string(),
            duration_seconds: seconds(info.started.elapsed()),
            idle_seconds: state.map(|state| seconds(state.idle)),
            messages_in: traffic.messages_in.get(),
            messages_out: traffic.messages_out.get(),
            bytes_in: traffic.bytes_in.get(),
            bytes_out: traffic.bytes_out.get(),
            subscriptions: state.map(|state| state.subscriptions),
            queue_messages: state.map(|state| state.queue_messages),
            queue_bytes: state.map(|state| state.queue_bytes),
        }
    }
}

#[derive(Serialize)]
struct SessionList<'a> {
    sessions: Vec<ShownSession<'a>>,
    matched: u64,
    total: u64,
    offset: usize,
    limit: usize,
}

/// Answers `GET /admin/sessions`.
pub(super) async fn list(
    request: HttpRequest,
    _: Administrator,
    node: Data<Node>,
    http: Data<HttpState>,
) -> Result<HttpResponse, AdminError> {
    let asked: SessionsQuery = query(&request)?;
    let page = PageQuery::new(
        asked.order.unwrap_or(Order::Desc),
        asked.offset,
        asked.limit,
    )?;
    let _turn = http.listings.try_acquire().map_err(|_| AdminError::Busy)?;
    let total = node.session_counts().now;
    let search = SessionSearch {
        text: asked.q,
        user: asked.user,
        client: match asked.client.as_deref().map(SessionId::parse) {
            // What is no id is nobody's.
            Some(None) => return empty(&page, total),
            Some(client) => client,
            None => None,
        },
        address: asked.address.map(|address| address.to_canonical()),
        endpoint: asked.endpoint,
        user_agent: asked.user_agent,
        transport: asked.transport,
    };
    let (channel, sort) = (asked.channel.map(Arc::from), asked.sort);
    let key = |place, info: &SessionInfo| sort.key(place, info);
    let found = node
        .search_sessions(search, channel, key, page.page())
        .await;
    let found = found.ok_or(AdminError::Stopping)?;
    let states = node.states_of(&found.page).await;
    let shown = found
        .page
        .iter()
        .map(|info| ShownSession::of(info, states.get(&info.id)));
    json(&SessionList {
        sessions: shown.collect(),
        matched: found.matched,
        total,
        offset: page.offset,
        limit: page.limit,
    })
}

fn empty(page: &PageQuery, total: u64) -> Result<HttpResponse, AdminError> {
    json(&SessionList {
        sessions: Vec::new(),
        matched: 0,
        total,
        offset: page.offset,
        limit: page.limit,
    })
}

#[derive(Serialize)]
struct One<'a> {
    session: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    #[serde(flatten)]
    shown: ShownSession<'a>,
    channels: Vec<&'a str>,
    phase: &'static str,
}

/// The session of an id, if it is there.
async fn find(node: &Node, id: &str) -> Result<Arc<SessionInfo>, AdminError> {
    let session = SessionId::parse(id).ok_or(AdminError::NoSession)?;
    let found = node
        .find_session(session)
        .await
        .ok_or(AdminError::Stopping)?;
    found.ok_or(AdminError::NoSession)
}

/// Answers `GET /admin/sessions/{id}`.
pub(super) async fn one(
    _: Administrator,
    node: Data<Node>,
    id: Path<String>,
) -> Result<HttpResponse, AdminError> {
    let info = find(&node, &id).await?;
    let states = node.states_of(std::slice::from_ref(&info)).await;
    let state = states.get(&info.id).ok_or(AdminError::NoSession)?;
    let channels = node.channels_of(&[info.id]).await;
    let channels = channels.get(&info.id).map(Vec::as_slice);
    let mut channels: Vec<&str> = channels
        .unwrap_or_default()
        .iter()
        .map(|name| &**name)
        .collect();
    channels.sort_unstable();
    channels.truncate(CHANNELS_MAX);
    json(&One {
        session: Details {
            shown: ShownSession::of(&info, Some(state)),
            channels,
            phase: match state.phase {
                ConnectionPhase::Open => "open",
                ConnectionPhase::Closing => "closing",
                ConnectionPhase::Lingering => "lingering",
                ConnectionPhase::Ended => "ended",
            },
        },
    })
}

/// The body of `POST /admin/sessions/{id}/disconnect`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CloseWith {
    code: Option<u16>,
    reason: Option<String>,
}

impl CloseWith {
    fn close(self) -> Result<Close, AdminError> {
        let reason = self
            .reason
            .unwrap_or_else(|| Close::KICKED.reason.to_string());
        let code = self.code.unwrap_or(Close::KICKED.code);
        Close::asked_for(code, reason).map_err(|error| AdminError::BadRequest(error.to_string()))
    }
}

/// Answers `POST /admin/sessions/{id}/disconnect`.
pub(super) async fn disconnect(
    request: HttpRequest,
    administrator: Administrator,
    node: Data<Node>,
    id: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, AdminError> {
    let wish: CloseWith = body_of(&request, payload).await?;
    let close = wish.close()?;
    let session = SessionId::parse(&id).ok_or(AdminError::NoSession)?;
    if !node.disconnect(session, close.clone()).await {
        return Err(AdminError::NoSession);
    }
    tell_of_end(administrator.address, session, &close);
    Ok(HttpResponse::NoContent().finish())
}

/// Says in the log who ended whose session, by whichever route.
pub(in crate::http) fn tell_of_end(address: Address, session: SessionId, close: &Close) {
    let (code, reason) = (close.code, &*close.reason);
    log::info!(address:%, id:% = session, code, reason; "an administrator ended a session");
}
