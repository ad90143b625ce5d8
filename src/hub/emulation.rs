//! Sessions whose commands come by `POST /emulation`: found by a secret name that only their client was told. Bound: one entry a
//! session of the streaming transports, gone with the session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix::{Message, Recipient};
use bytes::Bytes;
use uuid::Uuid;

/// Commands that came for a session.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Commands(pub Bytes);

type Sessions = Arc<Mutex<HashMap<Box<str>, Recipient<Commands>>>>;

/// All emulated sessions of this node.
#[derive(Clone, Default)]
pub struct Emulated(Sessions);

fn locked(
    sessions: &Mutex<HashMap<Box<str>, Recipient<Commands>>>,
) -> MutexGuard<'_, HashMap<Box<str>, Recipient<Commands>>> {
    // Single steps on the map, which is whole after a panic too.
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Emulated {
    /// Gives a session a name; it is forgotten when the place is dropped.
    #[must_use]
    pub fn enter(&self, session: Recipient<Commands>) -> Place {
        let name = Uuid::new_v4().to_string();
        locked(&self.0).insert(name.as_str().into(), session);
        Place {
            sessions: self.0.clone(),
            name,
        }
    }

    /// The session of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Recipient<Commands>> {
        locked(&self.0).get(name).cloned()
    }
}

/// An emulated session's name.
pub struct Place {
    sessions: Sessions,
    name: String,
}

impl Place {
    /// What the client is told.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(&self.sessions).remove(self.name.as_str());
    }
}
