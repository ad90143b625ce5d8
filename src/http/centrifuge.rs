//! The ways in for clients of the Centrifuge protocol: WebSocket, streamed answers with
//! `/emulation`, and the one-way forms.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use bytes::Bytes;
use serde::Deserialize;

use super::{body, cors, plain, request};
use crate::{
    connection::info::TransportKind,
    metrics::Limited,
    node::{Node, emulation::NotTaken},
    protocol::{self, Encoding},
    publication::Framing,
    session::{
        NewSession, Session,
        body::OutboxBody,
        centrifuge::{Centrifuge, CentrifugeParams, ClientTransport},
        handshake::{self, Refusal},
    },
    transport::handover::HandOver,
};

/// Bytes of a request body (protocol page, part 7).
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Subprotocols that say how messages are written.
const AS_PROTOBUF: &str = "centrifuge-protobuf";
const AS_JSON: &str = "centrifuge-json";

/// What the address of a connection says.
#[derive(Debug, Default, Deserialize)]
struct ConnectQuery {
    #[serde(default)]
    format: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    cf_connect: String,
    #[serde(default)]
    cf_protocol: String,
    #[serde(default)]
    cf_ws_frame_ping_pong: String,
}

impl ConnectQuery {
    fn of(request: &HttpRequest) -> Self {
        // What cannot be read says nothing.
        web::Query::<Self>::from_query(request.query_string())
            .map(web::Query::into_inner)
            .unwrap_or_default()
    }

    fn token(&self, request: &HttpRequest) -> Option<String> {
        let named = (!self.token.is_empty()).then_some(self.token.as_str());
        request::token_in(request.headers(), named)
    }
}

/// Registers the routes.
pub(super) fn configure(app: &mut web::ServiceConfig) {
    app.route("/connection/websocket", web::to(websocket))
        .route("/connection/uni_websocket", web::to(uni_websocket))
        .route("/connection/http_stream", web::to(http_stream))
        .route("/connection/uni_http_stream", web::to(uni_http_stream))
        .route("/connection/sse", web::to(sse))
        .route("/connection/uni_sse", web::to(uni_sse))
        .route("/emulation", web::to(emulation));
}

async fn websocket(request: HttpRequest, node: web::Data<Node>) -> HttpResponse {
    let answer = open(&request, &node, false);
    answer.unwrap_or_else(|refusal| request::refuse(&request, &node, &refusal))
}

async fn uni_websocket(request: HttpRequest, node: web::Data<Node>) -> HttpResponse {
    let answer = open(&request, &node, true);
    answer.unwrap_or_else(|refusal| request::refuse(&request, &node, &refusal))
}

fn open(
    request: &HttpRequest,
    node: &Arc<Node>,
    unidirectional: bool,
) -> Result<HttpResponse, Refusal> {
    request::check_handshake(request, node)?;
    let shard = request::shard_of(request)?.clone();
    request::check_client_origin(request, node)?;
    let query = ConnectQuery::of(request);
    let offered: Vec<&str> =
        handshake::list(request.headers(), header::SEC_WEBSOCKET_PROTOCOL).collect();
    let known = [AS_PROTOBUF, AS_JSON, "fanfare"];
    let named = offered.iter().copied().find(|name| known.contains(name));
    if named.is_none() {
        request::tell_of_offer(
            request,
            node,
            "centrifuge-json, centrifuge-protobuf, fanfare",
        );
    }
    let binary =
        named == Some(AS_PROTOBUF) || [&*query.format, &*query.cf_protocol].contains(&"protobuf");
    // In a URL it is JSON, whatever the frames are.
    let connect = (unidirectional && !query.cf_connect.is_empty()).then(|| {
        protocol::connect_request(Encoding::Json, query.cf_connect.as_bytes()).map(Box::new)
    });
    let transport = match unidirectional {
        true => TransportKind::UniWebSocket,
        false => request::transport_of(request),
    };
    let mut connect_info = request::connect_info(request, node, request.path().into(), transport)?;
    let mut response = request::upgrade_response(request, node, &mut connect_info, named);
    let window_bits = connect_info.window_bits.unwrap_or(0);
    let client_transport = ClientTransport {
        encoding: encoding(binary),
        unidirectional,
        framing: Framing::WebSocket { window_bits },
        frame_pings: query.cf_ws_frame_ping_pong == "true",
    };
    let params = CentrifugeParams {
        connect,
        ..CentrifugeParams::new(&connect_info, client_transport, query.token(request))
    };
    let node = node.clone();
    response
        .extensions_mut()
        .insert(HandOver::new(move |upgraded| {
            let new = NewSession {
                connect_info,
                profile: client_transport.profile(),
                params,
                shard: &shard,
                node: &node,
            };
            Session::<Centrifuge>::start_on_socket(new, upgraded);
        }));
    Ok(response)
}

fn encoding(binary: bool) -> Encoding {
    match binary {
        true => Encoding::Protobuf,
        false => Encoding::Json,
    }
}

async fn http_stream(
    request: HttpRequest,
    node: web::Data<Node>,
    body: web::Payload,
) -> HttpResponse {
    posted(&request, &node, body, TransportKind::HttpStream).await
}

async fn uni_http_stream(
    request: HttpRequest,
    node: web::Data<Node>,
    body: web::Payload,
) -> HttpResponse {
    posted(&request, &node, body, TransportKind::UniHttpStream).await
}

