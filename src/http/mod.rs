//! The routes: the API, the ways in for clients, the pages, status, health, metrics and
//! diagnosis.
//!
//! One ordinary actix-web `App` a worker and listener. Handlers read requests and write answers:
//! what is decided is asked of the [`Node`]. Each route is a file of its own and knows nothing of
//! the others. All but those of people and probes wait until the node has its state ([`hold`]).

mod access;
mod admin;
mod api;
mod auth;
mod body;
mod centrifuge;
mod client_files;
mod cors;
mod diag;
mod embedded;
mod event_source;
mod event_stream;
mod health;
mod hold;
mod local;
mod metrics;
mod not_found;
mod origin;
mod page;
mod persistence;
mod plain;
mod poll;
mod position;
mod refused;
mod request;
mod send;
mod sse;
mod state;
mod status;
mod ways;
mod websocket;

use std::{rc::Rc, sync::Arc};

use actix_web::{
    Error, Route,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    guard,
    http::Method,
    middleware::{Next, from_fn},
    web::{self, Data, ServiceConfig},
};

pub(crate) use self::state::HttpState;
use crate::{broker::LocalFanout, config::Settings, node::Node, shard::Shard};

/// What is done around every request, whichever route answers it. One layer for all of it: each
/// costs every request an allocation.
pub(crate) async fn answer(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let asks_for_upgrade = persistence::asks_for_upgrade(&request);
    let mut answer = refused::tell_of_refusal(next.call(request).await?);
    persistence::settle(&mut answer, asks_for_upgrade);
    Ok(answer)
}

/// Registers every route that the settings leave enabled. Called on a worker thread, whose shard it
/// starts.
pub(crate) fn configure(node: &Arc<Node>, http: &Arc<HttpState>, app: &mut ServiceConfig) {
    let fanout: Arc<dyn LocalFanout> = node.fanout.clone();
    let shard: Rc<Shard> = node.shards.current(&fanout);
    app.app_data(Data::from(node.clone()))
        .app_data(Data::from(http.clone()))
        .app_data(shard);
    // The routes of which most is asked come first: each is looked for in this order.
    if node.settings.api.enabled {
        app.service(api::scope());
    }
    for_people(&node.settings, app);
    // A prefix of every path, so it comes last and holds whatever comes to be served here.
    let held = web::scope("")
        .wrap(from_fn(hold::hold))
        .configure(|app| with_state(node, http, app))
        .default_service(web::to(not_found::not_found));
    app.service(held);
}

/// The routes that need the state on disk, where there is one.
fn with_state(node: &Node, http: &HttpState, app: &mut ServiceConfig) {
    for endpoint in &http.endpoints {
        let resource = web::resource(endpoint.path.to_string()).app_data(endpoint.clone());
        app.service(resource.to(websocket::open));
    }
    for_clients(&node.settings, app);
}

/// The ways in that are not raw endpoints.
fn for_clients(settings: &Settings, app: &mut ServiceConfig) {
    if settings.connection.enabled {
        centrifuge::configure(app);
    }
    if settings.sse.enabled {
        app.route("/sse", web::to(sse::open));
    }
    if settings.longpoll.enabled {
        app.route("/poll", web::to(poll::open));
    }
    if settings.send.enabled {
        app.route("/send", web::to(send::send));
    }
}

/// What administrators, probes and browsers look at.
fn for_people(settings: &Settings, app: &mut ServiceConfig) {
    if settings.page.enabled {
        get("/", web::to(page::index), app);
    }
    let has_admin = settings.admin.key.is_some();
    if settings.page.enabled || has_admin {
        get("/static/{name}", web::to(page::file), app);
    }
    if has_admin {
        admin::configure(app);
    }
    for path in client_files::PATHS {
        get(path, web::to(client_files::file), app);
    }
    if settings.health.enabled {
        get("/health", web::to(health::health), app);
    }
    if settings.ready.enabled {
        get("/ready", web::to(health::ready), app);
    }
    if settings.metrics.enabled {
        get("/metrics", web::to(metrics::metrics), app);
    }
    if settings.diag.enabled {
        get("/diag", web::to(diag::diag), app);
    }
    if settings.status.enabled {
        get("/status", web::to(status::status), app);
        get("/status/sessions", web::to(status::sessions), app);
        app.service(
            web::resource("/status/sessions/{id}").route(web::delete().to(status::disconnect)),
        );
    }
}

/// A route that is only read. Load balancers probe by HEAD and OPTIONS.
fn get(path: &str, route: Route, app: &mut ServiceConfig) {
    app.service(
        web::resource(path)
            .route(route.guard(guard::Any(guard::Get()).or(guard::Head())))
            .route(web::method(Method::OPTIONS).to(plain::options))
            .default_service(web::to(plain::only_get)),
    );
}
