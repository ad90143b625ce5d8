//! How much may be blocked and taken back.

/// Room for all entries together: some 300,000 of them.
pub(in crate::token) const BYTES_MAX: usize = 64 << 20;

/// What an entry is charged beside its names, which are kept twice.
pub(in crate::token) const ENTRY_BYTES: usize = 160;

/// Longest user, token id or channel.
pub(in crate::token) const NAME_BYTES_MAX: usize = 1024;

/// Expired entries that one change removes, so that no change takes long.
pub(in crate::token) const PURGE_MAX: usize = 64;
