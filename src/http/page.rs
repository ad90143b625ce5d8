//! The console at `/`, the administrator's page at `/admin`, and their files: those of `static/`,
//! built into the binary.

use std::sync::LazyLock;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web::Path,
};
use rust_embed::RustEmbed;

use super::embedded::Folder;

/// Everything from here, nothing inline, and no text that becomes script or markup (trusted types):
/// a message that a peer sent can never become script.
macro_rules! policy {
    ($connect:literal) => {
        concat!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; ",
            "connect-src ",
            $connect,
            "; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; ",
            "require-trusted-types-for 'script'"
        )
    };
}

/// The console connects to any WebSocket; its SSE and polls reach only this host.
const POLICY: &str = policy!("'self' ws: wss:");
/// What the administrator's page holds goes nowhere else.
const ADMIN_POLICY: &str = policy!("'self'");

#[derive(RustEmbed)]
#[folder = "static/"]
struct PageFiles;

pub(super) static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::of::<PageFiles>);

/// Answers `/`.
pub(super) async fn index(request: HttpRequest) -> HttpResponse {
    serve(&request, "index.html", POLICY)
}

/// Answers `/admin`.
pub(super) async fn admin(request: HttpRequest) -> HttpResponse {
    serve(&request, "admin.html", ADMIN_POLICY)
}

/// Answers `/static/{name}`.
pub(super) async fn file(request: HttpRequest, name: Path<String>) -> HttpResponse {
    serve(&request, &name, POLICY)
}

fn serve(request: &HttpRequest, name: &str, policy: &'static str) -> HttpResponse {
    let Some(mut answer) = FOLDER.answer(request, name) else {
        return HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("the page has no such file\n");
    };
    let policies = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in policies {
        let value = HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    }
    answer
}
