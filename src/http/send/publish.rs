//! A client's publish by a request of its own: under `allow.publish`, or as `hooks.publish`
//! decides. Whoever may not publish to one of the channels publishes to none; where the broker
//! refuses one, the others are published, and the sender is told why.

use std::{net::IpAddr, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, http::header};

use crate::{
    admission::counted_as,
    broker::PublishResult,
    connection::info::TransportKind,
    http::{access, plain, position::PublishPosition, request},
    node::{
        Node,
        auth::{AuthError, Identity},
        authorize::publish::Publisher,
    },
    publication::Payload,
    registry::ChannelName,
    session::query::Query,
};

/// Longest `Idempotency-Key`, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// Publishes to every channel that is named.
///
/// # Errors
/// The answer to who is nobody that may come in (401), names no channel or a key that is none
/// (400), may not publish in one (403, 404), says too much (429), or whose publication the backend
/// or the broker does not take (503).
pub(super) async fn publish(
    request: &HttpRequest,
    node: &Node,
    query: &Query,
    payload: Payload,
) -> Result<HttpResponse, plain::ErrorResponse> {
    let connect_info = plain::connect_info(request, node, "/send", TransportKind::Send)?;
    let token = request::token_in(request.headers(), query.token.as_deref());
    let refuse = |error: AuthError| plain::turn_away(&error);
    let asked = access::of_request(&connect_info, token.as_deref(), query);
    let authenticated = node.authenticate_request(asked).await.map_err(refuse)?;
    if query.channels.is_empty() {
        let text = "name the path of a raw endpoint (?path=…) or at least one channel (?channel=…)";
        return Err(Box::new(plain::plain_text(400, text)));
    }
    let address = connect_info.address;
    plain::charge(node, authenticated.identity(), address)?;
    let publisher = Publisher {
        info: Arc::new(authenticated.client_info()),
        address,
        idempotency_key: key(request, authenticated.identity(), address)?,
        as_bytes: matches!(payload, Payload::Binary(_)),
    };
    let authorized = authenticated.authorize_publications(&publisher, &payload);
    let confirmed = authorized.await.map_err(refuse)?.confirm();
    let requests = confirmed.map_err(refuse)?.granted;
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
) -> Result<Option<Box<str>>, plain::ErrorResponse> {
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

/// One position as it is; those of several channels as a list.
fn answer(channels: &[ChannelName], published: &[PublishResult]) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    match published {
        [one] => response.json(PublishPosition::of(one)),
        several => {
            let each = channels.iter().zip(several);
            let each = each.map(|(channel, one)| PublishPosition::in_channel(channel, one));
            response.json(each.collect::<Vec<_>>())
        }
    }
}
