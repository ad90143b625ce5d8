//! Users that are blocked and tokens that were taken back before their time.
//!
//! Owned by [`super::Tokens`], fed by the API. Entries go when they would have expired anyway: what
//! has expired never counts, and each change removes up to [`PURGE_MAX`](bounds::PURGE_MAX) of it.
//! Bounds: [`BYTES_MAX`](bounds::BYTES_MAX) in all, each entry charged its names and
//! [`ENTRY_BYTES`](bounds::ENTRY_BYTES), and [`NAME_BYTES_MAX`](bounds::NAME_BYTES_MAX) for a name;
//! beyond it an entry is refused rather than another one lost. It ends no session; that is the
//! caller's. It must not await under its lock.
//!
//! With a store each change counts at once, and is answered once it is on the disk: a [`Receipt`]
//! says when. There an entry is also kept for a day beyond its end, since a clock that was ahead
//! and is set right must not bring back what it seemed to end.

mod bounds;
mod error;
mod receipt;
mod table;

use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[cfg(test)]
pub(super) use self::bounds::{BYTES_MAX, ENTRY_BYTES, NAME_BYTES_MAX, PURGE_MAX};
pub use self::error::RevocationError;
pub(crate) use self::receipt::Receipt;
use self::table::{RevocationEntry, RevocationTable, check};
use super::error::TokenError;
use crate::{
    store::{Record, Revocation, RevocationSubject, SnapshotSource, Store},
    unix_time::unix_now,
};

/// How long a store keeps an entry beyond its end, in seconds.
const PAST_SECS: u64 = 86_400;

/// Claims of a token by which it is found to be taken back.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenFacts<'a> {
    pub(super) user: &'a str,
    /// The channel of a subscription token.
    pub(super) channel: Option<&'a str>,
    /// By which it alone can be revoked (`jti`).
    pub(super) id: Option<&'a str>,
    /// In Unix seconds (`iat`).
    pub(super) issued_at: Option<u64>,
}

/// The tokens of a user that are taken back together.
pub(super) struct InvalidatedTokens<'a> {
    pub(super) user: &'a str,
    /// Only subscription tokens of this channel.
    pub(super) channel: Option<String>,
    /// Tokens issued before this are meant, in Unix seconds.
    pub(super) issued_before: u64,
    /// Until when they are, in Unix seconds; `None` is without end.
    pub(super) until: Option<u64>,
}

/// What was taken back.
#[derive(Default)]
pub struct Revocations {
    table: RwLock<RevocationTable>,
    /// Where it outlives the process; set before anyone asks.
    store: OnceLock<Arc<dyn Store>>,
}

impl Revocations {
    /// Takes a record of a process before.
    pub(crate) fn restore(&self, revocation: Revocation) {
        let Revocation {
            subject,
            until,
            issued_before,
        } = revocation;
        let mut table = self.write();
        match until {
            // Bounds are those of who wrote it: nothing that was taken back is good again.
            Some(until) => table.set(
                subject,
                RevocationEntry {
                    until,
                    issued_before,
                },
            ),
            None => {
                table.remove(&subject);
            }
        }
    }

    /// From now on each change is written there. Once, before anyone asks.
    pub(crate) fn write_to(&self, store: Arc<dyn Store>) {
        self.write().past_secs = PAST_SECS;
        // A second one would come from nobody.
        let _ = self.store.set(store);
    }

    /// Changes what is said of a subject, and has it written in the order of the changes.
    fn change<E>(
        &self,
        subject: RevocationSubject,
        change: impl FnOnce(&mut RevocationTable, RevocationSubject) -> Result<(), E>,
    ) -> Result<Receipt, E> {
        let mut table = self.write();
        let Some(store) = self.store.get() else {
            return change(&mut table, subject).map(|()| Receipt::nothing_to_write());
        };
        change(&mut table, subject.clone())?;
        Ok(Receipt::of(&**store, table.record(subject)))
    }

    /// Blocks a user until then (Unix seconds), or until [`Revocations::unblock_user`]. Said again,
    /// the last word counts.
    ///
    /// # Errors
    /// The user has no name or too long a one, or the table of revocations is full.
    pub(crate) fn block_user(
        &self,
        user: &str,
        until: Option<u64>,
    ) -> Result<Receipt, RevocationError> {
        self.block_user_at(user, until, unix_now())
    }

    pub(super) fn block_user_at(
        &self,
        user: &str,
        until: Option<u64>,
        now: u64,
    ) -> Result<Receipt, RevocationError> {
        let entry = RevocationEntry {
            until: until.unwrap_or(u64::MAX),
            issued_before: u64::MAX,
        };
        let user = RevocationSubject::User(user.to_string());
        self.change(user, |table, user| table.insert(user, entry, now))
    }

    /// Ends a block. It is written also where there is none: the end of one may not have been, and
    /// whoever says it again is not to be told so before it is.
    ///
    /// # Errors
    /// The user has no name or too long a one.
    pub(crate) fn unblock_user(&self, user: &str) -> Result<Receipt, RevocationError> {
        let user = RevocationSubject::User(user.to_string());
        self.change(user, |table, user| {
            check(&user)?;
            table.remove(&user);
            Ok(())
        })
    }

