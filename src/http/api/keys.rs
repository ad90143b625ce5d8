//! What a request brings for the API: a key in a header or in its address, or what may be the
//! administrator's. What it opens, the node says ([`crate::node::authorize::api`]).

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
    web,
};

use crate::{
    http::{HttpState, auth, request},
    node::{
        Node,
        auth::ApiCaller,
        authorize::api::{ApiCredentials, ApiDenied},
    },
};

/// What a request brings in its headers.
pub(in crate::http) fn credentials<'a>(
    request: &'a HttpRequest,
    node: &Node,
    http: &HttpState,
) -> ApiCredentials<'a> {
    let headers = request.headers();
    ApiCredentials {
        key: given(headers),
        bearer: auth::bearer(headers),
        address: request::address_of(request, node),
        is_local: http.machine.sent(request),
    }
}

/// Lets a call of the API in, whose key may stand in its address. To be asked once a request.
///
/// # Errors
/// As [`Node::authorize_api`].
pub(super) fn admit(
    request: &HttpRequest,
    node: &Node,
    http: &HttpState,
) -> Result<ApiCaller, ApiDenied> {
    let by_key = given(request.headers()).and_then(|key| node.authorize_key(key));
    if let Some(caller) = by_key {
        return caller;
    }
    let brought = credentials(request, node, http);
    if brought.key.is_some() {
        return node.authorize_api(&brought);
    }
    let in_query = in_query(request);
    let key = (!in_query.is_empty()).then_some(in_query.as_bytes());
    node.authorize_api(&ApiCredentials { key, ..brought })
}

/// `X-API-Key: <key>` or `Authorization: apikey <key>`.
fn given(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes().trim_ascii());
    }
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"apikey ")
        .then(|| key.trim_ascii())
}

/// `?api_key=<key>`, as Centrifugo takes it from those who can set no header; empty if absent. It
/// stands in the logs of proxies.
fn in_query(request: &HttpRequest) -> String {
    let pairs: Result<web::Query<Vec<(String, String)>>, _> =
        web::Query::from_query(request.query_string());
    let mut pairs = pairs
        .map(web::Query::into_inner)
        .unwrap_or_default()
        .into_iter();
    let key = pairs.find(|(name, _)| name == "api_key");
    key.map(|(_, key)| key).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::test::TestRequest;

    use super::*;
    use crate::{
        config::{Secret, Settings},
        testing::TestNode,
    };

    /// A node with these keys, and its routes' state.
    struct Keys {
        node: Arc<Node>,
        http: HttpState,
    }

    impl Keys {
        async fn of(keys: &[&str]) -> Self {
            let mut settings = Settings::demonstration();
            settings.api.key = keys.iter().map(|key| Secret::new(key)).collect();
            let http = HttpState::new(&settings, Vec::new());
            let node = TestNode::with(10, settings).node;
            // The `Server` actor gets its first turn: it must not end before it began.
            tokio::task::yield_now().await;
            Self { node, http }
        }

        fn admit(&self, request: &HttpRequest) -> Result<ApiCaller, ApiDenied> {
            admit(request, &self.node, &self.http)
        }

        fn admit_reader(&self, request: &HttpRequest) -> Result<(), ApiDenied> {
            let brought = credentials(request, &self.node, &self.http);
            let admitted = self.node.authorize_reader(&brought);
            assert_eq!(self.node.sees_inside(&brought), admitted.is_ok());
            admitted
        }
    }

    fn request(peer: &str, headers: &[(&str, &str)]) -> HttpRequest {
        let mut request = TestRequest::post().peer_addr(peer.parse().expect("an address"));
        for header in headers {
            request = request.append_header(*header);
        }
        request.to_http_request()
    }

    #[actix_web::test]
    async fn each_key_opens_in_either_header_and_nothing_else_does() {
        let keys = Keys::of(&["first", "second"]).await;
        for (headers, key) in [
            ([("X-API-Key", "first")], Ok(ApiCaller::Key(0))),
            ([("X-API-Key", "second")], Ok(ApiCaller::Key(1))),
            ([("Authorization", "apikey second")], Ok(ApiCaller::Key(1))),
            ([("Authorization", "APIKEY  first")], Ok(ApiCaller::Key(0))),
            ([("Authorization", "Bearer first")], Err(ApiDenied::Key)),
            ([("Authorization", "apikey")], Err(ApiDenied::Key)),
            ([("X-API-Key", "")], Err(ApiDenied::Key)),
            ([("X-API-Key", "firs")], Err(ApiDenied::Key)),
            ([("X-API-Key", "firstfirst")], Err(ApiDenied::Key)),
            ([("X-Other", "first")], Err(ApiDenied::Key)),
        ] {
            // From anywhere, by any proxy.
            let request = request("192.0.2.1:99", &[headers[0], ("Via", "1.1 proxy")]);
            assert_eq!(keys.admit(&request), key, "{headers:?}");
        }
    }

    // Backends that were made for Centrifugo and bring their key in the URL got 401.
    #[actix_web::test]
    async fn a_key_may_stand_in_the_url_of_the_api_and_opens_nothing_else() {
        let keys = Keys::of(&["first", "a&b"]).await;
        let of = |uri: &str, headers: &[(&str, &str)]| {
            let mut request = TestRequest::post().uri(uri);
            for header in headers {
                request = request.append_header(*header);
            }
            request.to_http_request()
        };
        for (uri, key) in [
            ("/api/publish?api_key=first", Ok(ApiCaller::Key(0))),
            ("/api/publish?x=1&api_key=a%26b", Ok(ApiCaller::Key(1))),
            ("/api/publish?api_key=second", Err(ApiDenied::Key)),
            ("/api/publish?api_key=", Err(ApiDenied::Key)),
            ("/api/publish", Err(ApiDenied::Key)),
        ] {
            assert_eq!(keys.admit(&of(uri, &[])), key, "{uri}");
        }
        let both = of("/api/publish?api_key=first", &[("X-API-Key", "wrong")]);
        assert_eq!(keys.admit(&both), Err(ApiDenied::Key), "the header counts");
        let reader = of("/metrics?api_key=first", &[]);
        assert_eq!(keys.admit_reader(&reader), Err(ApiDenied::Key));
    }

    #[actix_web::test]
    async fn without_a_key_only_this_machine_is_answered() {
        let keys = Keys::of(&[]).await;
        for (peer, host, denied) in [
            ("127.0.0.1:1", "localhost", ApiDenied::Key),
            ("127.0.0.1:1", "evil.example", ApiDenied::NotLocal),
            ("192.0.2.1:1", "localhost", ApiDenied::NotLocal),
        ] {
            let request = request(peer, &[("Host", host)]);
            assert_eq!(keys.admit(&request), Err(denied), "{peer} {host}");
            let reader = keys.admit_reader(&request);
            assert_eq!(reader.is_ok(), denied == ApiDenied::Key, "{peer} {host}");
        }
    }

    #[actix_web::test]
    async fn a_key_that_is_set_is_asked_of_readers_too() {
        let keys = Keys::of(&["k"]).await;
        assert_eq!(
            keys.admit_reader(&request("127.0.0.1:1", &[])),
            Err(ApiDenied::Key)
        );
        assert_eq!(
            keys.admit_reader(&request("192.0.2.1:1", &[("X-API-Key", "k")])),
            Ok(())
        );
    }
}
