//! `/metrics` in OpenMetrics form, by prometheus-client, or in Prometheus's own text form for those
//! who ask for it. Labels are bounded: workers, the endpoints of the settings, and fixed words.

mod backend;
mod node;
mod numbers;
mod prometheus_text;
mod refusals;
mod state;
mod workers;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text::encode},
    registry::Registry,
};

use self::numbers::{EncodeResult, MetricFamily, gauges_by};
use super::{HttpState, api, auth};
use crate::node::{Node, authorize::api::ApiDenied};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers `/metrics`: to the administrator, to whoever has a key of the API, and while none is set
/// to this machine.
pub(super) async fn metrics(
    request: HttpRequest,
    node: Data<Node>,
    http: Data<HttpState>,
) -> HttpResponse {
    let brought = api::credentials(&request, &node, &http);
    if let Err(denied) = node.authorize_reader(&brought) {
        return refuse(denied);
    }
    let overview = node.overview().await;
    let mut registry = Registry::default();
    registry.register_collector(Box::new(NodeCollector {
        node: node.into_inner(),
        by_endpoint: overview.map_or(Vec::new(), |overview| overview.by_endpoint),
    }));
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &registry) {
        return HttpResponse::InternalServerError().body(format!("{error}\n"));
    }
    let (content_type, text) = match prometheus_text::is_wanted(&request) {
        true => (
            prometheus_text::CONTENT_TYPE,
            prometheus_text::from_open_metrics(&text),
        ),
        false => (OPEN_METRICS, text),
    };
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::VARY, "Accept"))
        .content_type(content_type)
        .body(text)
}

fn refuse(denied: ApiDenied) -> HttpResponse {
    let (mut response, why) = match denied {
        ApiDenied::Key => {
            let mut response = HttpResponse::Unauthorized();
            response.insert_header((header::WWW_AUTHENTICATE, "apikey realm=\"fanfare api\""));
            (
                response,
                "needs X-API-Key: <api.key> or Authorization: Bearer <admin.key>\n",
            )
        }
        ApiDenied::NotLocal => (
            HttpResponse::Forbidden(),
            "while no api.key is set, only for requests from this machine that no proxy passed on and whose Host is \
             localhost, a loopback address or the machine's name, or with Authorization: Bearer <admin.key>; set \
             api.key\n",
        ),
        ApiDenied::Admin(why) => return auth::refuse(why),
    };
    response.content_type("text/plain; charset=utf-8").body(why)
}

struct NodeCollector {
    node: Arc<Node>,
    by_endpoint: Vec<(Arc<str>, usize)>,
}

impl std::fmt::Debug for NodeCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

impl Collector for NodeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> EncodeResult {
        let encoder = &mut encoder;
        node::encode(&self.node, encoder)?;
        if self.node.settings.state.dir.is_some() {
            state::encode_gate(&self.node.gate.stats(), encoder)?;
        }
        if let Some(state) = self.node.state.get() {
            state::encode(&state.stats(), encoder)?;
        }
        refusals::encode(&self.node.metrics, encoder)?;
        backend::encode(&self.node, encoder)?;
        let by_endpoint = self.by_endpoint.iter();
        gauges_by(
            encoder,
            MetricFamily {
                name: "fanfare_endpoint_sessions",
                help: "Sessions now, by endpoint",
                label: "endpoint",
            },
            by_endpoint.map(|(path, count)| (path, *count as u64)),
        )?;
        workers::encode(&self.node, encoder)
    }
}
