//! A measured span: what the servers, this process and the rest of the machine spent in it.

use crate::{
    clock::micros,
    error::LoadError,
    process::{self, Cpu},
};

/// Clocks at one moment.
#[derive(Debug)]
pub(crate) struct Look {
    server: Cpu,
    own: Cpu,
    machine: std::time::Duration,
    at: u64,
}

/// What was spent between two moments.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    pub server: Cpu,
    pub own: Cpu,
    /// Seconds of CPU that other processes took.
    pub others_s: f64,
    pub micros: u64,
}

impl Look {
    /// At `at`, of servers that are best idle now.
    pub(crate) fn new(pids: &[u32], at: u64) -> Result<Self, LoadError> {
        Ok(Self {
            server: Cpu::of(pids)?,
            // Where there is no /proc, there is nothing to tell.
            own: Cpu::of(&[std::process::id()]).unwrap_or_default(),
            machine: process::machine(),
            at,
        })
    }

    /// What was spent since, over a span that ended at `end`.
    pub(crate) fn until(&self, pids: &[u32], end: u64) -> Result<Spent, LoadError> {
        let now = Self::new(pids, end)?;
        let (server, own) = (now.server.since(&self.server), now.own.since(&self.own));
        let machine = now.machine.saturating_sub(self.machine).as_secs_f64();
        let ours = (server.total + own.total).as_secs_f64();
        Ok(Spent {
            server,
            own,
            others_s: (machine - ours).max(0.0),
            micros: end.saturating_sub(self.at).max(1),
        })
    }
}

impl Spent {
    /// The share of a core that a time is.
    fn share(&self, spent: std::time::Duration) -> f64 {
        micros(spent) as f64 / self.micros as f64
    }

    pub(crate) fn own_share(&self) -> f64 {
        self.share(self.own.total)
    }

    /// Of the server's busiest thread.
    pub(crate) fn busiest_share(&self) -> f64 {
        self.share(self.server.busiest())
    }

    pub(crate) fn server_share(&self) -> f64 {
        self.share(self.server.total)
    }

    /// For how much of the time this process waited for a core that others had.
    pub(crate) fn waited_share(&self) -> f64 {
        self.share(self.own.waited)
    }
}
