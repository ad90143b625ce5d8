//! What the page at `/admin` asks of the node: logging in, who is connected, channels, pushes,
//! polls, hooks, and the drain. Each route is a file of its own.
//!
//! All but the page need the administrator ([`Administrator`]), who is found by a header, never by
//! a cookie, and no other origin is let in (no CORS): a page of another site can do nothing here.
//! They exist while `admin.key` is set, on `admin.listen` alone where that is.

mod administrator;
mod error;
mod login;

use actix_web::{
    Error, HttpRequest, HttpResponse, Route,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    guard,
    http::header,
    middleware::{Next, from_fn},
    web::{self, Data},
};
use serde::Serialize;

use self::{administrator::Administrator, error::AdminError};
use super::{HttpState, page};
use crate::{node::Node, transport::listener::Door};

/// Registers the routes.
pub(super) fn configure(app: &mut web::ServiceConfig) {
    let scope = web::scope("/admin")
        .wrap(from_fn(at_its_door))
        .service(resource("", "GET, HEAD", reading().to(page::admin)))
        .service(resource("/", "GET, HEAD", reading().to(to_page)))
        .service(resource("/login", "POST", web::post().to(login::login)))
        .service(resource("/renew", "POST", web::post().to(login::renew)))
        .service(resource("/logout", "POST", web::post().to(login::logout)))
        .default_service(web::to(no_such_route));
    app.service(scope);
}

fn reading() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn resource(path: &str, methods: &'static str, route: Route) -> actix_web::Resource {
    let other = move || async move { Err::<HttpResponse, _>(AdminError::OnlyMethods(methods)) };
    web::resource(path)
        .route(route)
        .default_service(web::to(other))
}

/// Whether a request came where administrators are served.
pub(super) fn is_at_its_door(request: &HttpRequest, node: &Node) -> bool {
    node.settings.admin.listen.is_none()
        || request.conn_data::<Door>() == Some(&Door::Administrators)
}

/// Lets nobody see on another door that there is anything.
async fn at_its_door(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // Registered with every App by `configure`.
    let node = request.app_data::<Data<Node>>();
    if node.is_some_and(|node| is_at_its_door(request.request(), node)) {
        return next.call(request).await;
    }
    let answer = match request.app_data::<Data<HttpState>>() {
        Some(http) => super::nothing_here(http),
        None => HttpResponse::NotFound().finish(),
    };
    Ok(request.into_response(answer))
}

/// The addresses in the page are relative to `/admin`, behind a proxy's prefix too.
async fn to_page() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "../admin"))
        .finish()
}

async fn no_such_route() -> Result<HttpResponse, AdminError> {
    Err(AdminError::NoRoute)
}

/// An answer in JSON, which nobody is to keep.
fn json(value: &impl Serialize) -> Result<HttpResponse, AdminError> {
    let body = serde_json::to_string(value).map_err(|_| AdminError::Stopping)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(body))
}
