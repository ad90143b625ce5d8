//! Says in the log why a request is refused, whichever route refuses it, and counts it: the one
//! place that does. Bound: what [`logger::throttled`] lets through, whatever a request holds.

use std::fmt::Display;

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody as _},
    dev::ServiceResponse,
    http::StatusCode,
    web::Data,
};
use log::{Level, kv::Value};

use super::{event_source, request};
use crate::{
    logger::{self, Address, REFUSAL_PAUSE, Subject, escape::Cut},
    node::Node,
};

/// Bytes of a path and of a reason that a line has.
const TOLD_BYTES_MAX: usize = 300;

/// What the log says of an answer, beside its status.
enum RefusalNote {
    /// Another reason than its text, which says less or is of another form.
    Because { code: Option<u32>, reason: String },
    /// Nothing: it is no refusal.
    Nothing,
}

/// Has the log say more of an answer than its text.
pub(super) fn because(answer: &mut HttpResponse, reason: impl Display) {
    note(answer, None, reason);
}

/// The same of an error of the API, which has a code.
pub(super) fn because_of_error(answer: &mut HttpResponse, code: u32, reason: impl Display) {
    note(answer, Some(code), reason);
}

fn note(answer: &mut HttpResponse, code: Option<u32>, reason: impl Display) {
    let reason = Cut(reason, TOLD_BYTES_MAX).to_string();
    let told = RefusalNote::Because { code, reason };
    answer.extensions_mut().insert(told);
}

/// Has the log say nothing of an answer that is no refusal, whatever its status.
pub(super) fn not_refused(answer: &mut HttpResponse) {
    answer.extensions_mut().insert(RefusalNote::Nothing);
}

/// Tells of a request if it is refused.
pub(super) fn tell_of_refusal(mut answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = answer.status();
    if !status.is_client_error() && !status.is_server_error() {
        return answer;
    }
    let told = answer.response_mut().extensions_mut().remove();
    let answer = match told {
        Some(RefusalNote::Nothing) => answer,
        Some(RefusalNote::Because { code, reason }) => {
            tell(answer.request(), status, code, &reason);
            answer
        }
        None => told_by_text(answer),
    };
    event_source::or_come_back(answer)
}

/// Tells of an answer what its text says.
fn told_by_text(answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let (request, response) = answer.into_parts();
    let status = response.status();
    let (response, body) = response.into_parts();
    let body = match body.try_into_bytes() {
        Ok(text) => {
            let words = String::from_utf8_lossy(&text);
            let words = match words.trim() {
                "" => status.canonical_reason().unwrap_or_default(),
                words => words,
            };
            tell(&request, status, None, &words);
            BoxBody::new(text)
        }
        Err(body) => {
            let words = status.canonical_reason().unwrap_or_default();
            tell(&request, status, None, &words);
            body
        }
    };
    ServiceResponse::new(request, response.set_body(body))
}

/// Tells of a request that is refused, or of a call of the API whose answer is an error. There is
/// one line a second for each reason, path and address, with their number.
pub(super) fn tell(
    request: &HttpRequest,
    status: StatusCode,
    code: Option<u32>,
    reason: &dyn Display,
) {
    // Registered with every App by `configure`.
    let Some(node) = request.app_data::<Data<Node>>() else {
        return;
    };
    node.metrics.refuse_request(status.as_u16(), code);
    if !log::log_enabled!(Level::Info) {
        return;
    }
    let address = Address(request::address_of(request, node));
    let (what, status) = ("request refused", status.as_u16());
    // The path, not the query: a token may stand there.
    let path = Cut(request.path(), TOLD_BYTES_MAX);
    let subject = Subject::new(Level::Info, module_path!(), what)
        .from(address)
        .with("path", &path)
        .with("status", status)
        .with("reason", reason);
    logger::throttled(subject, REFUSAL_PAUSE, |times| {
        let reason = Cut(reason, TOLD_BYTES_MAX);
        let headers = node.logged_headers(request.headers());
        let mut values = vec![
            ("address", Value::from_display(&address)),
            ("path", Value::from_display(&path)),
            ("status", status.into()),
            ("reason", Value::from_display(&reason)),
            ("times", times.into()),
        ];
        values.extend(code.map(|code| ("code", code.into())));
        values.extend(
            headers
                .as_deref()
                .map(|headers| ("headers", headers.into())),
        );
        logger::write(Level::Info, module_path!(), format_args!("{what}"), &values);
    });
}
