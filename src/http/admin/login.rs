//! `POST /admin/login`, `/admin/renew` and `/admin/logout`: the key for a token, which the page
//! keeps instead.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;

use super::{AdminError, Administrator, answer::json};
use crate::{
    http::{auth, request},
    logger::Address,
    node::{
        Node,
        admin::{Credential, NotAdmin, TokenTimes, seconds},
    },
};

/// What a login and a renewal answer.
#[derive(Serialize)]
struct Token<'a> {
    token: &'a str,
    /// Seconds until it is over unless renewed.
    expires_in: u64,
    /// Seconds until it is over for good.
    ends_in: u64,
    node: &'a str,
    /// Whether nobody on the way reads along; absent where that is not known.
    secure: Option<bool>,
}

fn answer(
    request: &HttpRequest,
    node: &Node,
    token: &str,
    times: TokenTimes,
) -> Result<HttpResponse, AdminError> {
    json(&Token {
        token,
        expires_in: seconds(times.expires_in),
        ends_in: seconds(times.ends_in),
        node: &node.settings.node,
        secure: request::is_secure(request, node),
    })
}

/// Answers `POST /admin/login`.
pub(super) async fn login(
    request: HttpRequest,
    administrator: Administrator,
    node: Data<Node>,
) -> Result<HttpResponse, AdminError> {
    if administrator.credential == Credential::Token {
        let what = "a login needs admin.key; a token is renewed at /admin/renew";
        return Err(AdminError::BadRequest(what.to_string()));
    }
    let login = node.login_admin().await.ok_or(AdminError::Stopping)?;
    log::info!(address:% = administrator.address; "an administrator logged in");
    answer(&request, &node, &login.token, login.times)
}

/// Answers `POST /admin/renew`.
pub(super) async fn renew(
    request: HttpRequest,
    administrator: Administrator,
    node: Data<Node>,
) -> Result<HttpResponse, AdminError> {
    let token = auth::bearer(request.headers()).filter(|_| {
        // The key needs no renewal.
        administrator.credential == Credential::Token
    });
    let token = token.and_then(|token| std::str::from_utf8(token).ok());
    let Some(token) = token else {
        let what = "only a token of /admin/login can be renewed";
        return Err(AdminError::BadRequest(what.to_string()));
    };
    let times = node.renew_admin(token.as_bytes());
    answer(&request, &node, token, times.ok_or(NotAdmin::Over)?)
}

/// Answers `POST /admin/logout`: whoever has a token may end it, and one that is over has ended.
pub(super) async fn logout(
    request: HttpRequest,
    node: Data<Node>,
) -> Result<HttpResponse, AdminError> {
    let token = auth::bearer(request.headers()).unwrap_or_default();
    if node.logout_admin(token).await {
        let address = Address(request::address_of(&request, &node));
        log::info!(address:%; "an administrator logged out");
    }
    Ok(HttpResponse::NoContent().finish())
}
