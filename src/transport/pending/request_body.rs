//! How much of a request's body is here, and whether all of it. Owned by the payload that the route
//! reads. While the rest is waited for, its bytes are counted among those of all
//! (`limits.pending_body_bytes`), but for those that a key of the API vouches for.

use std::rc::Rc;

use super::{PendingConnection, table::Place};

/// The body of a request that a route has; dropped when it is there whole, or nobody wants it.
pub(crate) struct RequestBody {
    connection: Rc<PendingConnection>,
    /// The number of its request.
    request: u64,
    is_whole: bool,
    /// Bytes that have come.
    bytes: usize,
    /// As its bytes are counted; absent: they are not.
    charged: Option<ChargedBody>,
}

/// What of a body is counted.
#[derive(Clone, Copy)]
struct ChargedBody {
    /// Its place among the bodies whose bytes are counted.
    place: Place,
    bytes: usize,
}

impl RequestBody {
    /// The body of a connection's request with this number, which is whole until the contrary is
    /// [said](Self::set_whole).
    pub(super) fn of(connection: Rc<PendingConnection>, request: u64) -> Self {
        Self {
            connection,
            request,
            is_whole: true,
            bytes: 0,
            charged: None,
        }
    }

    /// It has begun to come, and its end is not there yet.
    pub(crate) fn set_whole(&mut self, is_whole: bool) {
        self.is_whole = is_whole;
    }

    /// So many more bytes are here.
    pub(crate) fn came(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// The rest is waited for: what is here is counted.
    pub(crate) fn wait(&mut self) {
        if self.bytes == self.charged.map_or(0, |charged| charged.bytes) {
            return;
        }
        if self.connection.is_vouched_for() {
            return;
        }
        let place = self.charged.map(|charged| charged.place);
        let place = self.connection.place().charge_body(place, self.bytes);
        self.charged = Some(ChargedBody {
            place,
            bytes: self.bytes,
        });
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(charged) = self.charged {
            self.connection.place().release_body(charged.place);
        }
        self.connection.end_body(self.request, self.is_whole);
    }
}
