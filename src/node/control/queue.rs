//! What waits to be told to the process that this one has taken over from. Filled by any thread,
//! emptied by the task of the main thread that writes to it, open until that process has ended.
//!
//! Bound: [`BYTES_MAX`]. Beyond it all that waits becomes one command to end every session there,
//! so that none goes on that a command was for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::ControlCommand;

/// Bytes of lines that wait, and that are read of one line: many thousand commands.
pub(crate) const BYTES_MAX: usize = 1 << 20;

/// The commands that wait.
#[derive(Debug, Default)]
pub(crate) struct ControlQueue {
    waiting: Mutex<WaitingCommands>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct WaitingCommands {
    /// There is someone to be told.
    is_open: bool,
    lines: String,
}

impl ControlQueue {
    /// From here on there is a process before this one.
    pub(crate) fn open(&self) {
        self.waiting().is_open = true;
    }

    /// That process has ended; nothing more is taken.
    pub(crate) fn close(&self) {
        *self.waiting() = WaitingCommands::default();
    }

    /// Whether that process is there.
    pub(crate) fn is_open(&self) -> bool {
        self.waiting().is_open
    }

    /// Forwards a command, if there is anyone.
    pub(super) fn push(&self, command: &ControlCommand) {
        let mut waiting = self.waiting();
        if !waiting.is_open {
            return;
        }
        let line = command.line();
        if waiting.lines.len() + line.len() > BYTES_MAX {
            log::warn!(
                "the process before this one does not take the commands of the API: all its sessions are to end"
            );
            waiting.lines = ControlCommand::DisconnectAll.line();
        } else {
            waiting.lines.push_str(&line);
        }
        self.filled.notify_one();
    }

    /// Waits for lines, and takes all that wait. Loses nothing when it is dropped.
    pub(crate) async fn next(&self) -> String {
        loop {
            let lines = std::mem::take(&mut self.waiting().lines);
            if !lines.is_empty() {
                return lines;
            }
            self.filled.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, WaitingCommands> {
        // Each change is whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &ControlQueue) -> Vec<ControlCommand> {
        let lines = std::mem::take(&mut queue.waiting().lines);
        let commands = lines.lines().map(ControlCommand::parse);
        commands
            .map(|command| command.expect("a command"))
            .collect()
    }

    fn unblock(user: &str) -> ControlCommand {
        ControlCommand::UnblockUser {
            user: user.to_string(),
        }
    }

    #[test]
    fn commands_wait_in_their_order_while_there_is_someone_to_be_told() {
        let queue = ControlQueue::default();
        queue.push(&unblock("0"));
        assert_eq!(taken(&queue), []);
        queue.open();
        queue.push(&unblock("1"));
        queue.push(&unblock("2"));
        assert_eq!(taken(&queue), [unblock("1"), unblock("2")]);
        queue.push(&unblock("3"));
        queue.close();
        queue.push(&unblock("4"));
        assert_eq!(taken(&queue), []);
    }

    // A command that is dropped in silence would leave a blocked user where he is.
    #[test]
    fn commands_that_find_no_room_become_one_that_ends_every_session() {
        let queue = ControlQueue::default();
        queue.open();
        let name = "x".repeat(BYTES_MAX / 10);
        for _ in 0..10 {
            assert!(queue.waiting().lines.len() <= BYTES_MAX);
            queue.push(&unblock(&name));
        }
        queue.push(&unblock("behind"));
        assert_eq!(
            taken(&queue),
            [ControlCommand::DisconnectAll, unblock("behind")]
        );
    }
}
