//! How much one session does before the others of its worker get their turn: commands, and bytes of
//! messages as they are after inflating. A small frame can hold thousands of commands, and all of
//! them would be done before anyone else is looked at. What is read for nobody counts as well:
//! parts of messages, and what comes behind our Close.
//!
//! Owned by the session's context. What a turn may do is `limits.commands_per_turn` and
//! `limits.inflated_bytes_per_turn`; when either is spent the session rests until its worker has
//! looked at everyone else, and what is left of a frame waits. A turn is spent by whole
//! commands and messages: the last one may exceed it.

use crate::config::Settings;

/// What is left of a session's turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    commands: u32,
    bytes: u32,
    is_resting: bool,
}

impl Turn {
    /// A whole one.
    pub(crate) fn new(settings: &Settings) -> Self {
        let limits = &settings.limits;
        let capped = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).max(1);
        Self {
            commands: capped(limits.commands_per_turn),
            bytes: capped(limits.inflated_bytes_per_turn),
            is_resting: false,
        }
    }

    /// A command was done, or a message that counts as one.
    pub(crate) fn spend_command(&mut self) {
        self.spend_commands(1);
    }

    /// A message counts as so many commands: one for each channel that it goes to.
    pub(crate) fn spend_commands(&mut self, commands: usize) {
        let commands = u32::try_from(commands).unwrap_or(u32::MAX);
        self.commands = self.commands.saturating_sub(commands);
    }

    /// A message of so many bytes came.
    pub(super) fn spend_bytes(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Whether nothing more is to be done before the next one.
    pub(crate) fn is_spent(&self) -> bool {
        self.commands == 0 || self.bytes == 0
    }

    /// Whether this is the call after which the session is to rest: the turn is spent, and it does
    /// not rest yet.
    pub(super) fn begin_rest(&mut self) -> bool {
        let begins = self.is_spent() && !self.is_resting;
        self.is_resting |= begins;
        begins
    }

    /// Whether the session waits for its next turn, and reads nothing.
    pub(super) fn is_resting(&self) -> bool {
        self.is_resting
    }
}
