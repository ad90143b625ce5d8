//! Numbers in OpenMetrics form, single ones and those told apart by one label.

use std::fmt::Display;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// Whether the text took it, which it does.
pub(super) type EncodeResult = Result<(), std::fmt::Error>;

/// Numbers of one name that a label tells apart.
#[derive(Clone, Copy)]
pub(super) struct MetricFamily<'a> {
    pub(super) name: &'a str,
    pub(super) help: &'a str,
    /// The label's name.
    pub(super) label: &'a str,
}

/// One that goes up and down.
pub(super) fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> EncodeResult {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

/// One that only grows.
pub(super) fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> EncodeResult {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(value).encode(metric)
}

/// Those that go up and down, with the number of each value of their label.
pub(super) fn gauges_by<V: Display>(
    encoder: &mut DescriptorEncoder<'_>,
    family: MetricFamily<'_>,
    counts: impl IntoIterator<Item = (V, u64)>,
) -> EncodeResult {
    let MetricFamily { name, help, label } = family;
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (value, count) in counts {
        let labels = [(label, value.to_string())];
        ConstGauge::new(count).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

/// As [`gauges_by`], those that only grow.
pub(super) fn counters_by<V: Display>(
    encoder: &mut DescriptorEncoder<'_>,
    family: MetricFamily<'_>,
    counts: impl IntoIterator<Item = (V, u64)>,
) -> EncodeResult {
    let MetricFamily { name, help, label } = family;
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in counts {
        let labels = [(label, value.to_string())];
        ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}
