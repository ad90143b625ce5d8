//! What the routes of the administrator have in common: reading a query or a body, and answering in
//! JSON. Bound: bodies of [`BODY_BYTES_MAX`].

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Payload},
};
use serde::{Serialize, de::DeserializeOwned};

use super::error::AdminError;
use crate::http::body::{self, BodyLimit, known_fault};

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How long it may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Seconds to the millisecond.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// An answer in JSON, which nobody is to keep.
pub(super) fn json(value: &impl Serialize) -> Result<HttpResponse, AdminError> {
    let body = serde_json::to_string(value).map_err(|_| AdminError::Stopping)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(body))
}

/// The query of a request.
pub(super) fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, AdminError> {
    let query = web::Query::<T>::from_query(request.query_string());
    let query = query.map_err(|error| AdminError::BadRequest(format!("the query: {error}")))?;
    Ok(query.into_inner())
}

/// The body of a request, in JSON; nothing is an empty object.
pub(super) async fn body_of<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
) -> Result<T, AdminError> {
    let limit = BodyLimit {
        bytes: BODY_BYTES_MAX,
        setting: "which is fixed",
        timeout: BODY_TIMEOUT,
    };
    let body = body::read(request, payload, limit).await?;
    let body = body::without_mark(&body);
    let body = match body.trim_ascii() {
        b"" => b"{}",
        body => body,
    };
    if let Some(fault) = known_fault(body) {
        return Err(AdminError::BadRequest(fault.to_string()));
    }
    let read = serde_json::from_slice(body);
    read.map_err(|error| AdminError::BadRequest(format!("the body: {error}")))
}
