//! A storm: all clients are cut at once, messages are published meanwhile, all come back at once,
//! each from where it was; and the time until the last is back and has what it missed.

use crate::{
    clock::micros,
    error::LoadError,
    fleet::Fleet,
    measure::Look,
    opening::open_all,
    publishing::{Amount, Publishing},
    report::{Report, Storm},
};

/// Messages before the cut, so that everyone has a place to go on from.
const BEFORE: u64 = 1;
/// Messages while everyone is away, if nothing is said.
const MEANWHILE: u64 = 10;
/// Between two looks whether all is complete.
const LOOK_US: u64 = 20_000;

/// Cuts all connections at once and waits until all are back and complete.
pub(crate) fn run(fleet: &mut Fleet, report: &mut Report) -> Result<(), LoadError> {
    let channels = fleet.plan.terms.channels as u64;
    let before = only(BEFORE * channels);
    Publishing::new(fleet, before).run()?;
    let mut positions: Vec<_> = (0..fleet.size()).map(|number| fleet.cut(number)).collect();
    let cut_at = fleet.now();
    let pids = fleet.plan.options.pids.clone();
    let look = Look::new(&pids, cut_at)?;
    fleet.tally.forget_opened();
    let published = fleet.tally.published;
    let meanwhile = only(fleet.plan.options.messages.unwrap_or(MEANWHILE));
    Publishing::new(fleet, meanwhile).unheard().run()?;
    report.published = fleet.tally.published - published;

    let began = fleet.now();
    // What is missed is counted from the return on: how long they were away is no figure.
    open_all(fleet, &mut positions)?;
    let back_us = fleet.now() - began;
    let patience = micros(fleet.plan.options.patience);
    fleet.tally.progress = fleet.now();
    while fleet.tally.received < fleet.tally.expected
        && fleet.now() < fleet.tally.progress + patience
    {
        let until = fleet.now() + LOOK_US;
        fleet.turn(until)?;
    }
    let clients = 0..fleet.size();
    report.storm = Some(Storm {
        back_us,
        complete_us: back_us.max(fleet.tally.progress.saturating_sub(began)),
        back: clients
            .clone()
            .filter(|number| fleet.is_open(*number))
            .count(),
        complete: clients
            .filter(|number| fleet.is_open(*number) && fleet.tally.ledger.lacks(*number) == 0)
            .count(),
    });
    report.connecting_us = back_us;
    report.connected = fleet.tally.opened as u64;
    report.spent = look.until(&pids, fleet.tally.progress)?;
    Ok(())
}

fn only(messages: u64) -> Amount {
    Amount {
        messages,
        until: None,
    }
}
