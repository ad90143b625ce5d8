//! How the API answers: `{"result":…}` or `{"error":{"code","message"}}`, with status 200; or, for
//! a caller that asked for it, the error alone with a status of its own. Pure. Results are JSON
//! texts that are put together, never parsed again.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use serde::{Serialize, ser::SerializeMap as _};

use crate::{
    http::{auth, body::known_fault, refused},
    node::{admin::NotAdmin, authorize::api::ApiDenied},
    protocol::ReplyError,
};

/// What a method answers: its result as JSON.
pub(super) type ApiResult = Result<String, ReplyError>;

/// The result that says nothing.
pub(super) const DONE: &str = "{}";

/// An answer with a result as JSON.
pub(super) fn result(value: &impl Serialize) -> ApiResult {
    // Fails only for maps whose keys are no texts, which no result has.
    serde_json::to_string(value).map_err(|_| ReplyError::INTERNAL)
}

struct ErrorBody<'a>(&'a ReplyError);

impl Serialize for ErrorBody<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", &self.0.code)?;
        map.serialize_entry("message", &self.0.message)?;
        if self.0.temporary {
            map.serialize_entry("temporary", &true)?;
        }
        map.end()
    }
}

/// `{"code","message"}`.
fn error_body(error: &ReplyError) -> String {
    // Numbers and texts always serialise.
    serde_json::to_string(&ErrorBody(error)).unwrap_or_default()
}

/// Appends `"<name>":<result>` or `"error":{…}`.
pub(super) fn write_member(out: &mut String, name: &str, answer: &ApiResult) {
    let (name, body) = match answer {
        Ok(result) => (name, std::borrow::Cow::Borrowed(result.as_str())),
        Err(error) => ("error", error_body(error).into()),
    };
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    out.push_str(&body);
}

/// Appends `{"<name>":<result>}` or `{"error":{…}}`.
fn write(out: &mut String, name: &str, answer: &ApiResult) {
    out.push('{');
    write_member(out, name, answer);
    out.push('}');
}

/// `[a,b,…]` of answers.
pub(super) fn list(answers: impl Iterator<Item = (&'static str, ApiResult)>) -> String {
    let mut out = String::from("[");
    for (index, (name, answer)) in answers.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(&mut out, name, &answer);
    }
    out.push(']');
    out
}

/// An answer with this body.
pub(super) fn with_body(status: StatusCode, body: String) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json");
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
        response.insert_header((header::RETRY_AFTER, "1"));
    }
    response.body(body)
}

/// The answer of a method, under this name.
pub(super) fn of_method(request: &HttpRequest, name: &str, answer: &ApiResult) -> HttpResponse {
    match answer {
        Err(error) if is_transport_mode(request) => with_status(request, status_of(error), error),
        _ => {
            if let Err(error) = answer {
                tell_error(request, error);
            }
            let mut body = String::new();
            write(&mut body, name, answer);
            with_body(StatusCode::OK, body)
        }
    }
}

/// Says in the log why a call, or one of a batch, has an error in an answer of success.
pub(super) fn tell_error(request: &HttpRequest, error: &ReplyError) {
    refused::tell(request, StatusCode::OK, Some(error.code), &error.message);
}

/// An error that always has its status.
pub(super) fn with_status(
    request: &HttpRequest,
    status: StatusCode,
    error: &ReplyError,
) -> HttpResponse {
    let body = error_body(error);
    let body = match is_transport_mode(request) {
        true => body,
        false => format!("{{\"error\":{body}}}"),
    };
    let mut answer = with_body(status, body);
    refused::because_of_error(&mut answer, error.code, &error.message);
    answer
}

/// Bad requests say what is wrong; it is the backend that reads it, not a client.
pub(super) fn bad_request(why: String) -> ReplyError {
    ReplyError {
        message: why.into(),
        ..ReplyError::BAD_REQUEST
    }
}

/// Bad JSON, or JSON of another shape. The message names line and column.
pub(super) fn unreadable(request: &HttpRequest, error: &serde_json::Error) -> HttpResponse {
    let what = match error.is_data() {
        true => "",
        false => "the body is no JSON: ",
    };
    let error = bad_request(format!("bad request: {what}{error}"));
    with_status(request, StatusCode::BAD_REQUEST, &error)
}

