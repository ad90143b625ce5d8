//! What a run found, and what is made of it; `text` and `json` write it.

mod json;
mod text;

use hdrhistogram::Histogram;

use crate::{clock::seconds, fleet::Fleet, ledger::Faults, measure::Spent, options::Work};

/// A thread that is busy for more of the time than this does nothing else.
const FULL: f64 = 0.9;
/// Who waited for a core for more of the time than this measured its neighbours.
const WAITED: f64 = 0.1;

/// The figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub faults: Faults,
    /// The measured part, without the warm-up.
    pub spent: Spent,
    pub published: u64,
    pub answers: u64,
    /// From the first connection until the last stood.
    pub connecting_us: u64,
    /// Connections that came to stand in that time.
    pub connected: u64,
    pub pss_kb: Option<(u64, u64)>,
    pub storm: Option<Storm>,
    /// Sentences about what should be known of the figures.
    pub notes: Vec<String>,
}

/// How a storm went.
#[derive(Debug, Default)]
pub(crate) struct Storm {
    /// Until the last client was subscribed again.
    pub back_us: u64,
    /// Until the last client had what it missed.
    pub complete_us: u64,
    pub back: usize,
    pub complete: usize,
}

impl Report {
    /// Whether everything came, once and in order, and everyone could connect and stayed.
    pub(crate) fn is_clean(&self, fleet: &Fleet) -> bool {
        let Faults {
            lost,
            doubled,
            out_of_order,
            foreign,
        } = self.faults;
        lost + doubled + out_of_order + foreign == 0
            && fleet.tally.failed == 0
            && fleet.tally.refused == 0
            && self.ended(fleet) == 0
    }

    /// Clients that the server ended; those who never read, it may.
    fn ended(&self, fleet: &Fleet) -> usize {
        let deaf = (0..fleet.size()).filter(|client| !fleet.tally.ledger.counts(*client));
        let gone = deaf.filter(|client| !fleet.is_connected(*client)).count();
        fleet.tally.ended.saturating_sub(gone)
    }

    /// Whether this process, and no server, was what could do no more.
    fn is_limited(&self, fleet: &Fleet) -> bool {
        let server = self.spent.busiest_share();
        let is_pinned = !fleet.plan.options.pids.is_empty() && server >= FULL;
        self.spent.own_share() >= FULL && !is_pinned
    }

    fn per_delivery(&self, fleet: &Fleet, spent: std::time::Duration) -> Option<f64> {
        let work = self.units(fleet);
        (work > 0 && !fleet.plan.options.pids.is_empty())
            .then(|| round(spent.as_secs_f64() * 1e6 / work as f64))
    }

    /// What the server's time is divided by: deliveries, or publications where nobody listens, or
    /// connections.
    fn units(&self, fleet: &Fleet) -> u64 {
        match fleet.plan.options.work {
            Work::Connect => self.connected,
            Work::Publish => self.answers,
            _ => fleet.tally.delivered,
        }
    }

    fn pss_per_conn(&self, fleet: &Fleet) -> Option<f64> {
        let (before, after) = self.pss_kb?;
        let clients = (0..fleet.size()).filter(|client| fleet.is_connected(*client));
        Some(round(
            (after as f64 - before as f64) / clients.count().max(1) as f64,
        ))
    }

    /// Latencies: of connections where that is the work, of answers where nobody waits for more.
    fn latency<'a>(&self, fleet: &'a Fleet) -> (&'a Histogram<u64>, &'static str) {
        let tally = &fleet.tally;
        let options = &fleet.plan.options;
        let paced = if options.rate.is_some() {
            "from the intended time"
        } else {
            "closed-loop"
        };
        match options.work {
            Work::Connect if options.connect_rate.is_some() => {
                (&tally.connecting, "from the intended time")
            }
            Work::Connect => (&tally.connecting, "closed-loop"),
            _ => (&tally.latency, paced),
        }
    }

    fn connects_per_s(&self) -> Option<f64> {
        (self.connected > 0)
            .then(|| round(self.connected as f64 / seconds(self.connecting_us.max(1))))
    }

    fn all_notes(&self, fleet: &Fleet) -> Vec<String> {
        let mut notes = self.notes.clone();
        if self.is_limited(fleet) {
            let server = match fleet.plan.options.pids.is_empty() {
                true => "whether the server could do more is not known without --pids".to_owned(),
                false => format!(
                    "the server's busiest thread for {:.0} %: the server could do more",
                    100.0 * self.spent.busiest_share()
                ),
            };
            notes.push(format!(
                "limited: this process was busy for {:.0} % of the time, {server}",
                100.0 * self.spent.own_share()
            ));
        }
        if self.spent.waited_share() > WAITED {
            notes.push(format!(
                "this process waited for a core for {:.0} % of the time: give it one of its own",
                100.0 * self.spent.waited_share()
            ));
        }
        notes
    }
}

fn name(value: impl clap::ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

const PERCENTILES: [(&str, f64); 5] = [
    ("p50", 50.0),
    ("p90", 90.0),
    ("p99", 99.0),
    ("p999", 99.9),
    ("p9999", 99.99),
];
