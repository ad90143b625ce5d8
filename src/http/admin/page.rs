//! What is asked of a list: its order, and which part of it. Pure.

use serde::Deserialize;

use super::AdminError;
use crate::node::search::Page;

/// Entries of a page, unless asked otherwise.
const LIMIT_DEFAULT: usize = 50;
/// Entries of a page at most.
const LIMIT_MAX: usize = 500;
/// How far into a sorted list a page may be: so many are kept while the rest is looked at.
const REACH: usize = 10_000;

/// The order of a list.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// The smallest first.
    Asc,
    /// The largest first.
    Desc,
}

/// A part of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageQuery {
    order: Order,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

impl PageQuery {
    /// What was asked for.
    ///
    /// # Errors
    /// It is beyond what a list has.
    pub(super) fn new(
        order: Order,
        offset: usize,
        limit: Option<usize>,
    ) -> Result<Self, AdminError> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let what = format!("limit is not between 1 and {LIMIT_MAX}");
            return Err(AdminError::BadRequest(what));
        }
        if offset.saturating_add(limit) > REACH {
            let what = format!("offset and limit are more than {REACH} together; search for less");
            return Err(AdminError::BadRequest(what));
        }
        Ok(Self {
            order,
            offset,
            limit,
        })
    }

    pub(super) fn page(&self) -> Page {
        Page {
            descending: self.order == Order::Desc,
            offset: self.offset,
            limit: self.limit,
        }
    }
}
