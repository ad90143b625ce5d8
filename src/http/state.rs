//! What only routes need beside the [`Node`](crate::node::Node): which machine this is, the raw
//! endpoints, how the polls of a backend do, how many long lists are made, and since when the
//! process serves. Made once a process, shared by all workers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::local::Machine;
use crate::{config::Settings, server::poll::PollWatch, session::raw::endpoint::Endpoint};

/// Lists of administrators that are made at a time; further ones are answered with 503.
const LISTINGS_MAX: usize = 4;

/// The state of the routes.
pub(crate) struct HttpState {
    /// Tells which requests are certainly from here.
    pub(super) machine: Machine,
    /// The raw endpoints, in the order of the settings.
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// The `[[poll]]`s, in the order of the settings.
    pub(super) polls: Vec<PollWatch>,
    /// Long lists that may be gone through at a time.
    pub(super) listings: Semaphore,
    started: Instant,
}

impl HttpState {
    /// The state of a process that begins to serve now.
    pub(crate) fn new(settings: &Settings, polls: Vec<PollWatch>) -> Self {
        Self {
            machine: Machine::here(),
            endpoints: settings.raw.iter().map(Endpoint::new).collect(),
            polls,
            listings: Semaphore::new(LISTINGS_MAX),
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
