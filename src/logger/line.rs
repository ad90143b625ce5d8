//! What lines are made of beside their words: addresses, and values that are not all there each
//! time.

use std::{fmt, net::IpAddr};

use log::{Level, Record, kv::Value};

/// A client's address as lines show it; a unix socket without a proxy has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address(pub(crate) Option<IpAddr>);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unix"),
        }
    }
}

/// Writes a line whose values are not all there each time, if the filter lets it.
pub(crate) fn write(
    level: Level,
    target: &str,
    message: fmt::Arguments<'_>,
    values: &[(&str, Value<'_>)],
) {
    log::logger().log(
        &Record::builder()
            .args(message)
            .level(level)
            .target(target)
            .key_values(&values)
            .build(),
    );
}
