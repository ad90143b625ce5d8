//! Removes segments: those that a snapshot has replaced, and a snapshot that was not finished.

use std::io;

use super::Segments;

/// Damaged files that are kept beside the log for people to look at.
const DAMAGED_MAX: usize = 4;

impl Segments {
    /// Removes the oldest segment if it is one before `first`, for good: one at a time and the
    /// oldest first, so that a crash leaves an end of the log and never a middle. A damaged one is
    /// set aside. Whether there was one.
    pub(in crate::state) fn remove_oldest(&mut self, first: u64) -> io::Result<bool> {
        let Some(old) = self.old.front().filter(|old| old.number < first) else {
            return Ok(false);
        };
        let name = self.options.segment(old.number);
        if old.is_damaged {
            self.disk.rename(&name, &format!("{name}.damaged"))?;
            self.thin_out_damaged()?;
        } else {
            self.disk.remove(&name)?;
        }
        self.disk.sync()?;
        self.old.pop_front();
        Ok(true)
    }

    /// Keeps the newest of the files that were set aside.
    fn thin_out_damaged(&self) -> io::Result<()> {
        let mut names = self.disk.list()?;
        names.retain(|name| {
            let plain = name.strip_suffix(".damaged");
            plain.is_some_and(|plain| self.options.number(plain).is_some())
        });
        names.sort_unstable();
        let surplus = names.len().saturating_sub(DAMAGED_MAX);
        names[..surplus]
            .iter()
            .try_for_each(|name| self.disk.remove(name))
    }

    /// Removes the newest segments from `first` on, for good and the newest first: a snapshot that
    /// was not finished.
    pub(in crate::state) fn remove_from(&mut self, first: u64) {
        let current = self.current.as_ref().map(|current| current.number);
        if current.is_some_and(|number| number >= first) {
            self.seal(false);
        }
        while let Some(old) = self.old.back().filter(|old| old.number >= first) {
            let removed = self.disk.remove(&self.options.segment(old.number));
            if removed.and_then(|()| self.disk.sync()).is_err() {
                return;
            }
            self.old.pop_back();
            self.is_first = true;
        }
    }
}
