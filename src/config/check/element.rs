//! The elements of an array of tables, such as the `[[raw]]`s, each with where it was written.

use std::fmt;

use crate::config::{
    errors::{Errors, SettingOrigin},
    raw_settings::RawSettings,
};

/// Where the settings of one element were written, so that errors name the place.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) raw: &'a RawSettings,
    section: &'static str,
    index: usize,
}

/// The elements of an array of tables, each beside where it was written.
pub(super) fn elements<'a, S>(
    raw: &'a RawSettings,
    section: &'static str,
    elements: &'a [S],
) -> impl Iterator<Item = (Element<'a>, &'a S)> {
    let place = move |index| Element {
        raw,
        section,
        index,
    };
    (0..).map(place).zip(elements)
}

impl Element<'_> {
    /// Whether a setting could not be read, which is among the errors already.
    pub(super) fn is_unreadable(&self, name: &str) -> bool {
        self.raw.is_unreadable(&self.path(name))
    }

    /// Whether the element has a setting, be it as a default is.
    pub(super) fn is_written(&self, name: &str) -> bool {
        self.raw.origin(&self.path(name)) != SettingOrigin::BuiltIn
    }

    /// Adds what is wrong with a setting, at its line or else at the element's; nothing where it
    /// could not be read.
    pub(super) fn refuse(&self, errors: &mut Errors, name: &str, what: impl fmt::Display) {
        if self.is_unreadable(name) {
            return;
        }
        let origin = match self.raw.origin(&self.path(name)) {
            SettingOrigin::BuiltIn => self.raw.origin(&format!("{}.{}", self.section, self.index)),
            origin => origin,
        };
        errors.add(&origin, &format!("{}.{name}", self.section), what);
    }

    fn path(&self, name: &str) -> String {
        format!("{}.{}.{name}", self.section, self.index)
    }
}
