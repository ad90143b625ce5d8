//! A message for a raw endpoint that comes by a request of its own: echoed, answered, relayed or
//! taken to the backend, under the endpoint's own rules. It keeps nothing and waits for no client.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header};

use crate::{
    close::Close,
    config::HookFailureAction,
    connection::info::TransportKind,
    hooks::{HookResult, UserContext},
    http::{access, plain, request},
    node::{Node, access::Confirmed, auth::AuthError},
    publication::{Item, Payload, data_field},
    session::{
        channel_request,
        query::Query,
        raw::{
            endpoint::Endpoint,
            message::{
                MessageOutcome, MessageSender, answer_messages, audience_of, no_audience,
                publish_patiently,
            },
        },
    },
};

/// Does what a message on an endpoint would do.
///
/// # Errors
/// The answer to who may not come here (403), is nobody who may come in (401), may not have a
/// channel or speak there (403, 404), says too much (429), or whose message the backend or the
/// broker does not take (502, 503).
pub(super) async fn message(
    request: &HttpRequest,
    node: &Arc<Node>,
    endpoint: &Endpoint,
    query: &Query,
    payload: Payload,
) -> Result<HttpResponse, plain::ErrorResponse> {
    let path = &*endpoint.path;
    let allowed = endpoint.check_origin(request.headers());
    allowed.map_err(|refusal| Box::new(request::refuse(request, node, &refusal)))?;
    let connect_info = plain::connect_info(request, node, path, TransportKind::Send)?;
    let token = request::token_in(request.headers(), query.token.as_deref());
    let refuse = |error: AuthError| plain::turn_away(&error);
    let asked = access::of_request(&connect_info, token.as_deref(), query);
    let asked = access::on_endpoint(asked, endpoint);
    let authorized = node.authorize_request(asked).await.map_err(refuse)?;
    let Confirmed {
        identity, granted, ..
    } = authorized.confirm().map_err(refuse)?;
    plain::charge(node, &identity, connect_info.address)?;
    let channels = channel_request::channel_requests(granted, query, query.envelope);
    let sender = MessageSender {
        audience: &audience_of(endpoint, &channels),
        // There is no session of the sender's to leave out.
        session: None,
    };
    match endpoint.on_message(node, sender, payload) {
        MessageOutcome::Ignored => Ok(nothing()),
        MessageOutcome::Reply(payload) => Ok(reply(&payload)),
        MessageOutcome::NoAudience => {
            let channel = channels.first().map(|request| &request.channel);
            Err(refuse(no_audience(node, channel)))
        }
        MessageOutcome::Relay(requests) => match publish_patiently(node.clone(), requests).await {
            Ok(()) => Ok(nothing()),
            Err(error) => Err(plain::unpublished(error)),
        },
        MessageOutcome::AskBackend(payload, on_failure) => {
            let user_context = UserContext::of(&identity, connect_info.hook_context("json"));
            let answer = node.hooks.message(&user_context, path, payload).await;
            answer_of_backend(answer, on_failure)
        }
    }
}

/// What the sender is answered for what the backend said.
fn answer_of_backend(
    answer: HookResult<Vec<Payload>>,
    on_failure: &HookFailureAction,
) -> Result<HttpResponse, plain::ErrorResponse> {
    match answer_messages(answer, on_failure) {
        Ok(messages) => Ok(replies(messages)),
        Err(close) if close.code == Close::BACKEND_FAILED.code => {
            Err(Box::new(plain::plain_text(502, &close.reason)))
        }
        Err(close) => Err(Box::new(plain::close_response(&close))),
    }
}

fn nothing() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

fn reply(payload: &Payload) -> HttpResponse {
    let content_type = match payload {
        Payload::Text(_) => "text/plain; charset=utf-8",
        Payload::Binary(_) => "application/octet-stream",
    };
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // A page must not run what someone sent.
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .content_type(content_type)
        .body(payload.bytes())
}

/// One message as it is; several as a JSON list, where bytes are `{"b64data":…}`.
fn replies(messages: Vec<Payload>) -> HttpResponse {
    let mut list = Vec::new();
    match messages.as_slice() {
        [] => return nothing(),
        [one] => return reply(one),
        several => {
            for payload in several {
                list.push(if list.is_empty() { b'[' } else { b',' });
                entry(payload, &mut list);
            }
            list.push(b']');
        }
    }
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(list)
}

fn entry(payload: &Payload, list: &mut Vec<u8>) {
    let mut field = Vec::new();
    data_field(&Item::new(payload.clone(), 0), &mut field);
    match payload {
        Payload::Text(_) => {
            list.extend_from_slice(field.strip_prefix(b"\"data\":").unwrap_or(&field))
        }
        Payload::Binary(_) => {
            list.push(b'{');
            list.extend_from_slice(&field);
            list.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_answers_are_a_list_of_what_they_are() {
        let mut list = Vec::new();
        for payload in [
            Payload::Text("{\"a\": 1}".into()),
            Payload::Text("hi \"you\"".into()),
            Payload::Binary(bytes::Bytes::from_static(&[0, 255])),
        ] {
            entry(&payload, &mut list);
            list.push(b'\n');
        }
        assert_eq!(
            list,
            b"{\"a\": 1}\n\"hi \\\"you\\\"\"\n{\"b64data\":\"AP8=\"}\n"
        );
    }
}