    /// Whether a user is blocked.
    #[must_use]
    pub(crate) fn is_blocked(&self, user: &str) -> bool {
        self.is_blocked_at(user, unix_now())
    }

    pub(super) fn is_blocked_at(&self, user: &str, now: u64) -> bool {
        let state = self.read();
        !state.entries.is_empty()
            && state
                .find(&RevocationSubject::User(user.to_string()), now)
                .is_some()
    }

    /// Whether a connection token that counted once still does, by what it claimed.
    ///
    /// # Errors
    /// Its user is blocked, it was taken back, or it is older than what is taken of its user.
    pub(crate) fn check_connection(
        &self,
        user: &str,
        id: Option<&str>,
        issued_at: Option<u64>,
    ) -> Result<(), TokenError> {
        let token = TokenFacts {
            user,
            channel: None,
            id,
            issued_at,
        };
        self.check(&token, unix_now())
    }

    /// Takes back the token with this id (`jti`) until then, which should be when it expires. Said
    /// again, the later end counts.
    ///
    /// # Errors
    /// The id is empty or too long, or the table of revocations is full.
    pub(crate) fn revoke_token(
        &self,
        id: &str,
        until: Option<u64>,
    ) -> Result<Receipt, RevocationError> {
        self.revoke_token_at(id, until, unix_now())
    }

    pub(super) fn revoke_token_at(
        &self,
        id: &str,
        until: Option<u64>,
        now: u64,
    ) -> Result<Receipt, RevocationError> {
        let entry = RevocationEntry {
            until: until.unwrap_or(u64::MAX),
            issued_before: u64::MAX,
        };
        let token = RevocationSubject::Token(id.to_string());
        self.change(token, |table, token| table.extend(token, entry, now))
    }

    /// Takes back a user's tokens that were issued before a time (Unix seconds), until then: with a
    /// channel the subscription tokens of that channel, without one all tokens. A token that does
    /// not say when it was issued (`iat`) counts as issued before. Said again, the later of each
    /// time counts.
    ///
    /// # Errors
    /// The user has no name, a name is too long, or the table of revocations is full.
    pub(crate) fn invalidate_user_tokens(
        &self,
        user: &str,
        issued_before: u64,
        channel: Option<String>,
        until: Option<u64>,
    ) -> Result<Receipt, RevocationError> {
        let invalidation = InvalidatedTokens {
            user,
            channel,
            issued_before,
            until,
        };
        self.invalidate_user_tokens_at(invalidation, unix_now())
    }

    pub(super) fn invalidate_user_tokens_at(
        &self,
        invalidation: InvalidatedTokens<'_>,
        now: u64,
    ) -> Result<Receipt, RevocationError> {
        let user = invalidation.user.to_string();
        let subject = match invalidation.channel {
            None => RevocationSubject::TokensOf(user),
            Some(channel) => RevocationSubject::SubscriptionsOf(user, channel),
        };
        let entry = RevocationEntry {
            until: invalidation.until.unwrap_or(u64::MAX),
            issued_before: invalidation.issued_before,
        };
        self.change(subject, |table, subject| table.extend(subject, entry, now))
    }

    /// How many entries there are, with those that have expired but were not removed yet.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.read().entries.len()
    }

    /// Whether there is none.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a token still counts, by what it claims.
    pub(super) fn check(&self, token: &TokenFacts<'_>, now: u64) -> Result<(), TokenError> {
        let TokenFacts {
            user,
            channel,
            id,
            issued_at,
        } = *token;
        let state = self.read();
        if state.entries.is_empty() {
            return Ok(());
        }
        if state
            .find(&RevocationSubject::User(user.to_string()), now)
            .is_some()
        {
            return Err(TokenError::Blocked);
        }
        // Without `iat` nothing shows that a token is younger.
        let is_older =
            |entry: &RevocationEntry| issued_at.is_none_or(|at| at < entry.issued_before);
        let token = id.map(|id| RevocationSubject::Token(id.to_string()));
        let is_revoked = token.and_then(|token| state.find(&token, now));
        if is_revoked.as_ref().is_some_and(is_older) {
            return Err(TokenError::Revoked);
        }
        let user = user.to_string();
        let of_channel = channel
            .map(|channel| RevocationSubject::SubscriptionsOf(user.clone(), channel.to_string()));
        let is_invalidated = [of_channel, Some(RevocationSubject::TokensOf(user))]
            .into_iter()
            .flatten()
            .filter_map(|subject| state.find(&subject, now))
            .any(|entry| is_older(&entry));
        if is_invalidated {
            return Err(TokenError::Invalidated);
        }
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, RevocationTable> {
        // Each change is whole or was refused before it began.
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, RevocationTable> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SnapshotSource for Revocations {
    fn snapshot(&self) -> Box<dyn Iterator<Item = Vec<Record>> + Send + '_> {
        let table = self.read();
        let records = table
            .entries
            .keys()
            .map(|subject| Record::Revocation(Box::new(table.record(subject.clone()))));
        // At most what the bound lets through, and seldom.
        let records: Vec<_> = records.collect();
        Box::new(std::iter::once(records))
    }
}
