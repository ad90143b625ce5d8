//! Users that are blocked and tokens that were taken back before their time.
//!
//! Owned by [`super::Tokens`], fed by the API. Entries go when they would have expired anyway: what
//! has expired never counts, and each change removes up to [`PURGE_MAX`] of it. Bounds:
//! [`BYTES_MAX`] in all, each entry charged its names and [`ENTRY_BYTES`], and [`NAME_BYTES_MAX`]
//! for a name; beyond it an entry is refused rather than another one lost. It ends no session; that
//! is the caller's. It must not await under its lock.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::error::TokenError;
use crate::unix_time::unix_now;

/// Room for all entries together: some 300,000 of them.
pub(super) const BYTES_MAX: usize = 64 << 20;

/// What an entry is charged beside its names, which are kept twice.
pub(super) const ENTRY_BYTES: usize = 160;

/// Longest user, token id or channel.
pub(super) const NAME_BYTES_MAX: usize = 1024;

/// Expired entries that one change removes, so that no change takes long.
pub(super) const PURGE_MAX: usize = 64;

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// [`BYTES_MAX`] is reached.
    #[error("no room for more blocked users and revoked tokens")]
    Full,
    /// The name is empty: anonymous clients cannot be blocked one by one.
    #[error("a user or token id is needed")]
    Empty,
    /// [`NAME_BYTES_MAX`] is exceeded.
    #[error("a user, token id or channel has at most {NAME_BYTES_MAX} bytes")]
    TooLong,
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Subject {
    /// A user.
    User(String),
    /// The token with this id.
    Token(String),
    /// All tokens of a user.
    TokensOf(String),
    /// A user's subscription tokens of a channel.
    SubscriptionsOf(String, String),
}

impl Subject {
    fn names(&self) -> (&str, &str) {
        match self {
            Self::User(name) | Self::Token(name) | Self::TokensOf(name) => (name, ""),
            Self::SubscriptionsOf(user, channel) => (user, channel),
        }
    }

    fn cost(&self) -> usize {
        let (name, channel) = self.names();
        ENTRY_BYTES + 2 * (name.len() + channel.len())
    }

    fn check(&self) -> Result<(), RevocationError> {
        let (name, channel) = self.names();
        if name.is_empty() {
            Err(RevocationError::Empty)
        } else if name.len() > NAME_BYTES_MAX || channel.len() > NAME_BYTES_MAX {
            Err(RevocationError::TooLong)
        } else {
            Ok(())
        }
    }
}

/// Claims of a token by which it is found to be taken back.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenFacts<'a> {
    pub(super) user: &'a str,
    /// The channel of a subscription token.
    pub(super) channel: Option<&'a str>,
    /// Its `jti`.
    pub(super) id: Option<&'a str>,
    /// Its `iat`, in Unix seconds.
    pub(super) issued_at: Option<u64>,
}

/// The tokens of a user that are taken back together.
pub(super) struct Invalidation<'a> {
    pub(super) user: &'a str,
    /// Only subscription tokens of this channel.
    pub(super) channel: Option<String>,
    /// Tokens issued before this are meant, in Unix seconds.
    pub(super) issued_before: u64,
    /// Until when they are, in Unix seconds; `None` is without end.
    pub(super) until: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Until when it counts; `u64::MAX` is without end.
    until: u64,
    /// Tokens issued before this are meant; only where the subject is many tokens.
    issued_before: u64,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<Subject, Entry>,
    /// The entries that end, by their ends.
    ends: BTreeSet<(u64, Subject)>,
    bytes: usize,
}

/// What was taken back.
#[derive(Debug, Default)]
pub struct Revocations(RwLock<Table>);

impl Revocations {
    /// Blocks a user until then (Unix seconds), or until [`Revocations::unblock_user`]. Said again,
    /// the last word counts.
    ///
    /// # Errors
    /// Why it could not be.
    pub(crate) fn block_user(&self, user: &str, until: Option<u64>) -> Result<(), RevocationError> {
        self.block_user_at(user, until, unix_now())
    }

    pub(super) fn block_user_at(
        &self,
        user: &str,
        until: Option<u64>,
        now: u64,
    ) -> Result<(), RevocationError> {
        let entry = Entry {
            until: until.unwrap_or(u64::MAX),
            issued_before: u64::MAX,
        };
        self.write()
            .insert(Subject::User(user.to_string()), entry, now)
    }

    /// Ends a block; whether there was one.
    pub(crate) fn unblock_user(&self, user: &str) -> bool {
        self.write().remove(&Subject::User(user.to_string()))
    }

    /// Whether a user is blocked.
    #[must_use]
    pub(crate) fn is_blocked(&self, user: &str) -> bool {
        self.is_blocked_at(user, unix_now())
    }

    pub(super) fn is_blocked_at(&self, user: &str, now: u64) -> bool {
        let state = self.read();
        !state.entries.is_empty() && state.find(&Subject::User(user.to_string()), now).is_some()
    }