/// A body that is no JSON object.
pub(super) fn no_object(request: &HttpRequest, body: &[u8]) -> HttpResponse {
    if let Some(fault) = known_fault(body) {
        let error = bad_request(format!("bad request: {fault}"));
        return with_status(request, StatusCode::UNSUPPORTED_MEDIA_TYPE, &error);
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        Err(error) => unreadable(request, &error),
        Ok(_) => {
            let why = "bad request: expected a JSON object at line 1 column 1";
            let error = bad_request(why.to_string());
            with_status(request, StatusCode::BAD_REQUEST, &error)
        }
    }
}

/// A request without a right to be here.
pub(super) fn denied(request: &HttpRequest, denied: ApiDenied) -> HttpResponse {
    match denied {
        ApiDenied::Key => {
            let error = ReplyError {
                message: NEEDS_KEY.into(),
                ..ReplyError::UNAUTHORIZED
            };
            let mut response = with_status(request, StatusCode::UNAUTHORIZED, &error);
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                header::HeaderValue::from_static(CHALLENGE),
            );
            response
        }
        ApiDenied::NotLocal => {
            let error = ReplyError {
                message: NOT_LOCAL.into(),
                ..ReplyError::PERMISSION_DENIED
            };
            with_status(request, StatusCode::FORBIDDEN, &error)
        }
        ApiDenied::Admin(why) => not_admin(request, why),
    }
}

/// A request by the administrator's right that does not count.
fn not_admin(request: &HttpRequest, why: NotAdmin) -> HttpResponse {
    let (status, kind) = match why {
        NotAdmin::Limited(_) => (StatusCode::TOO_MANY_REQUESTS, ReplyError::TOO_MANY_REQUESTS),
        _ => (StatusCode::UNAUTHORIZED, ReplyError::UNAUTHORIZED),
    };
    let error = ReplyError {
        message: format!("{}: {why}", kind.message).into(),
        ..kind
    };
    let mut response = with_status(request, status, &error);
    if let Some((name, mut value)) = auth::headers_of(why) {
        if name == header::WWW_AUTHENTICATE {
            // The API's own key opens it too, and comes first (RFC 9110, 11.6.1: a list).
            value = format!("{CHALLENGE}, {value}");
        }
        if let Ok(value) = header::HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// What the API asks for, as a challenge.
const CHALLENGE: &str = "apikey realm=\"fanfare api\"";
const NEEDS_KEY: &str =
    "unauthorized: needs the header X-API-Key: <api.key> or Authorization: apikey <api.key>";
const NOT_LOCAL: &str = "permission denied: while no api.key is set, only requests from this machine that no proxy passed on and \
     whose Host is localhost, a loopback address or the machine's name; set api.key";

/// `X-Centrifugo-Error-Mode: transport`: errors come alone, with statuses of their own.
fn is_transport_mode(request: &HttpRequest) -> bool {
    let mode = request.headers().get("x-centrifugo-error-mode");
    mode.is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"transport"))
}

/// The status of an error, as Centrifugo's where it has that error; but what may be gone when the
/// caller comes again says so. The table of docs/api.md.
pub(super) fn status_of(error: &ReplyError) -> StatusCode {
    match error.code {
        100 => StatusCode::SERVICE_UNAVAILABLE,
        101 => StatusCode::UNAUTHORIZED,
        102 | 104 => StatusCode::NOT_FOUND,
        103 => StatusCode::FORBIDDEN,
        106..=108 => StatusCode::BAD_REQUEST,
        111 => StatusCode::TOO_MANY_REQUESTS,
        112 => StatusCode::RANGE_NOT_SATISFIABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_results_or_errors_and_say_what_passes() {
        let answers = [
            ("publish", Ok("{\"offset\":1}".to_string())),
            ("result", Err(ReplyError::UNKNOWN_CHANNEL)),
            ("result", Err(ReplyError::INTERNAL)),
        ];
        assert_eq!(
            list(answers.into_iter()),
            r#"[{"publish":{"offset":1}},{"error":{"code":102,"message":"unknown channel"}},{"error":{"code":100,"message":"internal server error","temporary":true}}]"#
        );
        assert_eq!(list(std::iter::empty()), "[]");
    }
}
