//! The routes: the API, raw WebSocket endpoints, the test page, status, health, metrics and diagnosis.
//!
//! One ordinary actix-web `App` a worker and listener; handlers read [`AppState`] and ask the `Server` actor. Each route
//! is a file of its own and knows nothing of the others.

mod api;
mod auth;
mod centrifuge;
mod cors;
mod diag;
mod health;
mod longpoll;
mod metrics;
mod page;
mod plain;
mod request;
mod send;
mod sse;
mod status;
mod websocket;

use std::{rc::Rc, sync::Arc, time::Instant};

use actix::Addr;
use actix_web::{HttpResponse, http::header, web};

use crate::{
    admission::Admission,
    broker::Broker,
    config::Settings,
    drain::Drain,
    metrics::Metrics,
    node::Node,
    server::{Server, SessionCounts, poll::PollWatch},
    session::raw::endpoint::Endpoint,
    shard::{Shard, Shards},
};

pub use self::api::ApiKeys;

/// What all routes share; made once a process.
pub struct AppState {
    /// The settings, as they were read at the start.
    pub settings: Arc<Settings>,
    /// The limits on sessions.
    pub admission: Arc<Admission>,
    /// Counts of sessions.
    pub counts: Arc<SessionCounts>,
    /// Counts of everything else.
    pub metrics: Arc<Metrics>,
    /// The `Server` actor.
    pub server: Addr<Server>,
    /// The shards.
    pub shards: Arc<Shards>,
    /// The broker.
    pub broker: Arc<dyn Broker>,
    /// What sessions share.
    pub node: Arc<Node>,
    /// The keys of the API.
    pub api: ApiKeys,
    /// Whether the node drains.
    pub drain: Arc<Drain>,
    /// The `[[poll]]`s.
    pub polls: Vec<PollWatch>,
    /// The raw endpoints.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// When the process began to serve.
    pub started: Instant,
}

/// Registers every route that the settings leave enabled. Called on a worker thread, whose shard it starts.
pub fn configure(state: &Arc<AppState>, app: &mut web::ServiceConfig) {
    let shard: Rc<Shard> = state.shards.current(&state.broker);
    app.app_data(state.clone()).app_data(shard);
    for endpoint in &state.endpoints {
        let resource = web::resource(endpoint.path.to_string()).app_data(endpoint.clone());
        app.service(resource.to(websocket::open));
    }
    let settings = &state.settings;
    if settings.connection.enabled {
        centrifuge::configure(app);
    }
    if settings.sse.enabled {
        app.route("/sse", web::to(sse::open));
    }
    if settings.longpoll.enabled {
        app.route("/poll", web::to(longpoll::poll));
    }
    if settings.send.enabled {
        app.route("/send", web::to(send::send));
    }
    let get = |enabled: bool, path: &str, app: &mut web::ServiceConfig, route: actix_web::Route| {
        if enabled {
            app.service(
                web::resource(path)
                    .route(route.guard(read_guard()))
                    .default_service(web::to(only_get)),
            );
        }
    };
    get(settings.page.enabled, "/", app, web::to(page::index));
    get(
        settings.page.enabled,
        "/static/{name}",
        app,
        web::to(page::file),
    );
    get(
        settings.status.enabled,
        "/status",
        app,
        web::to(status::status),
    );
    get(
        settings.health.enabled,
        "/health",
        app,
        web::to(health::health),
    );
    get(
        settings.ready.enabled,
        "/ready",
        app,
        web::to(health::ready),
    );
    get(
        settings.metrics.enabled,
        "/metrics",
        app,
        web::to(metrics::metrics),
    );
    get(settings.diag.enabled, "/diag", app, web::to(diag::diag));
    if settings.status.enabled {
        app.service(
            web::resource("/status/sessions")
                .route(web::get().to(status::sessions))
                .default_service(web::to(only_get)),
        );
        app.service(web::resource("/status/sessions/{id}").route(web::delete().to(status::kick)));
    }
    if settings.api.enabled {
        api::configure(app);
    }
    app.default_service(web::to(not_found));
}

fn read_guard() -> impl actix_web::guard::Guard {
    actix_web::guard::Any(actix_web::guard::Get()).or(actix_web::guard::Head())
}

async fn only_get() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((header::ALLOW, "GET, HEAD"))
        .content_type("text/plain; charset=utf-8")
        .body("only GET is answered here\n")
}

async fn not_found(state: State) -> HttpResponse {
    let mut paths: Vec<&str> = state.endpoints.iter().map(|e| &*e.path).collect();
    paths.sort_unstable();
    HttpResponse::NotFound()
        .content_type("text/plain; charset=utf-8")
        .body(format!(
            "nothing is served at this path; WebSocket endpoints: {}\n",
            if paths.is_empty() {
                "none".to_string()
            } else {
                paths.join(", ")
            }
        ))
}

/// Gives handlers the [`AppState`].
pub struct State(Arc<AppState>);

impl std::ops::Deref for State {
    type Target = AppState;
    fn deref(&self) -> &AppState {
        &self.0
    }
}

impl actix_web::FromRequest for State {
    type Error = actix_web::Error;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(
        request: &actix_web::HttpRequest,
        _: &mut actix_web::dev::Payload,
    ) -> Self::Future {
        // `configure` registers it with every App.
        std::future::ready(match request.app_data::<Arc<AppState>>() {
            Some(state) => Ok(Self(state.clone())),
            None => Err(actix_web::error::ErrorInternalServerError("no state")),
        })
    }
}

/// The other end of the request's socket; absent on a unix socket. IPv4 in IPv6 clothes is shown as IPv4.
fn peer_ip(request: &actix_web::HttpRequest) -> Option<std::net::IpAddr> {
    request.peer_addr().map(|peer| peer.ip().to_canonical())
}
