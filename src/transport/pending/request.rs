//! A request that a route has. While it is there, its connection is not pending. Owned by the
//! service that called the route, or by the answer's body where that is a stream.

use std::rc::Rc;

use super::{PendingConnection, RequestBody};

/// A request that is being answered; when it is dropped, its connection is pending again.
pub(crate) struct Answering(Rc<PendingConnection>);

impl Answering {
    /// A route has the request's head. The connection is pending until the [`RequestBody`] is there
    /// too.
    #[must_use]
    pub(crate) fn begin(connection: &Rc<PendingConnection>) -> (Self, RequestBody) {
        let request = connection.begin_request();
        let body = RequestBody::of(connection.clone(), request);
        (Self(connection.clone()), body)
    }

    /// The connection that it came by.
    #[must_use]
    pub(crate) fn place(&self) -> &PendingConnection {
        &self.0
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end_request();
    }
}
