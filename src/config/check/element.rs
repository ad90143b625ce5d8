//! One element of an array of tables, such as one `[[raw]]`, and where its settings were written.

use std::fmt;

use crate::config::{
    errors::{Errors, Origin},
    raw_settings::RawSettings,
};

/// One element of a list of tables: where its settings were written, so that faults name the place.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) raw: &'a RawSettings,
    pub(super) table: &'static str,
    pub(super) index: usize,
}

impl Element<'_> {
    fn path(&self, name: &str) -> String {
        format!("{}.{}.{name}", self.table, self.index)
    }

    /// Whether a setting could not be read, which was told already.
    pub(super) fn is_unreadable(&self, name: &str) -> bool {
        self.raw.is_unreadable(&self.path(name))
    }

    /// Tells what is wrong with a setting, at its line or at the element's.
    pub(super) fn fault(&self, errors: &mut Errors, name: &str, what: impl fmt::Display) {
        if self.is_unreadable(name) {
            return;
        }
        let origin = match self.raw.origin(&self.path(name)) {
            Origin::BuiltIn => self.raw.origin(&format!("{}.{}", self.table, self.index)),
            origin => origin,
        };
        errors.add(&origin, &format!("{}.{name}", self.table), what);
    }
}
