//! Messages in JSON: one object a line, so that newlines part messages.
//!
//! Pure. `decode` reads commands, `encode` writes replies and pushes.

pub(super) mod decode;
pub(super) mod encode;
pub(super) mod object;
