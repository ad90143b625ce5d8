//! What is blocked or taken back, and until when. Owned by [`super::Revocations`]. Bounds:
//! [`BYTES_MAX`] in all, [`NAME_BYTES_MAX`] for a name. It must not read the clock.

use std::collections::{BTreeSet, HashMap};

use super::{
    bounds::{BYTES_MAX, ENTRY_BYTES, NAME_BYTES_MAX, PURGE_MAX},
    error::RevocationError,
};
use crate::store::{Revocation, RevocationSubject};

fn cost(subject: &RevocationSubject) -> usize {
    let (name, channel) = subject.names();
    ENTRY_BYTES + 2 * (name.len() + channel.len())
}

pub(super) fn check(subject: &RevocationSubject) -> Result<(), RevocationError> {
    let (name, channel) = subject.names();
    if name.is_empty() {
        Err(RevocationError::Empty)
    } else if name.len() > NAME_BYTES_MAX || channel.len() > NAME_BYTES_MAX {
        Err(RevocationError::TooLong)
    } else {
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct RevocationEntry {
    /// Until when it counts; `u64::MAX` is without end.
    pub(super) until: u64,
    /// Tokens issued before this are meant; only where the subject is many tokens.
    pub(super) issued_before: u64,
}

#[derive(Debug, Default)]
pub(super) struct RevocationTable {
    pub(super) entries: HashMap<RevocationSubject, RevocationEntry>,
    /// The entries that end, by their ends.
    ends: BTreeSet<(u64, RevocationSubject)>,
    bytes: usize,
    /// How long entries stay beyond their end.
    pub(super) past_secs: u64,
}

impl RevocationTable {
    pub(super) fn find(&self, subject: &RevocationSubject, now: u64) -> Option<RevocationEntry> {
        let entry = self.entries.get(subject)?;
        (now < entry.until).then_some(*entry)
    }

    /// What is to be written of a subject.
    pub(super) fn record(&self, subject: RevocationSubject) -> Revocation {
        let entry = self.entries.get(&subject);
        Revocation {
            until: entry.map(|entry| entry.until),
            issued_before: entry.map_or(0, |entry| entry.issued_before),
            subject,
        }
    }

    /// Says it, whatever was said before.
    pub(super) fn set(&mut self, subject: RevocationSubject, entry: RevocationEntry) {
        self.remove(&subject);
        self.bytes += cost(&subject);
        if entry.until != u64::MAX {
            self.ends.insert((entry.until, subject.clone()));
        }
        self.entries.insert(subject, entry);
    }

    pub(super) fn insert(
        &mut self,
        subject: RevocationSubject,
        entry: RevocationEntry,
        now: u64,
    ) -> Result<(), RevocationError> {
        check(&subject)?;
        self.purge(now, self.past_secs);
        let bytes = cost(&subject);
        let is_full = |table: &Self| {
            let freed = table.entries.get(&subject).map_or(0, |_| bytes);
            table.bytes - freed + bytes > BYTES_MAX
        };
        if is_full(self) {
            // What is over by the clock of now, which may be ahead, gives way first.
            self.purge(now, 0);
        }
        // What has expired by now is at most an end to an entry that has not; where entries outlive
        // the process it is kept for as long as they are, if there is room.
        let is_over = entry.until <= now;
        let is_past = entry.until.saturating_add(self.past_secs) <= now;
        match is_full(self) {
            full if is_past || (full && is_over) => {
                self.remove(&subject);
            }
            true => return Err(RevocationError::Full),
            false => self.set(subject, entry),
        }
        Ok(())
    }

    /// As [`RevocationTable::insert`], but takes nothing back of what was said before.
    pub(super) fn extend(
        &mut self,
        subject: RevocationSubject,
        entry: RevocationEntry,
        now: u64,
    ) -> Result<(), RevocationError> {
        let before = self.entries.get(&subject);
        let before = before.filter(|it| now < it.until.saturating_add(self.past_secs));
        let entry = match before {
            None => entry,
            Some(before) => RevocationEntry {
                until: before.until.max(entry.until),
                issued_before: before.issued_before.max(entry.issued_before),
            },
        };
        self.insert(subject, entry, now)
    }

    pub(super) fn remove(&mut self, subject: &RevocationSubject) -> bool {
        let Some(entry) = self.entries.remove(subject) else {
            return false;
        };
        self.bytes -= cost(subject);
        // An entry without end is in no order, and there are no end and subject to look for.
        if entry.until != u64::MAX {
            self.ends.remove(&(entry.until, subject.clone()));
        }
        true
    }

    /// Removes a few of those that have been over for so long.
    fn purge(&mut self, now: u64, past_secs: u64) {
        for _ in 0..PURGE_MAX {
            let Some((until, _)) = self.ends.first() else {
                return;
            };
            if until.saturating_add(past_secs) > now {
                return;
            }
            if let Some((_, subject)) = self.ends.pop_first()
                && self.entries.remove(&subject).is_some()
            {
                self.bytes -= cost(&subject);
            }
        }
    }
}
