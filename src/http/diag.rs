//! `/diag`: tells the caller what arrived here, so that a page can say what a proxy in between did
//! to it.

use actix_web::{HttpRequest, HttpResponse, http::Version, http::header, web};
use serde_json::{Map, Value, json};

use super::request::{peer_ip, proxies};
use crate::{
    connection::info::TransportKind,
    logger::escape::Lossy,
    node::{Node, phase::Phase},
    transport::address,
};

/// Headers whose values are secrets.
const SECRET: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "sec-websocket-key",
    "sec-websocket-protocol",
];

/// Answers `/diag`.
pub(super) async fn diag(request: HttpRequest, node: web::Data<Node>) -> HttpResponse {
    let headers = request.headers();
    let peer = peer_ip(&request);
    let resolved = address::resolve(peer, headers, proxies(&node));
    let mut shown: Map<String, Value> = Map::new();
    for (name, value) in headers {
        let value = if SECRET.contains(&name.as_str()) {
            "(masked)".to_string()
        } else {
            mask_query(&Lossy(value.as_bytes()).to_string())
        };
        // Lines of the same name are one list (RFC 9110 §5.2).
        match shown.get_mut(name.as_str()) {
            Some(Value::String(list)) => *list = format!("{list}, {value}"),
            _ => {
                shown.insert(name.to_string(), value.into());
            }
        }
    }
    let transport = request.conn_data::<TransportKind>().copied();
    let answer = json!({
        "http_version": version(request.version()),
        "method": request.method().as_str(),
        "path": request.path(),
        "query": mask_query(request.query_string()),
        "tls": transport == Some(TransportKind::WebSocketTls),
        "address": { "peer": peer, "resolved": resolved },
        "trusted_proxy": address::is_trusted(peer, &node.settings.trusted_proxies),
        "headers": shown,
        "problems": problems(&request, &node, peer),
        "node": node.settings.node,
        "version": env!("CARGO_PKG_VERSION"),
    });
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(answer.to_string())
}

/// What a look at the request finds wrong; for people.
fn problems(request: &HttpRequest, node: &Node, peer: Option<std::net::IpAddr>) -> Vec<String> {
    let headers = request.headers();
    let mut problems = Vec::new();
    if request.version() < Version::HTTP_11 {
        problems.push(
            "The request arrived as HTTP/1.0: set proxy_http_version 1.1 in nginx.".to_string(),
        );
    }
    let proxied = headers.contains_key("x-forwarded-for")
        || headers.contains_key("x-real-ip")
        || headers.contains_key("forwarded");
    let proxies = proxies(node);
    problems.extend(address::doubt(peer, headers, proxies));
    if proxied && !address::is_trusted(peer, proxies.trusted) {
        problems.push(
            "The request came through a proxy that is not in trusted_proxies: everyone behind it looks like one \
             address."
                .to_string(),
        );
    }
    if node.phase() > Phase::Running {
        problems.push("The server is shutting down.".to_string());
    } else if node.is_full() {
        problems.push("The server is full (limits.sessions).".to_string());
    }
    problems
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        _ => "3",
    }
}

/// Masks the values of `token=`, `cf_connect=` and `api_key=`, wherever a URL may stand.
fn mask_query(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, name)) = ["token=", "cf_connect=", "api_key="]
        .iter()
        .filter_map(|name| rest.find(name).map(|at| (at, name)))
        .min()
    {
        let value = start + name.len();
        masked.push_str(&rest[..value]);
        masked.push_str("(masked)");
        let end = rest[value..]
            .find(['&', '#', ' '])
            .map_or(rest.len(), |at| value + at);
        rest = &rest[end..];
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use super::mask_query;

    #[test]
    fn secrets_in_a_query_are_masked() {
        assert_eq!(
            mask_query("channel=a&token=abc.def&x=1&cf_connect=%7B"),
            "channel=a&token=(masked)&x=1&cf_connect=(masked)"
        );
        assert_eq!(mask_query("api_key=k%26&a=b"), "api_key=(masked)&a=b");
        assert_eq!(mask_query("a=b"), "a=b");
    }
}
