//! What the node does, each second, for administrators who look: one JSON object on the server's
//! own channel [`STATS_CHANNEL`].
//!
//! Made by the `Server` actor of what the workers count anyway, so that it costs the delivery
//! nothing; only as long as somebody listens. Bound: one publication at a time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::metrics::{Count, DELAY_BUCKETS, DELAY_COUNTS, Metrics, WorkerStats};

/// The channel. Its rules are of its own: who brings a token of an administrator may subscribe, and
/// nobody may do anything else.
pub(crate) const STATS_CHANNEL: &str = "$stats";

/// How often those who listen to the node's numbers are told.
pub(super) const STATS_TICK: Duration = Duration::from_secs(1);

/// Distinct channels that have a member.
pub(crate) type CountChannels = Box<dyn Fn() -> usize + Send>;

/// Delays that were counted: of each bucket, and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct DelaySums {
    counts: [u64; DELAY_COUNTS],
    nanos: u64,
}

impl DelaySums {
    fn since(&self, before: &Self) -> Self {
        let counts = std::array::from_fn(|n| self.counts[n].saturating_sub(before.counts[n]));
        Self {
            counts,
            nanos: self.nanos.saturating_sub(before.nanos),
        }
    }

    fn add(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
        self.nanos += other.nanos;
    }

    /// The delay, in seconds, that this share of the deliveries did not exceed, as far as the
    /// buckets tell; of the last one its lower bound.
    fn quantile(&self, share: f64) -> Option<f64> {
        let count: u64 = self.counts.iter().sum();
        if count == 0 {
            return None;
        }
        let rank = share * count as f64;
        let mut below = 0.0;
        for (bucket, &here) in self.counts.iter().enumerate() {
            let here = here as f64;
            if here > 0.0 && below + here >= rank {
                let lower = bucket.checked_sub(1).map_or(0.0, |n| DELAY_BUCKETS[n]);
                let Some(upper) = DELAY_BUCKETS.get(bucket) else {
                    return Some(lower);
                };
                return Some(micros(lower + (upper - lower) * ((rank - below) / here)));
            }
            below += here;
        }
        DELAY_BUCKETS.last().copied()
    }

    fn shown(&self) -> ShownDelay {
        let count: u64 = self.counts.iter().sum();
        let mean = self.nanos as f64 / 1e9 / count.max(1) as f64;
        ShownDelay {
            count,
            mean: (count > 0).then(|| micros(mean)),
            p50: self.quantile(0.5),
            p99: self.quantile(0.99),
        }
    }
}

/// Seconds to the microsecond.
fn micros(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

/// What one worker, or all of them, had counted at a moment, or between two.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct WorkerCounts {
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    slow_disconnects: u64,
    dropped: u64,
    delays: DelaySums,
}

impl WorkerCounts {
    fn of(stats: &WorkerStats) -> Self {
        Self {
            messages_in: stats.messages_in.get(),
            messages_out: stats.messages_out.get(),
            bytes_in: stats.bytes_in.get(),
            bytes_out: stats.bytes_out.get(),
            slow_disconnects: stats.slow_disconnects.get(),
            dropped: stats.dropped.get(),
            delays: DelaySums {
                counts: stats.delays.counts(),
                nanos: stats.delays.sum_nanos(),
            },
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            messages_in: self.messages_in.saturating_sub(before.messages_in),
            messages_out: self.messages_out.saturating_sub(before.messages_out),
            bytes_in: self.bytes_in.saturating_sub(before.bytes_in),
            bytes_out: self.bytes_out.saturating_sub(before.bytes_out),
            slow_disconnects: self
                .slow_disconnects
                .saturating_sub(before.slow_disconnects),
            dropped: self.dropped.saturating_sub(before.dropped),
            delays: self.delays.since(&before.delays),
        }
    }

    fn add(&mut self, other: &Self) {
        self.messages_in += other.messages_in;
        self.messages_out += other.messages_out;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.slow_disconnects += other.slow_disconnects;
        self.dropped += other.dropped;
        self.delays.add(&other.delays);
    }

    fn shown(&self) -> ShownCounts {
        ShownCounts {
            messages_in: self.messages_in,
            messages_out: self.messages_out,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            slow_disconnects: self.slow_disconnects,
            dropped: self.dropped,
        }
    }
}

#[derive(Serialize)]
struct ShownDelay {
    count: u64,
    mean: Option<f64>,
    p50: Option<f64>,
    p99: Option<f64>,
}

#[derive(Serialize)]
struct ShownCounts {
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    slow_disconnects: u64,
    dropped: u64,
}

#[derive(Serialize)]
struct AllDelays {
    #[serde(flatten)]
    delay: ShownDelay,
    buckets: [u64; DELAY_COUNTS],
}

#[derive(Serialize)]
struct ShownWorker {
    worker: usize,
    sessions: u64,
    channels: u64,
    #[serde(flatten)]
    counts: ShownCounts,
    delay: ShownDelay,
}

#[derive(Serialize)]
struct ShownStats {
    /// Unix milliseconds.
    time: u64,
    /// How long all that is counted took.
    seconds: f64,
    sessions: u64,
    channels: usize,
    published: u64,
    #[serde(flatten)]
    counts: ShownCounts,
    delay: AllDelays,
    workers: Vec<ShownWorker>,
    /// Upper bounds of the buckets but the last.
    bounds: [f64; DELAY_BUCKETS.len()],
}

