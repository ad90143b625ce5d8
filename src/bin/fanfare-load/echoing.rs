//! Echo: each client sends, and sends again when it has its own message back; or all of them in
//! turn, so many messages a second.

use crate::{clock::micros, error::LoadError, fleet::Fleet, publishing::Amount};

/// Between two looks whether anything comes still.
const LOOK_US: u64 = 50_000;

/// Echoes, and returns when every message is back or nothing more comes.
pub(crate) fn echo(fleet: &mut Fleet, amount: Amount) -> Result<(), LoadError> {
    let began = fleet.now();
    let gap = fleet.plan.options.rate.map(|rate| 1e6 / rate);
    let window = fleet.plan.options.in_flight.unwrap_or(1);
    let clients = fleet.size();
    let patience = micros(fleet.plan.options.patience);
    fleet.tally.progress = began;
    let mut sent = 0u64;
    // In a closed loop everyone begins, and goes on as answers come.
    let mut ready: Vec<usize> = match gap {
        None => (0..window).flat_map(|_| 0..clients).collect(),
        Some(_) => Vec::new(),
    };
    ready.reverse();
    loop {
        let now = fleet.now();
        let is_over = sent >= amount.messages || amount.until.is_some_and(|until| now >= until);
        let mut next = None;
        if !is_over && let Some(gap) = gap {
            let due = |sent: u64| began + (sent as f64 * gap) as u64;
            while sent < amount.messages && due(sent) <= now {
                let client = (sent % clients as u64) as usize;
                send(fleet, client, due(sent), now);
                sent += 1;
            }
            next = Some(due(sent));
        } else if !is_over {
            while sent < amount.messages
                && let Some(client) = ready.pop()
            {
                sent += u64::from(send(fleet, client, fleet.now(), now));
            }
        }
        if is_over && fleet.tally.received >= fleet.tally.expected {
            return Ok(());
        }
        if now > fleet.tally.progress + patience {
            return Ok(());
        }
        fleet.turn(next.unwrap_or(now + LOOK_US))?;
        if let Some(echoed) = &mut fleet.tally.echoed {
            if gap.is_none() {
                ready.append(echoed);
            }
            echoed.clear();
        }
    }
}

fn send(fleet: &mut Fleet, client: usize, due: u64, now: u64) -> bool {
    if !fleet.is_open(client) {
        return false;
    }
    let mark = fleet.tally.send(client, 0, due, now);
    fleet.send(client, &mark);
    fleet.flush(client);
    true
}
