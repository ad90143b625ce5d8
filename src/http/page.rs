//! The console at `/`, the administrator's page at `/admin`, and their files: those of `static/`,
//! built into the binary.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ETag, EntityTag, HeaderValue, IfNoneMatch},
    web::Path,
};
use rust_embed::{EmbeddedFile, RustEmbed};

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
struct Files;

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
    let Some(file) = Files::get(name) else {
        return HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("the page has no such file\n");
    };
    let mut answer = answer(request, name, file);
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

/// The answer with an embedded file, or 304 to who has it.
pub(super) fn answer(request: &HttpRequest, name: &str, file: EmbeddedFile) -> HttpResponse {
    let tag = tag(&file);
    let is_known = is_known(request, &tag);
    let mut response = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // The address stays the same over versions, so each use asks whether the copy is current.
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(ETag(tag))
        .content_type(content_type(name));
    if is_known {
        response.finish()
    } else {
        response.body(file.data)
    }
}

fn tag(file: &EmbeddedFile) -> EntityTag {
    let hash = file.metadata.sha256_hash();
    EntityTag::new_strong(hash[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    use actix_web::http::header::Header;
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        _ => false,
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("md") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}
