//! What the page at `/admin` asks of the node: logging in, who is connected, channels, pushes,
//! polls, hooks, and the drain. Each route is a file of its own.
//!
//! All but the page need the administrator ([`Administrator`]), who is found by a header, never by
//! a cookie, and no other origin is let in (no CORS): a page of another site can do nothing here.
//! They exist while `admin.key` is set, on `admin.listen` alone where that is. Bounds: bodies of
//! 64 KiB; what lists says its own.

mod administrator;
mod answer;
mod background;
mod channels;
pub(super) mod door;
mod error;
mod login;
mod node;
mod page;
pub(super) mod sessions;

use actix_web::{HttpResponse, Route, guard, http::header, middleware::from_fn, web};

use self::{administrator::Administrator, error::AdminError};
use super::page as files;

/// Registers the routes.
pub(super) fn configure(app: &mut web::ServiceConfig) {
    let scope = web::scope("/admin")
        .wrap(from_fn(door::at_its_door))
        .service(resource("", "GET, HEAD", reading().to(files::admin)))
        .service(resource("/", "GET, HEAD", reading().to(to_page)))
        .service(resource("/login", "POST", web::post().to(login::login)))
        .service(resource("/renew", "POST", web::post().to(login::renew)))
        .service(resource("/logout", "POST", web::post().to(login::logout)))
        .service(resource("/node", "GET, HEAD", reading().to(node::about)))
        .service(resource("/drain", "POST", web::post().to(node::drain)))
        .service(resource(
            "/sessions",
            "GET, HEAD",
            reading().to(sessions::list),
        ))
        .service(resource(
            "/sessions/{id}",
            "GET, HEAD",
            reading().to(sessions::one),
        ))
        .service(resource(
            "/sessions/{id}/disconnect",
            "POST",
            web::post().to(sessions::disconnect),
        ))
        .service(resource(
            "/channels",
            "GET, HEAD",
            reading().to(channels::list),
        ))
        .service(resource(
            "/pushes",
            "GET, HEAD",
            reading().to(background::pushes),
        ))
        .service(resource(
            "/hooks",
            "GET, HEAD",
            reading().to(background::hooks),
        ))
        .service(resource(
            "/openapi.json",
            "GET, HEAD",
            reading().to(document),
        ))
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

/// The addresses in the page are relative to `/admin`, behind a proxy's prefix too.
async fn to_page() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "../admin"))
        .finish()
}

/// These routes described for programs. Public: it tells nothing of this node.
async fn document() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .content_type("application/json")
        .body(include_str!("openapi.json"))
}

async fn no_such_route() -> Result<HttpResponse, AdminError> {
    Err(AdminError::NoRoute)
}
