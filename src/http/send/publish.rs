//! A client's publish by a request of its own: under `allow.publish`, or as `hooks.publish`
//! decides. Whoever may not publish to one of the channels publishes to none; where the broker
//! refuses one, the others are published, and the sender is told why.

use std::{net::IpAddr, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, http::header};
use serde::Serialize;

use crate::{
    admission::counted_as,
    broker::{PublishRequest, PublishResult},
    connection::info::TransportKind,
    http::plain,
    node::{
        Node,
        auth::{AuthError, Identity},
        authorize::{Action, Permission},
    },
    protocol::ClientInfo,
    publication::Payload,
    registry::ChannelName,
    session::{connect_info::ConnectInfo, query::Query},
};

/// Longest `Idempotency-Key`, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// Publishes to every channel that is named.
///
/// # Errors
/// The refusal.
pub(super) async fn publish(
    request: &HttpRequest,
    node: &Node,
    query: &Query,
    payload: Payload,
) -> Result<HttpResponse, plain::Answer> {
    let connect_info = plain::connect_info(request, node, "/send", TransportKind::Send)?;
    let token = crate::http::request::token_in(request.headers(), query.token.as_deref());
    let identity = node.authenticate(token.as_deref(), None).await;
    let refuse = |error: AuthError| plain::turn_away(&error);
    let identity = identity.map_err(refuse)?;
    if query.channels.is_empty() {
        let text = "name the path of a raw endpoint (?path=…) or at least one channel (?channel=…)";
        return Err(Box::new(plain::plain_text(400, text)));
    }
    plain::charge(node, &identity, connect_info.address)?;
    let key = key(request, &identity, connect_info.address)?;
    let mut requests = Vec::with_capacity(query.channels.len());
    for channel in &query.channels {
        let publish_request =
            publish_request(node, &connect_info, &identity, channel, &payload).await;
        let mut publish_request = publish_request.map_err(refuse)?;
        if publish_request.idempotency_key.is_none() {
            publish_request.idempotency_key = key.clone().map(Into::into);
        }
        publish_request.charge_key(&identity.user, connect_info.address);
        requests.push(publish_request);
    }
    // It may have been taken back while the backend was asked.
    node.check_revoked(&identity).map_err(refuse)?;
    let published: Result<Vec<_>, _> = node.publish_all(requests).await.into_iter().collect();
    let published = published.map_err(plain::unpublished)?;
    Ok(answer(&query.channels, &published))
}

/// The sender's key, which is told apart from those of others, of nobody by the address: nobody
/// keeps another's publication from going out.
fn key(
    request: &HttpRequest,
    identity: &Identity,
    address: Option<IpAddr>,
) -> Result<Option<Box<str>>, plain::Answer> {
    let Some(key) = request.headers().get("idempotency-key") else {
        return Ok(None);
    };
    match key.to_str() {
        Ok(key) if (1..=KEY_BYTES_MAX).contains(&key.len()) => {
            let sender = match (&*identity.user, address.map(counted_as)) {
                ("", Some(address)) => format!("from {address}"),
                (user, _) => format!("of {user}"),
            };
            Ok(Some(format!("/send {sender}\n{key}").into()))
        }
        _ => {
            let text = format!("Idempotency-Key has 1 to {KEY_BYTES_MAX} visible ASCII characters");
            Err(Box::new(plain::plain_text(400, &text)))
        }
    }
}

/// The publication for one channel, if the sender may.
async fn publish_request(
    node: &Node,
    connect_info: &ConnectInfo,
    identity: &Identity,
    channel: &ChannelName,
    payload: &Payload,
) -> Result<PublishRequest, AuthError> {
    let (rules, permission) = node
        .authorize(Action::Publish, channel, identity, None)
        .map_err(|error| {
            let channel = channel.clone();
            AuthError::Channel { error, channel }
        })?;
    let mut publish_request = node.publish_request(channel, rules, payload.clone());
    publish_request.info = Some(Arc::new(ClientInfo {
        user: identity.user.clone(),
        client: connect_info.id.to_string(),
        conn_info: identity.info.clone(),
        chan_info: bytes::Bytes::new(),
    }));
    if permission == Permission::AskHook {
        let as_bytes = matches!(payload, Payload::Binary(_));
        let hook_context = identity.named_in(connect_info.hook_context("json"));
        node.ask_publish_hook(&hook_context, channel, &mut publish_request, as_bytes)
            .await?;
    }
    Ok(publish_request)
}

/// Where a publication stands: `offset` and `epoch` where there is history, and `channel` where
/// there are several.
#[derive(Serialize)]
struct Place<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
}

impl<'a> Place<'a> {
    fn of(channel: Option<&'a str>, published: &PublishResult) -> Self {
        let position = published.position;
        Self {
            channel,
            offset: position.map(|position| position.offset),
            epoch: position.map(|position| position.epoch.to_string()),
        }
    }
}

/// One place as it is; those of several channels as a list.
fn answer(channels: &[ChannelName], published: &[PublishResult]) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    match published {
        [one] => response.json(Place::of(None, one)),
        several => {
            let places = channels.iter().zip(several);
            let places = places.map(|(channel, published)| Place::of(Some(channel), published));
            response.json(places.collect::<Vec<_>>())
        }
    }
}
