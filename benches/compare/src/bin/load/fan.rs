//! Fan-out: client 0 sends a message, the server relays it to everyone, and so on. Gives the server's CPU time for each
//! delivery and the time from a message's sending to its last receipt.
//!
//! The CPU time is read while nothing is in flight, before and after a fixed number of messages, so every server does
//! the same work. `in_flight` messages are under way; what fell due in one turn is sent in one write.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    error::LoadError,
    fleet::Fleet,
    frame,
    ledger::Ledger,
    options::Options,
    process::{self, Cpu, Process},
};

/// How long nobody may receive anything more after the last message, before the count is believed.
const QUIET: Duration = Duration::from_millis(200);

/// The clocks that a measurement lies between.
struct Look {
    server: Cpu,
    own: Cpu,
    machine: Duration,
    at: Instant,
}

impl Look {
    fn now(server: Process) -> Result<Self, LoadError> {
        let own = Process {
            pid: std::process::id(),
        };
        Ok(Self {
            server: server.cpu()?,
            own: own.cpu()?,
            machine: process::machine_busy()?,
            at: Instant::now(),
        })
    }
}

/// Runs the measurement.
pub fn run(options: &Options, server: Process) -> Result<Value, LoadError> {
    let mut fleet = Fleet::new(options.address, &options.path)?;
    fleet.open(options.sessions, options.patience)?;
    let mut ledger = Ledger::new(options.sessions, options.size);
    relay(
        &mut fleet,
        &mut ledger,
        options,
        options.warm_up,
        options.seconds,
    )?;

    let before = Look::now(server)?;
    let sent_before = ledger.sent();
    let mut latencies = relay(
        &mut fleet,
        &mut ledger,
        options,
        options.messages,
        options.seconds,
    )?;
    let after = Look::now(server)?;
    let resident = server.resident()?;
    quiet(&mut fleet, &mut ledger)?;

    let messages = ledger.sent() - sent_before;
    if messages < options.messages {
        // Less work than the other servers did is no figure to set beside theirs.
        let seconds = options.seconds.as_secs();
        let state = format!("only {messages} of {} messages were sent", options.messages);
        return Err(LoadError::OutOfTime { seconds, state });
    }
    let deliveries = messages * options.sessions as u64;
    let each = |spent: Duration| round(spent.as_secs_f64() * 1e6 / deliveries as f64);
    let elapsed = after.at - before.at;
    let cpu = after.server.threads.saturating_sub(before.server.threads);
    let own = after.own.threads.saturating_sub(before.own.threads);
    // Counted in ticks of 10 ms that sample what runs, so a few percent either way mean nothing.
    let others = (after.machine - before.machine).as_secs_f64() - (cpu + own).as_secs_f64();
    let share = |spent: Duration| round(spent.as_secs_f64() / elapsed.as_secs_f64());
    latencies.sort_unstable();
    Ok(json!({
        "server": options.server,
        "mode": "fan",
        "sessions": options.sessions,
        "in_flight": options.in_flight,
        "size": options.size,
        "spin": options.spin,
        "messages": messages,
        "deliveries": deliveries,
        "seconds": round(elapsed.as_secs_f64()),
        "deliveries_per_s": (deliveries as f64 / elapsed.as_secs_f64()).round(),
        "server_cpu_us_per_delivery": each(cpu),
        "server_cpu_us_per_delivery_by_ticks": each(after.server.ticks.saturating_sub(before.server.ticks)),
        "server_cpu_busy": share(cpu),
        "load_cpu_us_per_delivery": each(own),
        "others_cpu": round(others / elapsed.as_secs_f64()),
        "latency_p50_us": percentile(&latencies, 50),
        "latency_p99_us": percentile(&latencies, 99),
        "server_rss_kib": resident.total,
    }))
}

/// Relays `count` messages, fewer if `limit` runs out, and returns when everyone has them, with each message's time.
pub fn relay(
    fleet: &mut Fleet,
    ledger: &mut Ledger,
    options: &Options,
    count: u64,
    limit: Duration,
) -> Result<Vec<Duration>, LoadError> {
    let (start, last) = (Instant::now(), ledger.sent() + count);
    let mut latencies = Vec::with_capacity(count as usize);
    let mut progress = Instant::now();
    let mut bytes = Vec::new();
    let wait = if options.spin {
        Duration::ZERO
    } else {
        Duration::from_millis(100)
    };
    loop {
        while ledger.in_flight() < options.in_flight
            && ledger.sent() < last
            && start.elapsed() < limit
        {
            frame::put(&mut bytes, frame::TEXT, &ledger.send(Instant::now()));
        }
        if ledger.in_flight() == 0 {
            return Ok(latencies);
        }
        if !bytes.is_empty() {
            fleet.send(0, &bytes)?;
            bytes.clear();
        }
        // One reading of the clock for a turn's deliveries is exact enough and costs nothing.
        let mut now = None;
        fleet.turn(wait, &mut |client, message| {
            let now = *now.get_or_insert_with(Instant::now);
            progress = now;
            latencies.extend(ledger.receive(client, message, now)?);
            Ok(())
        })?;
        if progress.elapsed() > options.patience {
            return Err(LoadError::Stalled {
                seconds: options.patience.as_secs(),
                state: ledger.state(),
            });
        }
    }
}

/// Fails if anybody receives anything now: all was delivered, so it would be a duplicate.
fn quiet(fleet: &mut Fleet, ledger: &mut Ledger) -> Result<(), LoadError> {
    let start = Instant::now();
    while let Some(left) = QUIET.checked_sub(start.elapsed()) {
        fleet.turn(left, &mut |client, message| {
            ledger.receive(client, message, Instant::now()).map(drop)
        })?;
    }
    Ok(())
}

/// The value below which `percent` of the sorted ones lie, in µs.
fn percentile(sorted: &[Duration], percent: usize) -> u64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).map_or(0, |time| time.as_micros() as u64)
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_from_the_sorted_list() {
        let sorted: Vec<_> = (1..=200).map(Duration::from_micros).collect();
        assert_eq!(
            (percentile(&sorted, 50), percentile(&sorted, 99)),
            (100, 198)
        );
        assert_eq!(percentile(&sorted[..1], 99), 1);
        assert_eq!(percentile(&[], 50), 0);
    }
}
