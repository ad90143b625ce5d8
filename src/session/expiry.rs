//! The time of what a client is here by: it ends, is renewed, is asked about, or its session
//! closes. The same for every protocol; what differs a protocol says ([`Expiring`]).
//!
//! One timer a session stands for all of it, in its [`ConnectedUser`]: for the end, or for the next
//! time that the backend is asked. Whatever renews the session takes the place of what was waited
//! for before, and has the last word: an answer of the backend to what was asked before counts no
//! more, unless it ends the session.

use std::time::Duration;

use actix::AsyncContext;
use bytes::Bytes;

use super::{ConnectedUser, Protocol, Session, SessionContext, TaskContext};
use crate::{
    close::Close,
    hooks::{HookResult, RefreshAnswer, UserContext},
    node::{auth::AuthError, authorize::GRACE_SECS},
    shard::ServerCommand,
    unix_time::{seconds_until, unix_now},
};

/// How long beyond its end a token that the client renews is still good: the client renews it when
/// it ends. The backend may be away for as long.
pub(super) const GRACE: Duration = Duration::from_secs(GRACE_SECS);

/// How soon the backend is asked again when it did not answer.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Timers are set no further ahead, so that no wrong date overflows one.
const AHEAD_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// How far the clock of the timers and that of the dates may differ when an end has come.
const TOLERANCE: Duration = Duration::from_secs(1);

/// Whether an end has come; what has none never ends.
pub(super) fn is_past(at: Option<u64>) -> bool {
    at.is_some_and(|at| at <= unix_now())
}

/// How long a timer for an end is to run; at most 30 days, after which it is set anew.
pub(super) fn until(at: u64) -> Duration {
    Duration::from_secs(seconds_until(at).into()).min(AHEAD_MAX)
}

/// When a session ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    /// In Unix seconds, unless it is renewed; absent: never.
    pub(super) at: Option<u64>,
    /// How long the client may take beyond that to bring what renews it.
    pub(super) grace: Duration,
}

impl Term {
    /// Of what has no end.
    pub(super) const NEVER: Self = Self {
        at: None,
        grace: Duration::ZERO,
    };

    /// Whether a timer that was set for it rings for it, and not since timers go no further.
    fn is_due(self) -> bool {
        self.at.is_some_and(|at| until(at) <= TOLERANCE)
    }

    /// Waits for it, in place of what was waited for before.
    pub(super) fn watch<P: Expiring>(
        self,
        user: &mut ConnectedUser,
        ctx: &mut TaskContext<Session<P>>,
    ) {
        ctx.cancel_future(user.expiry_timer);
        if let Some(at) = self.at {
            user.expiry_timer = ctx.run_later(until(at) + self.grace, Session::<P>::on_expiry);
        }
    }
}

/// What differs between protocols where a client's time ends.
pub(crate) trait Expiring: Protocol {
    /// When the session ends unless it is renewed.
    fn term(&mut self) -> Term;

    /// On whose behalf the backend is asked whether the session goes on; absent: it is not asked,
    /// and the session ends.
    fn asks_for(session: &mut Session<Self>) -> Option<UserContext>;

    /// The session goes on: keeps the backend's notes (empty: as before), and tells the client.
    fn on_refreshed(session: &mut Session<Self>, meta: Bytes);
}

/// How a session goes on.
#[derive(Debug)]
pub(super) struct Refreshed {
    /// When it ends now, in Unix seconds; absent: never.
    pub(super) expire_at: Option<u64>,
    /// New public information, as JSON; absent: as before.
    pub(super) info: Option<Bytes>,
    /// New notes of the backend; empty: as before.
    pub(super) meta: Bytes,
}

impl Refreshed {
    /// What is empty stays as it was.
    pub(super) fn new(expire_at: Option<u64>, info: Bytes, meta: Bytes) -> Self {
        Self {
            expire_at,
            info: Some(info).filter(|info| !info.is_empty()),
            meta,
        }
    }

    /// As the API says it.
    pub(super) fn by_server(expire_at: Option<u64>, info: Option<&Bytes>) -> Self {
        Self {
            expire_at,
            info: info.cloned(),
            meta: Bytes::new(),
        }
    }

    /// Notes it; answers what only some protocols keep, the notes of the backend.
    pub(super) fn apply(self, context: &SessionContext, user: &mut ConnectedUser) -> Bytes {
        user.expire_at = self.expire_at;
        if let Some(info) = self.info {
            user.set_conn_info(context, info);
        }
        self.meta
    }
}