async fn posted(
    request: &HttpRequest,
    node: &Arc<Node>,
    body: web::Payload,
    transport: TransportKind,
) -> HttpResponse {
    if let Some(answer) = cors::preflight(request, node, &[Method::POST]) {
        return answer;
    }
    let commands = match read_body(request, node, body).await {
        Ok(commands) => commands,
        Err(answer) => return *answer,
    };
    let client_transport = ClientTransport {
        encoding: encoding(body::is_binary(request)),
        unidirectional: transport == TransportKind::UniHttpStream,
        framing: Framing::Line,
        frame_pings: false,
    };
    stream(
        request,
        node,
        client_transport,
        transport,
        Commands::Posted(commands),
    )
}

/// The commands that a stream begins with.
enum Commands {
    Posted(Bytes),
    InAddress(Bytes),
}

async fn sse(request: HttpRequest, node: web::Data<Node>, body: web::Payload) -> HttpResponse {
    events(&request, &node, body, TransportKind::Sse).await
}

async fn uni_sse(request: HttpRequest, node: web::Data<Node>, body: web::Payload) -> HttpResponse {
    events(&request, &node, body, TransportKind::UniSse).await
}

async fn events(
    request: &HttpRequest,
    node: &Arc<Node>,
    body: web::Payload,
    transport: TransportKind,
) -> HttpResponse {
    let post = request.method() == Method::POST;
    let method = if post { Method::POST } else { Method::GET };
    if let Some(answer) = cors::preflight(request, node, std::slice::from_ref(&method)) {
        return answer;
    }
    let commands = match post {
        true => match read_body(request, node, body).await {
            Ok(commands) => Commands::Posted(commands),
            Err(answer) => return *answer,
        },
        false => Commands::InAddress(Bytes::from(ConnectQuery::of(request).cf_connect)),
    };
    let client_transport = ClientTransport {
        encoding: Encoding::Json,
        unidirectional: transport == TransportKind::UniSse,
        framing: Framing::Event,
        frame_pings: false,
    };
    stream(request, node, client_transport, transport, commands)
}

/// Begins a streamed session.
fn stream(
    request: &HttpRequest,
    node: &Arc<Node>,
    client_transport: ClientTransport,
    transport: TransportKind,
    commands: Commands,
) -> HttpResponse {
    // So that a browser says "open" before anything else comes.
    let head = (client_transport.framing == Framing::Event).then(|| Bytes::from_static(b"\r\n"));
    let begun = (|| {
        if node.refuses_sessions() {
            return Err(Refusal::Draining);
        }
        let shard = request::shard_of(request)?;
        let connect_info = request::connect_info(request, node, request.path().into(), transport)?;
        let token = ConnectQuery::of(request).token(request);
        let params = CentrifugeParams::new(&connect_info, client_transport, token);
        let params = match commands {
            Commands::Posted(commands) => params.with_commands(commands),
            Commands::InAddress(commands) => params.with_commands_of_address(commands),
        };
        Ok(Session::<Centrifuge>::start_on_body(NewSession {
            connect_info,
            profile: client_transport.profile(),
            params,
            shard,
            node,
        }))
    })();
    let (connection, session) = match begun {
        Ok(begun) => begun,
        Err(refusal) => {
            let mut answer = request::refuse(request, node, &refusal);
            // Else a page could not tell it from a network that is gone.
            cors::add_headers(request, node, answer.headers_mut());
            return answer;
        }
    };
    let content_type = match (client_transport.framing, client_transport.encoding) {
        (Framing::Event, _) => "text/event-stream",
        (_, Encoding::Protobuf) => "application/octet-stream",
        _ => "application/json",
    };
    let mut answer = HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "no-cache, no-store, no-transform"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(OutboxBody::new(head, connection, session));
    plain::without_chunking(request, &mut answer);
    cors::add_headers(request, node, answer.headers_mut());
    answer
}

/// Commands of a streamed session.
async fn emulation(
    request: HttpRequest,
    node: web::Data<Node>,
    body: web::Payload,
) -> HttpResponse {
    if let Some(answer) = cors::preflight(&request, &node, &[Method::POST]) {
        return answer;
    }
    let body = match read_body(&request, &node, body).await {
        Ok(body) => body,
        Err(answer) => return *answer,
    };
    let text = |status: u16, text: &str| {
        let mut answer = plain::plain_text(status, text);
        cors::add_headers(&request, &node, answer.headers_mut());
        answer
    };
    let emulation = match protocol::emulation(encoding(body::is_binary(&request)), &body) {
        Ok(emulation) => emulation,
        Err(malformed) => return text(400, &malformed.to_string()),
    };
    if emulation.node != node.node_id {
        return text(
            404,
            "no such node: the stream was opened elsewhere, or this node restarted",
        );
    }
    match node.emulation.find(&emulation.session) {
        Some(session) => match session.send(emulation.data) {
            Ok(()) => {
                let mut answer = HttpResponse::NoContent().finish();
                cors::add_headers(&request, &node, answer.headers_mut());
                answer
            }
            Err(NotTaken::Full) => {
                node.metrics.limited(Limited::FramesPending);
                text(
                    503,
                    "too many commands wait (limits.frames_pending), try again",
                )
            }
            Err(NotTaken::Ended) => text(404, "this session has ended"),
        },
        None => text(404, "no such session"),
    }
}

async fn read_body(
    request: &HttpRequest,
    node: &Node,
    body: web::Payload,
) -> Result<Bytes, Box<HttpResponse>> {
    let limit = BODY_BYTES_MAX.min(node.settings.limits.message_bytes);
    let read = plain::body(
        request,
        body,
        limit,
        "64 KiB, or less by limits.message_bytes",
    )
    .await;
    read.map_err(|mut answer| {
        cors::add_headers(request, node, answer.headers_mut());
        answer
    })
}
