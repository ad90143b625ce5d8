//! The line of progress on standard error: rewritten in place on a terminal, else one a second.

use std::io::{self, IsTerminal as _, Write as _};

use crate::{clock::seconds, options::Options, plan::Plan, tally::Tally};

const EVERY_US: u64 = 1_000_000;

/// When the next line is due.
pub(crate) struct Progress {
    is_quiet: bool,
    is_terminal: bool,
    next: u64,
    last_received: u64,
}

impl Progress {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            is_quiet: options.quiet,
            is_terminal: io::stderr().is_terminal(),
            next: EVERY_US,
            last_received: 0,
        }
    }

    /// Prints a line if one is due.
    pub(crate) fn tick(&mut self, now: u64, tally: &Tally, plan: &Plan) {
        if now < self.next {
            return;
        }
        self.next = now + EVERY_US;
        let new = tally.received - self.last_received;
        self.last_received = tally.received;
        if self.is_quiet {
            return;
        }
        let line = format!(
            "{:.0} s: {} of {} clients, {} published, {} received (+{new}), {} failed, {} ended",
            seconds(now),
            tally.opened,
            plan.options.conns,
            tally.published,
            tally.received,
            tally.failed,
            tally.ended,
        );
        let (before, behind) = if self.is_terminal {
            ("\r\u{1b}[K", "")
        } else {
            ("", "\n")
        };
        // A reader that has seen enough is no fault.
        let _ = write!(io::stderr(), "{before}{line}{behind}");
    }

    /// Takes the line away before something else is printed.
    pub(crate) fn end(&self) {
        if self.is_terminal && !self.is_quiet {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}
