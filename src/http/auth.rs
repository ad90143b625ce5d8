//! The administrator's credential on a request: `Authorization: Bearer`, with `admin.key` or a
//! token of a login. Whose it is, [`crate::node::admin`] says; here is what a request brings and
//! what it is answered.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderMap},
};

use super::request;
use crate::node::{
    Node,
    admin::{self, Credential, NotAdmin},
};

/// What a request brings behind `Authorization: Bearer`.
#[must_use]
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| key.trim_ascii())
}

/// Whether a request is the administrator's. To be asked once a request, since a wrong key counts.
///
/// # Errors
/// As [`Node::check_admin`].
pub(super) fn check(request: &HttpRequest, node: &Node) -> Result<Credential, NotAdmin> {
    let from = request::address_of(request, node);
    node.check_admin(bearer(request.headers()), from)
}

/// Lets the administrator in. While no key is set, what needs it does not exist (404).
///
/// # Errors
/// The answer to who is none: 404, 401 or 429.
pub(super) fn admit(request: &HttpRequest, node: &Node) -> Result<(), Box<HttpResponse>> {
    match check(request, node) {
        Ok(_) => Ok(()),
        Err(why) => Err(Box::new(refuse(why))),
    }
}

/// The answer in words to who is no administrator.
#[must_use]
pub(super) fn refuse(why: NotAdmin) -> HttpResponse {
    let mut answer = match why {
        NotAdmin::NoKey => HttpResponse::NotFound(),
        NotAdmin::Missing | NotAdmin::Wrong | NotAdmin::Over => HttpResponse::Unauthorized(),
        NotAdmin::Limited(_) => HttpResponse::TooManyRequests(),
    };
    if let Some(header) = headers_of(why) {
        answer.insert_header(header);
    }
    answer
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/plain; charset=utf-8")
        .body(format!("{why}\n"))
}

/// What belongs to the answer in whatever form.
pub(super) fn headers_of(why: NotAdmin) -> Option<(header::HeaderName, String)> {
    match why {
        NotAdmin::NoKey => None,
        NotAdmin::Missing | NotAdmin::Wrong | NotAdmin::Over => Some((
            header::WWW_AUTHENTICATE,
            "Bearer realm=\"fanfare admin\"".to_string(),
        )),
        NotAdmin::Limited(again_in) => {
            Some((header::RETRY_AFTER, admin::seconds(again_in).to_string()))
        }
    }
}
