//! Sessions with a secret name that only their client was told: those whose commands come by
//! `POST /emulation`, and those that only listen, which the API finds by it. Bound: one entry a
//! session of the streaming and the one-way transports, gone with the session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix::Recipient;
use uuid::Uuid;

use crate::{id::SessionId, shard::SessionMessage};

type Table = HashMap<Box<str>, (SessionId, Recipient<SessionMessage>)>;

/// All emulated sessions of this node.
#[derive(Clone, Default)]
pub struct EmulationRegistry(Arc<Mutex<Table>>);

fn locked(sessions: &Mutex<Table>) -> MutexGuard<'_, Table> {
    // Single steps on the map, which is whole after a panic too.
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EmulationRegistry {
    /// Gives a session a name; it is forgotten when the guard is dropped.
    #[must_use]
    pub(crate) fn enter(
        &self,
        id: SessionId,
        session: Recipient<SessionMessage>,
    ) -> EmulationGuard {
        let name = Uuid::new_v4().to_string();
        locked(&self.0).insert(name.as_str().into(), (id, session));
        EmulationGuard {
            sessions: self.0.clone(),
            name,
        }
    }

    /// The session of a name.
    #[must_use]
    pub(crate) fn find(&self, name: &str) -> Option<Recipient<SessionMessage>> {
        locked(&self.0)
            .get(name)
            .map(|(_, session)| session.clone())
    }

    /// Its client id.
    #[must_use]
    pub(crate) fn client_of(&self, name: &str) -> Option<SessionId> {
        locked(&self.0).get(name).map(|(id, _)| *id)
    }
}

/// An emulated session's name.
pub struct EmulationGuard {
    sessions: Arc<Mutex<Table>>,
    name: String,
}

impl EmulationGuard {
    /// What the client is told.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for EmulationGuard {
    fn drop(&mut self) {
        locked(&self.sessions).remove(self.name.as_str());
    }
}
