//! What a run found, as text for people and as JSON for programs.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

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
    pub answered: u64,
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
            Work::Publish => self.answered,
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

    pub(crate) fn to_json(&self, fleet: &Fleet) -> Value {
        let tally = &fleet.tally;
        let options = &fleet.plan.options;
        let spent = &self.spent;
        let (latency, kind) = self.latency(fleet);
        let span = seconds(spent.micros);
        json!({
            "work": name(options.work),
            "protocol": name(options.protocol),
            "conns": options.conns,
            "channels": fleet.plan.terms.channels,
            "size": options.size,
            "in_flight": options.in_flight,
            "rate": options.rate,
            "clean": self.is_clean(fleet),
            "opened": tally.opened,
            "failed": tally.failed,
            "ended": tally.ended,
            "published": self.published,
            "delivered": tally.delivered,
            "lost": self.faults.lost,
            "doubled": self.faults.doubled,
            "out_of_order": self.faults.out_of_order,
            "foreign": self.faults.foreign,
            "seconds": span,
            "deliveries_per_s": round(tally.delivered as f64 / span),
            "publishes_per_s": round(self.published as f64 / span),
            "connects_per_s": self.connects_per_s(),
            "latency_kind": kind,
            "latency_us": percentiles(latency),
            "connect_latency_us": percentiles(&tally.connecting),
            "answers": {
                "count": self.answered,
                "refused": tally.refused,
                "per_s": round(self.answered as f64 / span),
                "latency_us": percentiles(&tally.answering),
            },
            "storm": self.storm.as_ref().map(|storm| json!({
                "back": storm.back,
                "complete": storm.complete,
                "back_s": seconds(storm.back_us),
                "complete_s": seconds(storm.complete_us),
            })),
            "server": self.server_json(fleet),
            "load": {
                "cpu_s": spent.own.total.as_secs_f64(),
                "cpu_share": round(spent.own_share()),
                "waited_share": round(spent.waited_share()),
                "late_us": percentiles(&tally.lateness),
                "limited": self.is_limited(fleet),
            },
            "others_cpu_s": round(spent.others_s),
            "ends": tally.ends().map(|(how, count)| json!([how, count])).collect::<Vec<_>>(),
            "notes": self.all_notes(fleet),
        })
    }

    fn server_json(&self, fleet: &Fleet) -> Value {
        if fleet.plan.options.pids.is_empty() {
            return Value::Null;
        }
        let server = &self.spent.server;
        json!({
            "cpu_us_per_delivery": self.per_delivery(fleet, server.total),
            "user_us_per_delivery": self.per_delivery(fleet, server.user()),
            "user_samples": server.ticks,
            "pss_kb_per_conn": self.pss_per_conn(fleet),
            "pss_kb_before": self.pss_kb.map(|(before, _)| before),
            "pss_kb_after": self.pss_kb.map(|(_, after)| after),
            "cpu_s": server.total.as_secs_f64(),
            "user_s": server.user().as_secs_f64(),
            "cpu_share": round(self.spent.server_share()),
            "busiest_thread_share": round(self.spent.busiest_share()),
            "threads_cpu_s": server.threads.values().map(|it| it.as_secs_f64()).collect::<Vec<_>>(),
        })
    }

    fn connects_per_s(&self) -> Option<f64> {
        (self.connected > 0)
            .then(|| round(self.connected as f64 / seconds(self.connecting_us.max(1))))
    }

    fn all_notes(&self, fleet: &Fleet) -> Vec<String> {
        let mut notes = self.notes.clone();
        if self.is_limited(fleet) {
            notes.push(format!(
                "limited: this process was busy for {:.0} % of the time, the server's busiest thread \
                 for {:.0} %: the server could do more",
                100.0 * self.spent.own_share(),
                100.0 * self.spent.busiest_share()
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

    pub(crate) fn to_text(&self, fleet: &Fleet) -> String {
        let mut text = String::new();
        self.write(fleet, &mut text)
            .expect("writing to a String cannot fail");
        text
    }

    fn write(&self, fleet: &Fleet, out: &mut String) -> std::fmt::Result {
        let tally = &fleet.tally;
        let options = &fleet.plan.options;
        let span = seconds(self.spent.micros);
        let (work, protocol) = (name(options.work), name(options.protocol));
        writeln!(
            out,
            "{work}, {protocol}: {} of {} clients opened",
            tally.opened, options.conns
        )?;
        if let Some(rate) = self.connects_per_s() {
            writeln!(
                out,
                "  {rate:.0} connections a second, {}",
                line(&tally.connecting)
            )?;
        }
        self.write_deliveries(fleet, out)?;
        if self.answered > 0 {
            let rate = self.answered as f64 / span;
            writeln!(
                out,
                "  {rate:.0} answers a second, {}",
                line(&tally.answering)
            )?;
        }
        if let Some(storm) = &self.storm {
            writeln!(
                out,
                "  {} back after {:.3} s, {} complete after {:.3} s",
                storm.back,
                seconds(storm.back_us),
                storm.complete,
                seconds(storm.complete_us)
            )?;
        }
        self.write_costs(fleet, out)?;
        for (how, count) in tally.ends() {
            writeln!(out, "  {count} × {how}")?;
        }
        for note in self.all_notes(fleet) {
            writeln!(out, "  {note}")?;
        }
        Ok(())
    }

    fn write_deliveries(&self, fleet: &Fleet, out: &mut String) -> std::fmt::Result {
        if self.published == 0 {
            return Ok(());
        }
        let (tally, span) = (&fleet.tally, seconds(self.spent.micros));
        writeln!(
            out,
            "  {} published in {span:.2} s, {} delivered ({:.0} a second)",
            self.published,
            tally.delivered,
            tally.delivered as f64 / span
        )?;
        let Faults {
            lost,
            doubled,
            out_of_order,
            foreign,
        } = self.faults;
        writeln!(
            out,
            "  {lost} lost, {doubled} doubled, {out_of_order} out of order"
        )?;
        if foreign > 0 {
            writeln!(out, "  {foreign} of another channel")?;
        }
        let (latency, kind) = self.latency(fleet);
        writeln!(out, "  latency, {kind}: {}", line(latency))?;
        Ok(())
    }

    fn write_costs(&self, fleet: &Fleet, out: &mut String) -> std::fmt::Result {
        let server = &self.spent.server;
        if let (Some(all), Some(user)) = (
            self.per_delivery(fleet, server.total),
            self.per_delivery(fleet, server.user()),
        ) {
            let unit = match fleet.plan.options.work {
                Work::Connect => "connection",
                Work::Publish => "publication",
                _ => "delivery",
            };
            writeln!(
                out,
                "  server: {all} µs of CPU a {unit}, {user} of them in user space ({} samples)",
                server.ticks
            )?;
        }
        if let Some(kib) = self.pss_per_conn(fleet) {
            writeln!(out, "  server: {kib} KiB of memory a connection")?;
        }
        writeln!(
            out,
            "  CPU: server {:.0} % of a core, this process {:.0} %, others {:.0} %",
            100.0 * self.spent.server_share(),
            100.0 * self.spent.own_share(),
            100.0 * self.spent.others_s / seconds(self.spent.micros)
        )
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

fn percentiles(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let mut value = json!({});
    for (name, percentile) in PERCENTILES {
        value[name] = json!(
            histogram
                .value_at_percentile(percentile)
                .min(histogram.max())
        );
    }
    value["max"] = json!(histogram.max());
    value
}

fn line(histogram: &Histogram<u64>) -> String {
    if histogram.is_empty() {
        return "no times".to_owned();
    }
    let at = |percentile| {
        histogram
            .value_at_percentile(percentile)
            .min(histogram.max())
    };
    let mut text = String::new();
    for (name, percentile) in PERCENTILES {
        let name = name.replace("p9999", "p99.99").replace("p999", "p99.9");
        text.push_str(&format!("{name} {} ", at(percentile)));
    }
    format!("{text}max {} µs", histogram.max())
}
