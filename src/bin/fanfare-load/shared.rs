//! What the fleet lends its connections while they handle what came.

use crate::{plan::Plan, tally::Tally};

/// What connections share while they handle what came.
pub(crate) struct Shared<'a> {
    pub plan: &'a Plan,
    pub tally: &'a mut Tally,
    pub buffer: &'a mut [u8],
}
