//! `subscribe`, `unsubscribe`, `disconnect` and `refresh`: commands to sessions of a user, or to one
//! session.
//!
//! A user who has no session here is no error: the command found nobody. Commands reach sessions of
//! any kind. A raw or streamed session gets `data` and what it missed as messages of the channel, and
//! ends when what it was given ends, since it can be told of neither.

use std::sync::Arc;

use super::{
    answer::{Answer, DONE, bad_request},
    call::ApiCall,
    form, request as r,
};
use crate::{
    close::{Close, Unsubscribe},
    id::{Epoch, SessionId, StreamPosition},
    node::emulation::EmulationRegistry,
    protocol::ReplyError,
    shard::{Selector, ServerCommand},
    subscription::{ServerSubscription, SubscriptionOverrides},
};

/// Longest reason of a Close (RFC 6455 §5.5.1).
const REASON_BYTES_MAX: usize = 123;
/// Sessions that a disconnect can spare.
const SPARED_MAX: usize = 1000;

/// Whom a command is for: a user's sessions, one session, or one session if it is that user's.
/// `None` where the session's name is none that could be, so that there is nobody.
fn selector(
    emulation: &EmulationRegistry,
    user: &str,
    client: &str,
    session: &str,
) -> Result<Option<Selector>, ReplyError> {
    let named = emulation.client_of(session);
    if !session.is_empty() && named.is_none() {
        return Ok(None);
    }
    let named = named.map(|id| id.to_string());
    let client = match (client, &named) {
        ("", Some(id)) => id,
        // Two names of one session, or nobody.
        (client, Some(id)) if client != id => return Ok(None),
        (client, _) => client,
    };
    if user.is_empty() && client.is_empty() {
        return Err(bad_request(
            "bad request: user or client is expected".to_string(),
        ));
    }
    let mut selector = Selector {
        user: (!user.is_empty()).then(|| user.into()),
        ..Selector::default()
    };
    if !client.is_empty() {
        let Some(client) = SessionId::parse(client) else {
            return Ok(None);
        };
        selector.client = Some(client);
    }
    Ok(Some(selector))
}

async fn send_command(
    call: &ApiCall<'_>,
    selector: Option<Selector>,
    command: ServerCommand,
) -> Answer {
    if let Some(selector) = selector {
        call.node.send_command(selector, command).await;
    }
    Ok(DONE.to_string())
}

/// `subscribe`.
pub(super) async fn subscribe(call: &ApiCall<'_>, request: r::Subscribe) -> Answer {
    let selector = selector(
        &call.node.emulation,
        &request.user,
        &request.client,
        &request.session,
    )?;
    let (channel, _) = call.channel(&request.channel)?;
    let set = &request.r#override;
    let subscription = ServerSubscription {
        channel: channel.to_string(),
        info: form::optional(request.info, &request.b64info)?,
        data: form::optional(request.data, &request.b64data)?,
        expire_at: form::moment("expire_at", request.expire_at)?,
        recover_since: request.recover_since.map(|since| StreamPosition {
            offset: since.offset,
            // A stream that was never ours has no position to recover from.
            epoch: Epoch::parse(&since.epoch).unwrap_or(Epoch::NONE),
        }),
        overrides: SubscriptionOverrides {
            presence: set.presence.value,
            join_leave: set.join_leave.value,
            force_recovery: set.force_recovery.value,
            force_positioning: set.force_positioning.value,
            force_push_join_leave: set.force_push_join_leave.value,
        },
    };
    send_command(call, selector, ServerCommand::Subscribe(subscription)).await
}

/// `unsubscribe`.
pub(super) async fn unsubscribe(call: &ApiCall<'_>, request: r::Unsubscribe) -> Answer {
    let selector = selector(
        &call.node.emulation,
        &request.user,
        &request.client,
        &request.session,
    )?;
    let (channel, _) = call.channel(&request.channel)?;
    send_command(
        call,
        selector,
        ServerCommand::Unsubscribe {
            channel,
            why: Unsubscribe::SERVER,
        },
    )
    .await
}

/// `disconnect`.
pub(super) async fn disconnect(call: &ApiCall<'_>, request: r::Disconnect) -> Answer {
    let mut selector = selector(
        &call.node.emulation,
        &request.user,
        &request.client,
        &request.session,
    )?;
    if request.whitelist.len() > SPARED_MAX {
        return Err(ReplyError::LIMIT_EXCEEDED);
    }
    let except: Arc<[SessionId]> = request
        .whitelist
        .iter()
        .filter_map(|id| SessionId::parse(id))
        .collect();
    if let Some(selector) = &mut selector {
        selector.except = except;
    }
    let close = close_of(request.disconnect)?;
    send_command(call, selector, ServerCommand::Disconnect(close)).await
}

fn close_of(wish: r::CloseWith) -> Result<Close, ReplyError> {
    match wish.code {
        0 => Ok(force_disconnect()),
        3000..=4999 if wish.reason.len() <= REASON_BYTES_MAX => {
            Ok(Close::new(wish.code, wish.reason))
        }
        3000..=4999 => Err(bad_request(
            "bad request: reason has more than 123 bytes".to_string(),
        )),
        _ => Err(bad_request(
            "bad request: code is not between 3000 and 4999".to_string(),
        )),
    }
}

/// The close of who is sent away; the client does not come back by itself.
pub(super) fn force_disconnect() -> Close {
    Close::FORCE_DISCONNECT
}

/// `refresh`.
pub(super) async fn refresh(call: &ApiCall<'_>, request: r::Refresh) -> Answer {
    let selector = selector(
        &call.node.emulation,
        &request.user,
        &request.client,
        &request.session,
    )?;
    let info = match &request.info {
        Some(_) => Some(form::optional(request.info, "")?).filter(|info| !info.is_empty()),
        None => None,
    };
    let command = ServerCommand::Refresh {
        expired: request.expired,
        expire_at: form::moment("expire_at", request.expire_at)?,
        info,
    };
    send_command(call, selector, command).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_for_a_user_or_a_client_and_never_for_more_than_was_named() {
        assert!(selector(&EmulationRegistry::new(16), "", "", "").is_err());
        assert!(
            matches!(
                selector(&EmulationRegistry::new(16), "42", "", "s"),
                Ok(None)
            ),
            "not all sessions of 42"
        );
        assert!(
            matches!(
                selector(&EmulationRegistry::new(16), "42", "no id", ""),
                Ok(None)
            ),
            "nor here"
        );
        let id = SessionId::random();
        let both = selector(&EmulationRegistry::new(16), "42", &id.to_string(), "")
            .ok()
            .flatten()
            .expect("someone");
        assert_eq!((both.user.as_deref(), both.client), (Some("42"), Some(id)));
    }

    #[test]
    fn a_close_has_a_code_that_clients_understand() {
        let wish = |code, reason: &str| {
            close_of(r::CloseWith {
                code,
                reason: reason.to_string(),
            })
        };
        assert_eq!(wish(0, "ignored").map(|close| close.code), Ok(3503));
        assert_eq!(wish(4001, "bye"), Ok(Close::new(4001, "bye")));
        for code in [1, 1000, 2999, 5000, u16::MAX] {
            assert!(wish(code, "").is_err(), "{code}");
        }
        assert!(wish(4000, &"x".repeat(124)).is_err());
    }
}
