//! Opens clients: as many at a time as the command line says, or at a rate.

use crate::{clock::micros, error::LoadError, fleet::Fleet, protocol::Position};

/// Between two looks for what takes too long.
const LOOK_US: u64 = 100_000;

/// Opens all clients that `positions` has a slot for and are not connected; returns when each is
/// subscribed or has failed. `None` where nothing is to be gone on from.
pub(crate) fn open_all(
    fleet: &mut Fleet,
    positions: &mut [Option<Box<Position>>],
) -> Result<(), LoadError> {
    let began = fleet.now();
    let gap = fleet.plan.options.connect_rate.map(|rate| 1e6 / rate);
    let most = fleet.plan.options.connecting.max(1);
    let patience = micros(fleet.plan.options.patience);
    let mut waiting = (0..fleet.size())
        .filter(|it| !fleet.is_connected(*it))
        .collect::<Vec<_>>();
    waiting.reverse();
    let mut count = 0u64;
    let mut look = began + LOOK_US;
    loop {
        let now = fleet.now();
        let due = |count: u64| gap.map_or(now, |gap| began + (count as f64 * gap) as u64);
        while fleet.tally.under_way() < most && due(count) <= now {
            let Some(number) = waiting.pop() else {
                break;
            };
            let position = positions.get_mut(number).and_then(Option::take);
            fleet.begin(number, position, due(count))?;
            count += 1;
        }
        if waiting.is_empty() && fleet.tally.under_way() == 0 {
            return Ok(());
        }
        if fleet.tally.failed > 0 && fleet.tally.opened == 0 && fleet.tally.under_way() == 0 {
            return Err(LoadError::Stalled(format!(
                "no client could connect to {}: {}",
                fleet.plan.options.url.join(" and "),
                fleet.tally.commonest_end()
            )));
        }
        // With a place free, the next connection's time counts.
        let is_full = fleet.tally.under_way() >= most || waiting.is_empty();
        fleet.turn(if is_full { look } else { due(count).min(look) })?;
        if fleet.now() >= look {
            look = fleet.now() + LOOK_US;
            fleet.give_up(fleet.now().saturating_sub(patience));
        }
    }
}
