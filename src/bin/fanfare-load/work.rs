//! What the command line asks for, done: checks that it can be, opens the clients, works, measures.

use std::time::Duration;

use crate::{
    clock::micros,
    descriptors,
    echoing::echo,
    error::LoadError,
    fleet::Fleet,
    flights::Flights,
    ledger::Ledger,
    mark::{RUN_MAX, STREAMS_MAX},
    measure::{Look, Spent},
    opening::open_all,
    options::{Options, Work},
    plan::Plan,
    process,
    protocol::Protocol,
    publishing::{Amount, Publishing},
    report::Report,
    storm,
    tally::Tally,
};

/// How long is looked for what comes twice after everything has come.
const QUIET: Duration = Duration::from_millis(200);
/// Memory has settled when it differs by no more than this between two looks.
const SETTLED_KB: u64 = 64;
const LOOK: Duration = Duration::from_millis(250);
const SETTLE_LOOKS: usize = 20;
/// What is done for so long if nothing is said.
const DURATION: Duration = Duration::from_secs(5);

/// Does the work; the fleet is the report's counts.
pub(crate) fn run(options: Options) -> Result<(Fleet, Report), LoadError> {
    check(&options)?;
    let plan = Plan::new(options)?;
    check_plan(&plan)?;
    descriptors::make_room(plan.options.conns + plan.publishers())?;
    let mut fleet = fleet(plan)?;
    let mut report = Report::default();
    let pids = fleet.plan.options.pids.clone();
    let pss_before = match pids.is_empty() {
        true => None,
        false => Some(process::pss(&pids)?),
    };
    let work = fleet.plan.options.work;
    let look = Look::new(&pids, fleet.now())?;
    let began = fleet.now();
    open_all(&mut fleet, &mut [])?;
    report.connecting_us = fleet.now() - began;
    report.connected = fleet.tally.opened as u64;
    if work == Work::Connect {
        report.spent = look.until(&pids, fleet.now())?;
    } else if fleet.tally.failed > 0 {
        return Err(LoadError::Stalled(format!(
            "{} of {} clients could not connect: {}",
            fleet.tally.failed,
            fleet.plan.options.conns,
            fleet.tally.commonest_end()
        )));
    }
    match work {
        Work::Connect => (),
        Work::Idle => report.spent = idle(&mut fleet, &pids)?,
        Work::Storm => storm::run(&mut fleet, &mut report)?,
        Work::Fanout | Work::Publish | Work::Echo => measured(&mut fleet, &mut report)?,
    }
    if let Some(before) = pss_before {
        report.pss_kb = Some((before, settled(&mut fleet, &pids)?));
    }
    report.faults = fleet.tally.ledger.faults();
    Ok((fleet, report))
}

/// What contradicts itself.
fn check(options: &Options) -> Result<(), LoadError> {
    let usage = |why: &str| Err(LoadError::Usage(why.to_owned()));
    if options.conns == 0 && options.work != Work::Publish {
        return usage("--conns 0 is for publish alone: nobody would be there");
    }
    let needs_channel = !matches!(options.work, Work::Idle | Work::Connect | Work::Echo);
    if options.channels == 0 && needs_channel {
        return usage("--channels 0 is for idle and connect: nothing could be published");
    }
    if options.channels > options.conns.max(1) && options.conns > 0 {
        return usage("there are more --channels than --conns: some would have nobody in them");
    }
    if options.work == Work::Publish && options.rate.is_some() {
        return usage("publish is as fast as it is answered; for a --rate take fanout");
    }
    let mut urls = options.url.iter();
    let by_name = options.protocol.is_centrifuge() || urls.all(|url| url.contains("{channel}"));
    let several = options.channels > 1 && options.work != Work::Echo;
    if several && !by_name {
        return usage("several --channels need {channel} in --url, where their names are put");
    }
    let servers = options.url.len();
    let is_spread = matches!(options.work, Work::Idle | Work::Connect | Work::Fanout);
    if servers > 1 && (!is_spread || options.publishes_by_http()) {
        return usage("several --url are for idle, connect and fanout, with clients that publish");
    }
    if servers > 1 && options.conns < servers * options.channels.max(1) {
        return usage("with several --url each server needs a client in each channel");
    }
    Ok(())
}

/// What the addresses and the protocol do not go together with.
fn check_plan(plan: &Plan) -> Result<(), LoadError> {
    let options = &plan.options;
    let usage = |why: &str| Err(LoadError::Usage(why.to_owned()));
    match options.protocol {
        Protocol::Sse if plan.terms.is_web_socket => {
            return usage("--protocol sse needs an http address");
        }
        Protocol::Sse | Protocol::Nchan => (),
        _ if !plan.terms.is_web_socket => return usage("this --protocol needs a ws address"),
        _ => (),
    }
    if options.work == Work::Storm && !options.publishes_by_http() {
        return usage("storm needs a --publish-url: every client is away while it publishes");
    }
    let sends = !matches!(options.work, Work::Idle | Work::Connect);
    let by_client = sends && !options.publishes_by_http();
    if by_client && !plan.terms.is_web_socket {
        return usage("clients of events cannot send: name a --publish-url");
    }
    if options.work == Work::Publish && by_client && !options.protocol.is_centrifuge() {
        return usage(
            "publish counts answers: name a --publish-url, or take a Centrifuge protocol",
        );
    }
    if by_client && options.conns == 0 {
        return usage("--conns 0 needs a --publish-url: there is no client to send");
    }
    if options.work == Work::Echo && options.publishes_by_http() {
        return usage("echo is sent by the clients: it has no --publish-url");
    }
    if options.work == Work::Echo
        && options.protocol.is_centrifuge()
        && !options.channel.contains("{n}")
    {
        return usage("echo needs a channel for each client: put {n} into --channel");
    }
    if plan.terms.channels * plan.publishers() > STREAMS_MAX {
        return usage("that are more channels and publishers than can be told apart");
    }
    Ok(())
}