    /// Whether a connection token that counted once still does, by what it claimed.
    ///
    /// # Errors
    /// Why not.
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
    /// Why it could not be.
    pub(crate) fn revoke_token(&self, id: &str, until: Option<u64>) -> Result<(), RevocationError> {
        self.revoke_token_at(id, until, unix_now())
    }

    pub(super) fn revoke_token_at(
        &self,
        id: &str,
        until: Option<u64>,
        now: u64,
    ) -> Result<(), RevocationError> {
        let entry = Entry {
            until: until.unwrap_or(u64::MAX),
            issued_before: u64::MAX,
        };
        self.write()
            .extend(Subject::Token(id.to_string()), entry, now)
    }

    /// Takes back a user's tokens that were issued before a time (Unix seconds), until then: with a
    /// channel the subscription tokens of that channel, without one all tokens. A token that does
    /// not say when it was issued (`iat`) counts as issued before. Said again, the later of each
    /// time counts.
    ///
    /// # Errors
    /// Why it could not be.
    pub(crate) fn invalidate_user_tokens(
        &self,
        user: &str,
        issued_before: u64,
        channel: Option<String>,
        until: Option<u64>,
    ) -> Result<(), RevocationError> {
        let invalidation = Invalidation {
            user,
            channel,
            issued_before,
            until,
        };
        self.invalidate_user_tokens_at(invalidation, unix_now())
    }

    pub(super) fn invalidate_user_tokens_at(
        &self,
        invalidation: Invalidation<'_>,
        now: u64,
    ) -> Result<(), RevocationError> {
        let user = invalidation.user.to_string();
        let subject = match invalidation.channel {
            None => Subject::TokensOf(user),
            Some(channel) => Subject::SubscriptionsOf(user, channel),
        };
        let entry = Entry {
            until: invalidation.until.unwrap_or(u64::MAX),
            issued_before: invalidation.issued_before,
        };
        self.write().extend(subject, entry, now)
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
        if state.find(&Subject::User(user.to_string()), now).is_some() {
            return Err(TokenError::Blocked);
        }
        // Without `iat` nothing shows that a token is younger.
        let is_older = |entry: &Entry| issued_at.is_none_or(|at| at < entry.issued_before);
        let token = id.map(|id| Subject::Token(id.to_string()));
        let is_revoked = token.and_then(|token| state.find(&token, now));
        if is_revoked.as_ref().is_some_and(is_older) {
            return Err(TokenError::Revoked);
        }
        let user = user.to_string();
        let of_channel =
            channel.map(|channel| Subject::SubscriptionsOf(user.clone(), channel.to_string()));
        let is_invalidated = [of_channel, Some(Subject::TokensOf(user))]
            .into_iter()
            .flatten()
            .filter_map(|subject| state.find(&subject, now))
            .any(|entry| is_older(&entry));
        if is_invalidated {
            return Err(TokenError::Invalidated);
        }
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        // Each change is whole or was refused before it began.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn find(&self, subject: &Subject, now: u64) -> Option<Entry> {
        let entry = self.entries.get(subject)?;
        (now < entry.until).then_some(*entry)
    }

    fn insert(&mut self, subject: Subject, entry: Entry, now: u64) -> Result<(), RevocationError> {
        subject.check()?;
        self.purge(now);
        let freed = self.entries.get(&subject).map_or(0, |_| subject.cost());
        // What has expired by now is at most an end to an entry that has not.
        let cost = if now < entry.until { subject.cost() } else { 0 };
        if self.bytes - freed + cost > BYTES_MAX {
            return Err(RevocationError::Full);
        }
        self.remove(&subject);
        if cost > 0 {
            self.bytes += cost;
            if entry.until != u64::MAX {
                self.ends.insert((entry.until, subject.clone()));
            }
            self.entries.insert(subject, entry);
        }
        Ok(())
    }

    /// As [`Table::insert`], but takes nothing back of what was said before.
    fn extend(&mut self, subject: Subject, entry: Entry, now: u64) -> Result<(), RevocationError> {
        let entry = match self.find(&subject, now) {
            None => entry,
            Some(before) => Entry {
                until: before.until.max(entry.until),
                issued_before: before.issued_before.max(entry.issued_before),
            },
        };
        self.insert(subject, entry, now)
    }

    fn remove(&mut self, subject: &Subject) -> bool {
        let Some(entry) = self.entries.remove(subject) else {
            return false;
        };
        self.bytes -= subject.cost();
        // An entry without end is in no order, and there are no end and subject to look for.
        if entry.until != u64::MAX {
            self.ends.remove(&(entry.until, subject.clone()));
        }
        true
    }

    fn purge(&mut self, now: u64) {
        for _ in 0..PURGE_MAX {
            let Some((until, _)) = self.ends.first() else {
                return;
            };
            if *until > now {
                return;
            }
            if let Some((_, subject)) = self.ends.pop_first()
                && self.entries.remove(&subject).is_some()
            {
                self.bytes -= subject.cost();
            }
        }
    }
}
