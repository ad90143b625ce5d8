//! What only routes need beside the [`Node`](crate::node::Node): the keys of the API, the raw
//! endpoints, how the polls of a backend do, and since when the process serves. Made once a
//! process, shared by all workers, never changed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::api::ApiKeys;
use crate::{config::Settings, server::poll::PollWatch, session::raw::endpoint::Endpoint};

/// The state of the routes.
pub(crate) struct HttpState {
    /// The keys of the API.
    pub(super) api: ApiKeys,
    /// The raw endpoints, in the order of the settings.
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// The `[[poll]]`s, in the order of the settings.
    pub(super) polls: Vec<PollWatch>,
    started: Instant,
}

impl HttpState {
    /// The state of a process that begins to serve now.
    pub(crate) fn new(settings: &Settings, polls: Vec<PollWatch>) -> Self {
        Self {
            api: ApiKeys::new(settings),
            endpoints: settings.raw.iter().map(Endpoint::new).collect(),
            polls,
            started: Instant::now(),
        }
    }

    /// The endpoint that is served at a path.
    pub(super) fn endpoint(&self, path: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints
            .iter()
            .find(|endpoint| *endpoint.path == *path)
    }

    /// How long the process has served.
    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}
