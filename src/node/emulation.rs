//! Sessions with a secret name that only their client was told: those whose commands come by
//! `POST /emulation`, and those that only listen, which the API finds by it. Bounds: one entry a
//! session of the streaming and the one-way transports, gone with the session, and
//! `limits.frames_pending` frames of each that wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix::Recipient;
use bytes::Bytes;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    id::SessionId,
    shard::{CommandFrame, SessionMessage},
};

type SessionsByName = HashMap<Box<str>, EmulatedSession>;

/// A session whose commands come by requests of their own.
#[derive(Clone)]
pub(crate) struct EmulatedSession {
    id: SessionId,
    inbox: Recipient<SessionMessage>,
    room: Arc<Semaphore>,
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// As many frames wait as may.
    Full,
    /// The session has ended.
    Ended,
}

impl EmulatedSession {
    /// Hands a frame to the session, which does its commands in its turns.
    ///
    /// # Errors
    /// [`NotTaken::Full`] while too many frames wait, [`NotTaken::Ended`].
    pub(crate) fn send(&self, commands: Bytes) -> Result<(), NotTaken> {
        let room = self.room.clone().try_acquire_owned();
        let room = Some(room.map_err(|_| NotTaken::Full)?);
        let frame = CommandFrame { commands, room };
        let sent = self.inbox.try_send(SessionMessage::Frame(frame));
        sent.map_err(|error| match error {
            actix::dev::SendError::Full(_) => NotTaken::Full,
            actix::dev::SendError::Closed(_) => NotTaken::Ended,
        })
    }
}

/// All emulated sessions of this node.
pub(crate) struct EmulationRegistry {
    sessions: Arc<Mutex<SessionsByName>>,
    /// Frames of one session that may wait for their turn; further ones are refused.
    frames_max: usize,
}

fn locked(sessions: &Mutex<SessionsByName>) -> MutexGuard<'_, SessionsByName> {
    // Single steps on the map, which is whole after a panic too.
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EmulationRegistry {
    /// No session yet.
    #[must_use]
    pub(crate) fn new(frames_max: usize) -> Self {
        Self {
            sessions: Arc::default(),
            frames_max: frames_max.clamp(1, Semaphore::MAX_PERMITS),
        }
    }

    /// Gives a session a name; it is forgotten when the guard is dropped.
    #[must_use]
    pub(crate) fn enter(
        &self,
        id: SessionId,
        session: Recipient<SessionMessage>,
    ) -> EmulationGuard {
        let name = Uuid::new_v4().to_string();
        let session = EmulatedSession {
            id,
            inbox: session,
            room: Arc::new(Semaphore::new(self.frames_max)),
        };
        locked(&self.sessions).insert(name.as_str().into(), session);
        EmulationGuard {
            sessions: self.sessions.clone(),
            name,
        }
    }

    /// The session of a name.
    #[must_use]
    pub(crate) fn find(&self, name: &str) -> Option<EmulatedSession> {
        locked(&self.sessions).get(name).cloned()
    }

    /// Its client id.
    #[must_use]
    pub(crate) fn client_of(&self, name: &str) -> Option<SessionId> {
        locked(&self.sessions).get(name).map(|session| session.id)
    }
}

/// An emulated session's name.
pub(crate) struct EmulationGuard {
    sessions: Arc<Mutex<SessionsByName>>,
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
