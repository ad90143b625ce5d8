//! `info` and `connections`: this node in numbers, and who is connected to it.
//!
//! Bound: a page lists [`PAGE_MAX`] connections at most; a filter by channel looks at every session
//! of the node, a page at a time.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    answer::{self, ApiResult, bad_request},
    call::ApiCall,
    request as r,
};
use crate::{
    connection::info::SessionInfo, id::SessionId, protocol::ReplyError, registry::ChannelName,
    server::SessionFilter,
};

/// Connections of a page, unless asked otherwise.
const PAGE_DEFAULT: u64 = 100;
/// Connections of a page at most.
const PAGE_MAX: u64 = 1000;

#[derive(Serialize)]
struct NodeInfo<'a> {
    uid: &'a str,
    name: &'a str,
    version: &'static str,
    num_clients: u64,
    num_users: usize,
    num_channels: usize,
    num_subs: usize,
    uptime: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Process>,
}

/// What the system says of this process.
#[derive(Serialize)]
pub(crate) struct Process {
    /// Percent of one core, over the process's life.
    pub(crate) cpu: f64,
    /// Resident bytes.
    pub(crate) rss: u64,
}

/// `info`.
pub(super) async fn info(call: &ApiCall<'_>, _: r::Info) -> ApiResult {
    let node = call.node;
    let uptime = call.http.uptime();
    let node = NodeInfo {
        uid: &node.node_id,
        name: &node.settings.node,
        version: env!("CARGO_PKG_VERSION"),
        num_clients: node.session_counts().now,
        num_users: node.users(),
        num_channels: node.count_channels(),
        num_subs: node.count_memberships().await,
        uptime: uptime.as_secs(),
        process: process(uptime.as_secs_f64()),
    };
    answer::result(&BTreeMap::from([("nodes", [node])]))
}

/// From Linux's /proc; absent elsewhere.
pub(crate) fn process(uptime: f64) -> Option<Process> {
    /// Linux shows times in hundredths of a second whatever the kernel's own clock (proc(5),
    /// `USER_HZ`).
    const TICKS_A_SECOND: f64 = 100.0;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = rss.trim().trim_end_matches(" kB").trim().parse().ok()?;
    // Fields 14 and 15; the name in field 2 may hold blanks and ends with the last parenthesis.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    let cpu = (user + system) / TICKS_A_SECOND / uptime.max(0.001) * 100.0;
    Some(Process {
        cpu: (cpu * 100.0).round() / 100.0,
        rss: kib * 1024,
    })
}

#[derive(Serialize)]
struct ConnectionView {
    transport: &'static str,
    protocol: &'static str,
    user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<std::net::IpAddr>,
    endpoint: String,
    state: StateView,
}

#[derive(Serialize)]
struct StateView {
    channels: BTreeMap<String, Nothing>,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct ConnectionsResult {
    connections: BTreeMap<String, ConnectionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// `connections`, oldest first by pages: `after` is the `next` of the page before.
pub(super) async fn connections(call: &ApiCall<'_>, request: r::Connections) -> ApiResult {
    if !request.expression.is_empty() {
        return Err(ReplyError {
            message: "not available: filter by user, channel and address".into(),
            ..ReplyError::NOT_AVAILABLE
        });
    }
    let address = match request.address.as_str() {
        "" => None,
        text => {
            let parsed: Result<std::net::IpAddr, _> = text.parse();
            let address =
                parsed.map_err(|_| bad_request("bad request: address is none".to_string()))?;
            Some(address.to_canonical())
        }
    };
    let members = match request.channel.as_str() {
        "" => None,
        channel => Some(call.node.members(&call.channel(channel)?.0).await),
    };
    let limit = match request.limit {
        0 => PAGE_DEFAULT,
        limit => limit.min(PAGE_MAX),
    };
    let mut filter = SessionFilter {
        user: (!request.user.is_empty()).then_some(request.user),
        address,
        endpoint: None,
        after: request.after,
        limit: limit as usize,
    };
    let mut found = Vec::new();
    let next = loop {
        let page = call.node.list_sessions(filter.clone()).await;
        let page = page.ok_or(ReplyError::INTERNAL)?;
        let wanted = |info: &SessionInfo| members.as_ref().is_none_or(|ids| ids.contains(&info.id));
        found.extend(page.sessions.into_iter().filter(|info| wanted(info)));
        // What is still missing is all that the next page may hold, so that none is looked at and
        // not shown.
        filter.limit = limit as usize - found.len();
        match page.next {
            Some(next) if filter.limit > 0 => filter.after = next,
            next => break next,
        }
    };
    let ids: Vec<SessionId> = found.iter().map(|info| info.id).collect();
    let mut channels = call.node.channels_of(&ids).await;
    let connections = found.iter().map(|info| {
        let channels = channels.remove(&info.id).unwrap_or_default();
        (info.id.to_string(), connection(info, &channels))
    });
    answer::result(&ConnectionsResult {
        connections: connections.collect(),
        next,
    })
}

fn connection(info: &SessionInfo, channels: &[ChannelName]) -> ConnectionView {
    ConnectionView {
        transport: info.transport.hook_name(),
        protocol: info.protocol().unwrap_or("json"),
        user: info.user().unwrap_or_default().to_string(),
        address: info.address,
        endpoint: info.endpoint.to_string(),
        state: StateView {
            channels: channels
                .iter()
                .map(|name| (name.to_string(), Nothing {}))
                .collect(),
        },
    }
}
