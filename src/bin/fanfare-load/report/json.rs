//! A run's figures as JSON, for programs.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::{PERCENTILES, Report, name, round};
use crate::{clock::seconds, fleet::Fleet};

impl Report {
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
                "count": self.answers,
                "refused": tally.refused,
                "per_s": round(self.answers as f64 / span),
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
}

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