/// What had been counted by a tick.
struct Tick {
    at: Instant,
    published: u64,
    /// By the number of the worker.
    workers: Vec<WorkerCounts>,
}

/// Measures what the node does from one tick to the next.
pub(super) struct StatsMeter {
    metrics: Arc<Metrics>,
    count_channels: CountChannels,
    /// The tick before.
    before: Tick,
    /// One is on its way.
    pub(super) is_publishing: bool,
}

impl StatsMeter {
    pub(super) fn new(metrics: Arc<Metrics>, count_channels: CountChannels) -> Self {
        Self {
            metrics,
            count_channels,
            before: Tick {
                at: Instant::now(),
                published: 0,
                workers: Vec::new(),
            },
            is_publishing: false,
        }
    }

    /// What happened since the tick before, as JSON; only measured where it is not `heard`.
    /// `time_ms` is now in Unix milliseconds.
    pub(super) fn tick(
        &mut self,
        now: Instant,
        time_ms: u64,
        sessions: u64,
        heard: bool,
    ) -> Option<String> {
        let workers = self.metrics.workers();
        let counts: Vec<WorkerCounts> = workers
            .iter()
            .map(|stats| WorkerCounts::of(stats))
            .collect();
        let published = self
            .metrics
            .published
            .load(std::sync::atomic::Ordering::Relaxed);
        let tick = Tick {
            at: now,
            published,
            workers: counts.clone(),
        };
        let before = std::mem::replace(&mut self.before, tick);
        if !heard {
            return None;
        }
        let mut all = WorkerCounts::default();
        let shown = workers
            .iter()
            .zip(&counts)
            .enumerate()
            .map(|(worker, (stats, counts))| {
                let none = WorkerCounts::default();
                let counts = counts.since(before.workers.get(worker).unwrap_or(&none));
                all.add(&counts);
                let number = Count::get;
                ShownWorker {
                    worker,
                    sessions: number(&stats.sessions),
                    channels: number(&stats.channels),
                    counts: counts.shown(),
                    delay: counts.delays.shown(),
                }
            });
        let workers = shown.collect();
        let shown = ShownStats {
            time: time_ms,
            seconds: micros(now.saturating_duration_since(before.at).as_secs_f64()),
            sessions,
            channels: (self.count_channels)(),
            published: published.saturating_sub(before.published),
            counts: all.shown(),
            delay: AllDelays {
                delay: all.delays.shown(),
                buckets: all.delays.counts,
            },
            workers,
            bounds: DELAY_BUCKETS,
        };
        // Numbers always serialise.
        serde_json::to_string(&shown).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::metrics::DelayCounts;

    // A chart of sums shows a line that only rises. Each object tells what happened since the one
    // before, also where nobody heard that, and all of the node is the sum of its workers.
    #[test]
    fn each_tick_tells_what_happened_since_the_one_before() {
        let metrics = Arc::new(Metrics::default());
        let workers = [metrics.add_worker(), metrics.add_worker()];
        let mut meter = StatsMeter::new(metrics.clone(), Box::new(|| 7));
        let start = Instant::now();
        let mut tick = |secs: u64, heard| {
            let now = start + Duration::from_secs(secs);
            let text = meter.tick(now, secs, 3, heard)?;
            Some(serde_json::from_str::<Value>(&text).expect("JSON"))
        };
        workers[0].messages_out.add(5);
        workers[0].sessions.add(2);
        assert_eq!(tick(1, false), None);
        workers[0].messages_out.add(10);
        workers[1].messages_out.add(1);
        workers[1]
            .delays
            .observe(&DelayCounts::of(Duration::from_micros(200), 4));
        let told = tick(3, true).expect("it is heard");
        assert_eq!((&told["time"], &told["seconds"]), (&json!(3), &json!(2.0)));
        assert_eq!(
            (&told["sessions"], &told["channels"]),
            (&json!(3), &json!(7))
        );
        assert_eq!(told["messages_out"], 11);
        assert_eq!(told["workers"][0]["messages_out"], 10);
        assert_eq!(told["workers"][0]["sessions"], 2);
        assert_eq!(
            told["workers"][0]["delay"],
            json!({"count": 0, "mean": null, "p50": null, "p99": null})
        );
        assert_eq!(told["workers"][1]["delay"]["mean"], 0.0002);
        assert_eq!(
            (&told["delay"]["count"], &told["delay"]["buckets"][1]),
            (&json!(4), &json!(4))
        );
        assert_eq!(told["bounds"][13], 5.0);
        assert_eq!(tick(4, true).expect("it is heard")["messages_out"], 0);
    }

    #[test]
    fn quantiles_lie_in_their_bucket_and_beyond_the_last_bound_at_it() {
        let mut delays = DelaySums::default();
        assert_eq!(delays.quantile(0.5), None);
        delays.counts[3] = 100;
        let (p50, p99) = (delays.quantile(0.5), delays.quantile(0.99));
        assert_eq!((p50, p99), (Some(0.000_75), Some(0.000_995)));
        delays.counts[DELAY_BUCKETS.len()] = 100;
        assert_eq!(delays.quantile(0.99), Some(5.0));
        assert_eq!(delays.quantile(0.5), Some(0.001));
    }
}
