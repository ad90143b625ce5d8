//! What an answer by HTTP costs before anybody publishes anything: the baseline of `publish`.
//!
//! `baseline PORT actix` is actix-web with one route, whose handler reads the body and answers what
//! fanfare's API answers to a publication. `baseline PORT socket` has no HTTP at all: it takes each
//! read for a request, which the load tool's are, and writes such an answer each time, so that what
//! is left is the kernel's and the runtime's. What a server does with a key, JSON and channels
//! comes on top.
//!
//! One worker, so that it has one core like the others. It must never be used for anything but the
//! comparison.

use std::{io::Result, net::Ipv4Addr};

use actix_web::{
    App, HttpResponse, HttpServer,
    http::header::{self, ContentType},
    rt::{
        self,
        net::{TcpListener, TcpStream},
    },
    web,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ANSWER: &str = r#"{"result":{}}"#;
const WHOLE_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\
    content-type: application/json\r\ncache-control: no-store\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n{\"result\":{}}";
/// The load tool's requests have some 300.
const REQUEST_BYTES_MAX: usize = 4096;

async fn answer(_body: web::Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(ANSWER)
}

/// Answers each read as a request, until the peer goes.
async fn answer_all(mut stream: TcpStream) -> Result<()> {
    let mut request = [0; REQUEST_BYTES_MAX];
    while stream.read(&mut request).await? > 0 {
        stream.write_all(WHOLE_ANSWER).await?;
    }
    Ok(())
}

async fn sockets(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        rt::spawn(answer_all(stream));
    }
}

#[actix_web::main]
async fn main() -> Result<()> {
    let words: Vec<_> = std::env::args().collect();
    match (words.get(1).map(|word| word.parse()), words.get(2)) {
        (Some(Ok(port)), Some(way)) if way == "socket" => sockets(port).await,
        (Some(Ok(port)), Some(way)) if way == "actix" => {
            HttpServer::new(|| App::new().route("/api/publish", web::post().to(answer)))
                .workers(1)
                .bind((Ipv4Addr::LOCALHOST, port))?
                .run()
                .await
        }
        _ => {
            eprintln!("usage: baseline PORT actix|socket");
            std::process::exit(2);
        }
    }
}