impl From<RefreshAnswer> for Refreshed {
    fn from(answer: RefreshAnswer) -> Self {
        Self::new(answer.expire_at, answer.info, answer.meta)
    }
}

/// What the backend says of something whose end has come: a session, or a subscription.
#[derive(Debug, PartialEq)]
pub(super) enum RefreshVerdict {
    /// It goes on.
    GoesOn(RefreshAnswer),
    /// It is over, or nobody could say so for [`GRACE`].
    Over,
    /// Nobody could say; to be asked again in [`ASK_AGAIN`].
    AskAgain,
    /// The session is to end in this way, whatever was asked about.
    Disconnect(Close),
}

impl RefreshVerdict {
    /// What an answer says; `tries` are those before it.
    pub(super) fn of(answer: HookResult<RefreshAnswer>, tries: u32) -> Self {
        let error = match answer {
            // An end in the past would only be asked about again at once.
            Ok(answer) if answer.expired || is_past(answer.expire_at) => return Self::Over,
            Ok(answer) => return Self::GoesOn(answer),
            Err(failure) => AuthError::from(failure),
        };
        match error.disconnect() {
            Some(close) => Self::Disconnect(close),
            None if error.is_unavailable() && ASK_AGAIN * tries < GRACE => Self::AskAgain,
            None => Self::Over,
        }
    }
}

impl<P: Protocol> Session<P> {
    /// Whether the server says that what the client is here by has ended. That is obeyed before it
    /// is known who it is, too.
    pub(super) fn is_ended_by(command: &ServerCommand) -> bool {
        matches!(
            command,
            ServerCommand::Refresh { expired, expire_at, .. } if *expired || is_past(*expire_at)
        )
    }
}

impl<P: Expiring> Session<P> {
    /// Waits for the end of what the client is here by, in place of what was waited for before.
    pub(super) fn watch_expiry(&mut self, ctx: &mut TaskContext<Self>) {
        let term = self.protocol.term();
        if let Some(user) = self.protocol.user() {
            term.watch(user, ctx);
        }
    }

    /// The session goes on, whoever says so.
    pub(super) fn refresh_identity(&mut self, refreshed: Refreshed, ctx: &mut TaskContext<Self>) {
        let Some(user) = self.protocol.user() else {
            return;
        };
        let meta = refreshed.apply(&self.context, user);
        P::on_refreshed(self, meta);
        self.watch_expiry(ctx);
    }

    fn on_expiry(&mut self, ctx: &mut TaskContext<Self>) {
        if self.protocol.term().is_due() {
            self.ask_refresh(0, ctx);
        } else {
            self.watch_expiry(ctx);
        }
    }

    /// Asks the backend whether the session goes on, where it is to be asked.
    fn ask_refresh(&mut self, tries: u32, ctx: &mut TaskContext<Self>) {
        let Some(user_context) = P::asks_for(self) else {
            return self.close_now(Close::EXPIRED);
        };
        let node = self.context.node.clone();
        let asking = async move { node.hooks.refresh(&user_context).await };
        self.later(ctx, asking, move |session, answer, ctx| {
            session.on_verdict(RefreshVerdict::of(answer, tries), tries, ctx);
        });
    }

    fn on_verdict(&mut self, verdict: RefreshVerdict, tries: u32, ctx: &mut TaskContext<Self>) {
        let is_due = self.protocol.term().is_due();
        match verdict {
            RefreshVerdict::Disconnect(close) => self.close_now(close),
            // It was renewed meanwhile.
            _ if !is_due => {}
            RefreshVerdict::GoesOn(answer) => self.refresh_identity(answer.into(), ctx),
            RefreshVerdict::Over => self.close_now(Close::EXPIRED),
            RefreshVerdict::AskAgain => {
                if let Some(user) = self.protocol.user() {
                    ctx.cancel_future(user.expiry_timer);
                    user.expiry_timer = ctx.run_later(ASK_AGAIN, move |session, ctx| {
                        session.ask_refresh(tries + 1, ctx);
                    });
                }
            }
        }
    }

    /// Ends the session, from a timer too.
    fn close_now(&self, close: Close) {
        self.context.close(close);
        self.context.membership.flush();
    }
}

#[cfg(test)]
mod tests;
