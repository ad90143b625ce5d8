//! A run's figures as text, for people.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::{PERCENTILES, Report, name};
use crate::{clock::seconds, fleet::Fleet, ledger::Faults, options::Work};

impl Report {
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
        if self.answers > 0 {
            let rate = self.answers as f64 / span;
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
