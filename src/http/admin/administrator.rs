//! [`Administrator`]: an argument of every route that only the administrator has, so that none can
//! forget to ask.

use std::{
    future::{Ready, ready},
    net::IpAddr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};

use super::error::AdminError;
use crate::{
    http::{auth, request},
    logger::Address,
    node::{
        Node,
        admin::{Credential, NotAdmin},
    },
};

/// The administrator, who has shown the key or a token.
#[derive(Debug)]
pub(super) struct Administrator {
    /// Whether by the key or by a token.
    pub(super) credential: Credential,
    /// The client's address, for the log.
    pub(super) address: Address,
}

impl Administrator {
    fn of(request: &HttpRequest) -> Result<Self, AdminError> {
        // Registered with every App by `configure`.
        let node = request.app_data::<Data<Node>>();
        let node = node.ok_or(NotAdmin::NoKey)?;
        let credential = auth::check(request, node)?;
        let address: Option<IpAddr> = request::address_of(request, node);
        Ok(Self {
            credential,
            address: Address(address),
        })
    }
}

impl FromRequest for Administrator {
    type Error = AdminError;
    type Future = Ready<Result<Self, AdminError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}
