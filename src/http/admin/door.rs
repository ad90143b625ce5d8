//! Where administrators are served: on `admin.listen` alone where that is set, and nobody is to see
//! on another address that there is anything.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};

use crate::{
    http::{HttpState, not_found::nothing_here},
    node::Node,
    transport::listener::Door,
};

/// Whether a request came where administrators are served.
pub(in crate::http) fn is_at_its_door(request: &HttpRequest, node: &Node) -> bool {
    node.settings.admin.listen.is_none()
        || request.conn_data::<Door>() == Some(&Door::Administrators)
}

/// Lets nobody see on another door that there is anything.
pub(super) async fn at_its_door(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // Registered with every App by `configure`.
    let node = request.app_data::<Data<Node>>();
    if node.is_some_and(|node| is_at_its_door(request.request(), node)) {
        return next.call(request).await;
    }
    let answer = match request.app_data::<Data<HttpState>>() {
        Some(http) => nothing_here(http),
        None => HttpResponse::NotFound().finish(),
    };
    Ok(request.into_response(answer))
}
