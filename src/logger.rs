//! Logging through env_logger, with a filter that can be taken up anew while the process runs
//! (SIGHUP).

use std::sync::Arc;

use arc_swap::ArcSwap;
use log::{Log, Metadata, Record};

/// The process's logger: an env_logger that can be exchanged.
pub struct Logger(ArcSwap<env_logger::Logger>);

/// A handle to exchange the filter by.
#[derive(Clone)]
pub struct LogFilter(Arc<Logger>);

impl LogFilter {
    /// Starts logging to standard error.
    ///
    /// # Errors
    /// The process has a logger already.
    pub fn install(filter: &str) -> Result<Self, log::SetLoggerError> {
        let logger = Arc::new(Logger(ArcSwap::from_pointee(build(filter))));
        log::set_boxed_logger(Box::new(Shared(logger.clone())))?;
        let this = Self(logger);
        log::set_max_level(this.0.0.load().filter());
        Ok(this)
    }

    /// Takes up another filter (env_logger's syntax, such as `info,fanfare=debug`).
    pub fn set(&self, filter: &str) {
        self.0.0.store(Arc::new(build(filter)));
        log::set_max_level(self.0.0.load().filter());
    }
}

fn build(filter: &str) -> env_logger::Logger {
    env_logger::Builder::new()
        // It writes an error, without an address, for whatever is no HTTP; `transport::worker` tells.
        .filter_module("actix_http::h1::dispatcher", log::LevelFilter::Off)
        .parse_filters(filter)
        .format_timestamp_millis()
        .build()
}

struct Shared(Arc<Logger>);

impl Log for Shared {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.0.load().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.0.0.load().log(record);
    }

    fn flush(&self) {
        self.0.0.load().flush();
    }
}
