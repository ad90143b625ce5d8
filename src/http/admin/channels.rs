//! `GET /admin/channels`: the channels that have a subscriber on this node.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::{Deserialize, Serialize};

use super::{
    AdminError, Administrator,
    answer::{json, query},
    page::{Order, PageQuery},
};
use crate::{
    http::{HttpState, api::ChannelPattern},
    node::{Node, search::SortKey},
    registry::ChannelName,
    server::search::contains,
};

/// What channels are sorted by.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum ChannelSort {
    #[default]
    Subscribers,
    Name,
}

/// The query of `GET /admin/channels`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelsQuery {
    #[serde(default)]
    pattern: String,
    #[serde(default)]
    sort: ChannelSort,
    order: Option<Order>,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct ShownChannel<'a> {
    channel: &'a str,
    subscribers: usize,
    /// Absent for `[channels]`.
    namespace: Option<&'a str>,
    history: bool,
    presence: bool,
}

impl<'a> ShownChannel<'a> {
    fn of(node: &'a Node, channel: &'a str, subscribers: usize) -> Self {
        // A token, or a raw endpoint before there were rules, may have put someone where there are
        // none.
        let rules = node.rules_for_server(channel).ok();
        Self {
            channel,
            subscribers,
            namespace: rules
                .map(|rules| &*rules.name)
                .filter(|name| !name.is_empty()),
            history: rules.is_some_and(|rules| rules.history_size > 0),
            presence: rules.is_some_and(|rules| rules.presence),
        }
    }
}

#[derive(Serialize)]
struct ChannelList<'a> {
    channels: Vec<ShownChannel<'a>>,
    matched: u64,
    total: usize,
    offset: usize,
    limit: usize,
}

/// Whether a text is a glob rather than a part of a name.
fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Answers `GET /admin/channels`.
pub(super) async fn list(
    request: HttpRequest,
    _: Administrator,
    node: Data<Node>,
    http: Data<HttpState>,
) -> Result<HttpResponse, AdminError> {
    let asked: ChannelsQuery = query(&request)?;
    let order = asked.order.unwrap_or(match asked.sort {
        ChannelSort::Subscribers => Order::Desc,
        ChannelSort::Name => Order::Asc,
    });
    let page = PageQuery::new(order, asked.offset, asked.limit)?;
    let _turn = http.listings.try_acquire().map_err(|_| AdminError::Busy)?;
    let pattern = match is_glob(&asked.pattern) {
        true => {
            let pattern = ChannelPattern::parse(&asked.pattern);
            Some(pattern.map_err(|what| AdminError::BadRequest(format!("pattern: {what}")))?)
        }
        false => None,
    };
    let admits = |name: &str| match &pattern {
        Some(pattern) => pattern.admits(name),
        None => contains(name, &asked.pattern),
    };
    let key = |name: &ChannelName, members: usize| match asked.sort {
        ChannelSort::Subscribers => SortKey::Number(members as u64),
        ChannelSort::Name => SortKey::Text((**name).into()),
    };
    let found = node.search_channels(admits, key, page.page()).await;
    let channels = found.page.iter();
    let channels = channels.map(|(name, members)| ShownChannel::of(&node, name, *members));
    json(&ChannelList {
        channels: channels.collect(),
        matched: found.matched,
        total: node.count_channels(),
        offset: page.offset,
        limit: page.limit,
    })
}
