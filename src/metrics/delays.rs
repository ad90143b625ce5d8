//! How long deliveries took: counted for a few of them at once, noted by a worker for all
//! receivers. Bounds: the buckets are fixed.

use std::time::Duration;

use super::count::Count;

/// Upper bounds of the buckets of delivery delay, in seconds; the last bucket is without bound.
pub(crate) const DELAY_BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Buckets of delivery delay.
pub(crate) const DELAY_COUNTS: usize = DELAY_BUCKETS.len() + 1;

fn bucket_of(delay: Duration) -> usize {
    let seconds = delay.as_secs_f64();
    DELAY_BUCKETS.partition_point(|&bound| bound < seconds)
}

/// Delays of a few deliveries, counted once to be noted for many receivers.
#[derive(Debug, Default)]
pub(crate) struct DelayCounts {
    counts: [u64; DELAY_COUNTS],
    nanos: u64,
    /// First and last bucket that is not empty.
    least: usize,
    greatest: usize,
}

impl DelayCounts {
    /// Of so many deliveries that took equally long.
    #[cfg(test)]
    pub(crate) fn of(delay: Duration, times: u64) -> Self {
        let mut counts = Self::default();
        counts.add(delay, times);
        counts
    }

    /// Counts `times` deliveries that took `delay` each.
    pub(crate) fn add(&mut self, delay: Duration, times: u64) {
        let bucket = bucket_of(delay);
        let is_first = self.counts[self.least..=self.greatest] == [0];
        self.least = if is_first {
            bucket
        } else {
            self.least.min(bucket)
        };
        self.greatest = self.greatest.max(bucket);
        self.counts[bucket] += times;
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.nanos = self.nanos.saturating_add(nanos.saturating_mul(times));
    }
}

/// Distribution of delays with one writer.
#[derive(Debug, Default)]
pub struct Delays {
    counts: [Count; DELAY_COUNTS],
    sum_nanos: Count,
}

/// What a histogram tells.
#[derive(Clone, Debug)]
pub(crate) struct DelayHistogram {
    /// Upper bound (seconds; infinity last) and count of each bucket, not cumulative.
    pub(crate) buckets: Vec<(f64, u64)>,
    /// Of all delays, in seconds.
    pub(crate) sum_secs: f64,
}

impl Delays {
    /// Notes what was counted.
    pub(crate) fn observe(&self, counted: &DelayCounts) {
        let buckets = counted.least..=counted.greatest;
        for (count, times) in self.counts[buckets.clone()]
            .iter()
            .zip(&counted.counts[buckets])
        {
            count.add(*times);
        }
        self.sum_nanos.add(counted.nanos);
    }

    /// The counts of the buckets, not cumulative.
    #[must_use]
    pub(crate) fn counts(&self) -> [u64; DELAY_COUNTS] {
        std::array::from_fn(|bucket| self.counts[bucket].get())
    }

    /// The sum of the delays in nanoseconds.
    #[must_use]
    pub(crate) fn sum_nanos(&self) -> u64 {
        self.sum_nanos.get()
    }

    /// The delays as a histogram is told.
    #[must_use]
    pub(crate) fn histogram(&self) -> DelayHistogram {
        let bounds = DELAY_BUCKETS.iter().copied().chain([f64::INFINITY]);
        DelayHistogram {
            buckets: bounds.zip(self.counts()).collect(),
            sum_secs: self.sum_nanos() as f64 / 1e9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_fall_into_the_bucket_whose_bound_they_do_not_exceed() {
        let delays = Delays::default();
        let mut together = DelayCounts::default();
        together.add(Duration::from_micros(101), 2);
        together.add(Duration::from_micros(100), 1);
        delays.observe(&together);
        delays.observe(&DelayCounts::of(Duration::from_secs(60), 3));
        let DelayHistogram { buckets, sum_secs } = delays.histogram();
        assert_eq!(buckets[0].1, 1);
        assert_eq!(buckets[1].1, 2);
        assert_eq!(buckets[DELAY_BUCKETS.len()], (f64::INFINITY, 3));
        assert!((sum_secs - 180.000_302).abs() < 1e-6, "{sum_secs}");
    }
}