fn fleet(plan: Plan) -> Result<Fleet, LoadError> {
    let options = &plan.options;
    let (work, conns, publishers) = (options.work, options.conns, plan.publishers());
    let run = uuid::Uuid::new_v4().as_u128() as u16 & RUN_MAX;
    let ledger = Ledger::new(run, conns, plan.terms.channels, publishers);
    let waits = options.rate.is_none() && work == Work::Fanout;
    let flights = Flights::new(plan.terms.channels * publishers, publishers, waits);
    let mut tally = Tally::new(ledger, flights);
    if work == Work::Echo {
        tally.echoed = Some(Vec::new());
    }
    let by_client = !options.publishes_by_http();
    let excluded = options.publisher_excluded && by_client && work != Work::Echo;
    // Who publishes reads, or it would end the run.
    let spared = if by_client {
        plan.terms.channels * plan.endpoints.len()
    } else {
        0
    };
    let share = options.never_read / 100.0;
    let mut fleet = Fleet::new(plan, tally, if by_client { 0 } else { publishers })?;
    for number in 0..conns {
        let is_deaf = ((number + 1) as f64 * share).floor() > (number as f64 * share).floor();
        if is_deaf && number >= spared {
            fleet.never_reads(number);
        } else if excluded && number < spared {
            fleet.tally.ledger.leave_out(number);
        }
    }
    Ok(fleet)
}

/// Publishes or echoes: first the warm-up, then what is measured, then a while for what comes
/// twice.
fn measured(fleet: &mut Fleet, report: &mut Report) -> Result<(), LoadError> {
    let pids = fleet.plan.options.pids.clone();
    let warm_up = fleet.plan.options.warm_up;
    if warm_up > 0 {
        let amount = Amount {
            messages: warm_up,
            until: None,
        };
        go(fleet, amount)?;
    }
    fleet.tally.begin_measuring(fleet.plan.clock.now());
    let (published, answers) = (fleet.tally.published, fleet.tally.answers);
    let look = Look::new(&pids, fleet.now())?;
    let (amount, wanted) = amount(fleet);
    go(fleet, amount)?;
    let end = fleet.tally.progress;
    report.spent = look.until(&pids, end)?;
    report.published = fleet.tally.published - published;
    report.answers = fleet.tally.answers - answers;
    if wanted.is_some_and(|wanted| report.published < wanted) {
        let wanted = wanted.unwrap_or_default();
        let sent = report.published;
        report.notes.push(format!(
            "only {sent} of {wanted} messages were sent: the server did not keep up"
        ));
    }
    fleet.rest(QUIET)
}

fn go(fleet: &mut Fleet, amount: Amount) -> Result<(), LoadError> {
    match fleet.plan.options.work {
        Work::Echo => echo(fleet, amount),
        _ => Publishing::new(fleet, amount).run(),
    }
}

/// How much is to be sent, and how many messages that must be.
fn amount(fleet: &Fleet) -> (Amount, Option<u64>) {
    let options = &fleet.plan.options;
    if let Some(messages) = options.messages {
        let amount = Amount {
            messages,
            until: None,
        };
        return (amount, Some(messages));
    }
    let span = options.duration.unwrap_or(DURATION);
    // At a rate the time is a number of messages; a server that is slow may have a while more.
    let messages = options
        .rate
        .map(|rate| (rate * span.as_secs_f64()).ceil() as u64);
    let more = match messages {
        Some(_) => options.patience,
        None => Duration::ZERO,
    };
    let amount = Amount {
        messages: messages.unwrap_or(u64::MAX),
        until: Some(fleet.now() + micros(span + more)),
    };
    (amount, messages)
}

/// Lets all clients be.
fn idle(fleet: &mut Fleet, pids: &[u32]) -> Result<Spent, LoadError> {
    let look = Look::new(pids, fleet.now())?;
    let span = fleet.plan.options.duration.unwrap_or(DURATION);
    fleet.rest(span)?;
    look.until(pids, fleet.now())
}

/// The servers' memory once it no longer changes.
fn settled(fleet: &mut Fleet, pids: &[u32]) -> Result<u64, LoadError> {
    let mut last = process::pss(pids)?;
    for _ in 0..SETTLE_LOOKS {
        fleet.rest(LOOK)?;
        let now = process::pss(pids)?;
        if now.abs_diff(last) <= SETTLED_KB {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}
