//! The client for browsers and the worker that its tabs share: the built files of
//! `clients/browser`, in the binary, for pages of every origin. They are served whatever else is
//! switched off, so that who runs a server has the client that fits it.

use std::sync::LazyLock;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderName},
};
use rust_embed::RustEmbed;

use super::embedded::Folder;

/// Where they are served.
pub(super) const PATHS: [&str; 3] = ["/fanfare.mjs", "/fanfare.js", "/fanfare-worker.js"];

/// For pages that isolate themselves (`Cross-Origin-Embedder-Policy`).
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

#[derive(RustEmbed)]
#[folder = "clients/browser/"]
struct ClientFiles;

pub(super) static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::of::<ClientFiles>);

/// Answers one of `PATHS`. There is no Content-Security-Policy: a worker would be held to it,
/// and it is the page's to say where it connects.
pub(super) async fn file(request: HttpRequest) -> HttpResponse {
    let name = request.path().trim_start_matches('/');
    let Some(mut answer) = FOLDER.answer(&request, name) else {
        return HttpResponse::NotFound().finish();
    };
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (RESOURCE_POLICY, "cross-origin"),
    ] {
        let value = header::HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    }
    answer
}
