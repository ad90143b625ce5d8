//! Idle memory: how much the server's process grows for each connected client that says nothing.
//!
//! Several numbers of clients in one process, ascending, so that what the server needs once can be told from what it
//! needs for each. At the end a few messages go to everyone: what stays then is what a client costs that was written
//! to. Memory of the kernel's sockets is not in it; that is the same for all servers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    error::LoadError,
    fan,
    fleet::Fleet,
    ledger::Ledger,
    options::Options,
    process::{Process, Resident},
};

/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(250);
/// Memory has settled when two looks differ by no more than this.
const SETTLED_KIB: u64 = 64;
/// Looked at until then at the latest.
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// Messages to everyone at the end.
const TOUCHES: u64 = 5;

/// Runs the measurement.
pub fn run(options: &Options, server: Process) -> Result<Value, LoadError> {
    let mut fleet = Fleet::new(options.address, &options.path)?;
    let start = settled(&mut fleet, server)?;
    let mut last = (0, start);
    let mut steps = Vec::new();
    for &sessions in &options.steps {
        fleet.open(sessions, options.patience)?;
        let now = settled(&mut fleet, server)?;
        let added = sessions - last.0;
        steps.push(json!({
            "sessions": sessions,
            "rss_kib": now.total,
            "rss_anon_kib": now.anonymous,
            "bytes_per_session": per_session(start.total, now.total, sessions),
            "anon_bytes_per_session": per_session(start.anonymous, now.anonymous, sessions),
            "bytes_per_added_session": per_session(last.1.total, now.total, added),
        }));
        last = (sessions, now);
    }
    let sessions = last.0;
    let mut ledger = Ledger::new(sessions, options.size);
    fan::relay(&mut fleet, &mut ledger, options, TOUCHES, options.seconds)?;
    let touched = settled(&mut fleet, server)?;
    Ok(json!({
        "server": options.server,
        "mode": "idle",
        "rss_kib_before": start.total,
        "rss_anon_kib_before": start.anonymous,
        "steps": steps,
        "rss_kib_after_messages": touched.total,
        "bytes_per_session_after_messages": per_session(start.total, touched.total, sessions),
    }))
}

/// The memory once it no longer changes. The clients answer pings meanwhile.
fn settled(fleet: &mut Fleet, server: Process) -> Result<Resident, LoadError> {
    let (start, mut last) = (Instant::now(), server.resident()?);
    loop {
        let look = Instant::now();
        while let Some(left) = LOOK.checked_sub(look.elapsed()) {
            fleet.turn(left, &mut |_, _| Ok(()))?;
        }
        let now = server.resident()?;
        if now.total.abs_diff(last.total) <= SETTLED_KIB || start.elapsed() > SETTLE_MAX {
            return Ok(now);
        }
        last = now;
    }
}

/// Bytes for each session; negative where the memory shrank.
fn per_session(before_kib: u64, after_kib: u64, sessions: usize) -> i64 {
    let grown = (after_kib as i64 - before_kib as i64) * 1024;
    grown / (sessions.max(1) as i64)
}
