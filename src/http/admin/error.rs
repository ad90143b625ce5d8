//! What `/admin/*` answers instead: `{"error":{"code","message"}}`, where the code is a word that a
//! page can translate and the message a sentence.

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde_json::json;

use crate::{
    http::{auth, body::BodyError, refused},
    node::admin::{self, NotAdmin},
};

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AdminError {
    /// Who asks is no administrator.
    #[error("{0}")]
    NotAdmin(NotAdmin),
    /// A parameter or a body cannot be read, or has a value that it cannot have.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// There is no whole body.
    #[error("{0}")]
    Body(BodyError),
    /// A drain is for another node.
    #[error("this node has another name: nothing was done")]
    OtherNode,
    /// There is no such session, or no more.
    #[error("no such session")]
    NoSession,
    /// As many long lists are made as may be.
    #[error("too many lists are made at a time; come again")]
    Busy,
    /// There is no such route.
    #[error("nothing is served at this path")]
    NoRoute,
    /// The route has other methods.
    #[error("only {0} is answered here")]
    OnlyMethods(&'static str),
    /// The server has no random bytes, or ends.
    #[error("the server is stopping")]
    Stopping,
}

impl From<NotAdmin> for AdminError {
    fn from(why: NotAdmin) -> Self {
        Self::NotAdmin(why)
    }
}

impl From<BodyError> for AdminError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl AdminError {
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotAdmin(NotAdmin::Limited(_)) => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_failures")
            }
            Self::NotAdmin(NotAdmin::NoKey) | Self::NoRoute | Self::NoSession => {
                (StatusCode::NOT_FOUND, "not_found")
            }
            Self::NotAdmin(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::Body(error) => match error.status() {
                413 => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
                408 => (StatusCode::REQUEST_TIMEOUT, "timeout"),
                _ => (StatusCode::BAD_REQUEST, "bad_request"),
            },
            Self::OtherNode => (StatusCode::BAD_REQUEST, "other_node"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::OnlyMethods(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        }
    }
}

impl ResponseError for AdminError {
    fn status_code(&self) -> StatusCode {
        self.kind().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code) = self.kind();
        let mut error = json!({ "code": code, "message": self.to_string() });
        let mut answer = HttpResponse::build(status);
        match self {
            Self::NotAdmin(why) => {
                if let Some(header) = auth::headers_of(*why) {
                    answer.insert_header(header);
                }
                if let NotAdmin::Limited(again_in) = why {
                    error["retry_after"] = json!(admin::seconds(*again_in));
                }
            }
            Self::Busy => {
                answer.insert_header((header::RETRY_AFTER, "1"));
            }
            Self::OnlyMethods(methods) => {
                answer.insert_header((header::ALLOW, *methods));
            }
            _ => {}
        }
        answer.insert_header((header::CACHE_CONTROL, "no-store"));
        let mut answer = answer.json(json!({ "error": error }));
        refused::because(&mut answer, self);
        answer
    }
}
