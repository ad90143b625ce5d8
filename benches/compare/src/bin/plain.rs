//! The plain server of the comparison: what tutorials build with actix-web-actors.
//!
//! Every connection is an actor in a `WebsocketContext`; one central `Server` actor keeps their
//! addresses and `do_send`s a copy of each message to each of them. What a client sends on `/ws`
//! goes to all, the sender included; `POST /publish` does the same with its body. One worker, so
//! that it has one core like the others.
//!
//! It has no bounds on purpose: the context's queue and the mailboxes have none either. It has no
//! heartbeat, which is to its advantage in the figures. It must never be used for anything but the
//! comparison, and must do nothing for speed that the usual example does not do.

#![expect(
    clippy::disallowed_methods,
    reason = "mailboxes without a bound are what it is measured with"
)]

use std::collections::HashMap;

use actix::prelude::*;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_web_actors::ws;

/// A text for every session.
#[derive(Message)]
#[rtype(result = "()")]
struct Publish(String);

/// A text for one session.
#[derive(Message)]
#[rtype(result = "()")]
struct Deliver(String);

/// A session has begun; the answer is its number.
#[derive(Message)]
#[rtype(result = "u64")]
struct Connect(Recipient<Deliver>);

/// The session with this number has ended.
#[derive(Message)]
#[rtype(result = "()")]
struct Disconnect(u64);

/// Who is connected. Runs on the main thread; the worker has its own.
#[derive(Default)]
struct Server {
    sessions: HashMap<u64, Recipient<Deliver>>,
    last: u64,
}

impl Actor for Server {
    type Context = Context<Self>;
}

impl Handler<Connect> for Server {
    type Result = u64;

    fn handle(&mut self, connect: Connect, _: &mut Context<Self>) -> u64 {
        self.last += 1;
        self.sessions.insert(self.last, connect.0);
        self.last
    }
}

impl Handler<Disconnect> for Server {
    type Result = ();

    fn handle(&mut self, disconnect: Disconnect, _: &mut Context<Self>) {
        self.sessions.remove(&disconnect.0);
    }
}

impl Handler<Publish> for Server {
    type Result = ();

    fn handle(&mut self, publish: Publish, _: &mut Context<Self>) {
        for session in self.sessions.values() {
            session.do_send(Deliver(publish.0.clone()));
        }
    }
}

/// One connection.
struct Session {
    server: Addr<Server>,
    /// `None` until the server has answered `Connect`.
    id: Option<u64>,
}

impl Actor for Session {
    type Context = ws::WebsocketContext<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.server
            .send(Connect(context.address().recipient()))
            .into_actor(self)
            .then(|answer, session, context| {
                match answer {
                    Ok(id) => session.id = Some(id),
                    Err(_) => context.stop(),
                }
                fut::ready(())
            })
            .wait(context);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if let Some(id) = self.id {
            self.server.do_send(Disconnect(id));
        }
    }
}

impl Handler<Deliver> for Session {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, context: &mut Self::Context) {
        context.text(deliver.0);
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for Session {
    fn handle(
        &mut self,
        message: Result<ws::Message, ws::ProtocolError>,
        context: &mut Self::Context,
    ) {
        match message {
            Ok(ws::Message::Text(text)) => self.server.do_send(Publish(text.to_string())),
            Ok(ws::Message::Ping(data)) => context.pong(&data),
            Ok(ws::Message::Close(reason)) => {
                context.close(reason);
                context.stop();
            }
            Ok(ws::Message::Binary(_) | ws::Message::Pong(_) | ws::Message::Nop) => (),
            Ok(ws::Message::Continuation(_)) | Err(_) => context.stop(),
        }
    }
}

async fn connect(
    request: HttpRequest,
    stream: web::Payload,
    server: web::Data<Addr<Server>>,
) -> Result<HttpResponse, actix_web::Error> {
    let session = Session {
        server: server.get_ref().clone(),
        id: None,
    };
    ws::start(session, &request, stream)
}

async fn publish(body: String, server: web::Data<Addr<Server>>) -> &'static str {
    server.do_send(Publish(body));
    "published\n"
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = match std::env::args().nth(1).map(|word| word.parse::<u16>()) {
        Some(Ok(port)) => port,
        _ => {
            eprintln!("usage: plain PORT");
            std::process::exit(2);
        }
    };
    let server = Server::default().start();
    HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(server.clone()))
            .route("/ws", web::get().to(connect))
            .route("/publish", web::post().to(publish))
    })
    .workers(1)
    .bind(("127.0.0.1", port))?
    .run()
    .await
}
