//! Logging by env_logger, which nobody waits for: a line is made where it is logged, and written
//! by a thread of the logger's own.
//!
//! Everything that a running server says goes this way, a panic and the key of the API too, so
//! that a standard error that nobody reads, or that is full, holds up nothing. Bounds:
//! `log.queue` lines wait, what does not fit is dropped and counted; `log.refusals_per_second`
//! lines tell what peers can cause; [`FLUSH_TIMEOUT`] at the end. Filter, form and bounds can be
//! taken up anew while the process runs (SIGHUP).

pub(crate) mod escape;
mod format;
mod line;
mod queue;
mod throttle;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt,
    io::{self, IsTerminal as _, Write},
    panic::PanicHookInfo,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use log::{Level, Log, Metadata, Record};

use self::{
    format::LineFormat,
    queue::{LineBatch, LineQueue},
    throttle::Throttle,
};
pub(crate) use self::{
    line::{Address, write},
    throttle::Subject,
};
use crate::config;

/// How long the end of the process waits for what was logged.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);
/// How often the writer looks for what was kept back.
const SWEEP: Duration = Duration::from_secs(1);
/// Until a standard error that takes nothing at the moment is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(10);
/// Between two lines about one fault of the backend's.
pub(crate) const FAULT_PAUSE: Duration = Duration::from_secs(10);
/// Between two lines about one refusal of one address.
pub(crate) const REFUSAL_PAUSE: Duration = Duration::from_secs(1);

/// The process's logger; there is one, as there is one standard error.
static LOGGER: OnceLock<Logger> = OnceLock::new();

/// What was logged, by how it was dealt with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogStats {
    /// Lines that wait to be written.
    pub(crate) waiting: u64,
    /// Lines that found no room, or could not be written.
    pub(crate) dropped: u64,
    /// Refusals and faults that have no line of their own, but are in the number of another.
    pub(crate) withheld: u64,
}

/// What `log` calls: it filters, makes the line and queues it. One for the process.
pub struct Logger {
    filter: ArcSwap<env_logger::Logger>,
    format: ArcSwap<LineFormat>,
    queue: Arc<LineQueue>,
    throttle: Mutex<Throttle>,
    withheld: AtomicU64,
}

impl Logger {
    /// Starts logging to standard error, panics included.
    ///
    /// # Errors
    /// The process has a logger already, or the thread cannot be started.
    pub fn install(settings: &config::Log) -> io::Result<&'static Self> {
        let queue = Arc::new(LineQueue::new(settings.queue));
        let format = line_format(settings);
        let logger = Self {
            filter: ArcSwap::from_pointee(build(&settings.filter, format, &queue)),
            format: ArcSwap::from_pointee(format),
            queue,
            throttle: Mutex::new(Throttle::new(settings.refusals_per_second, Instant::now())),
            withheld: AtomicU64::new(0),
        };
        if LOGGER.set(logger).is_err() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let logger = LOGGER.get().ok_or(io::ErrorKind::NotFound)?;
        let thread = std::thread::Builder::new().name("log".to_string());
        thread.spawn(|| logger.write(&mut io::stderr()))?;
        log::set_logger(logger).map_err(io::Error::other)?;
        log::set_max_level(logger.filter.load().filter());
        std::panic::set_hook(Box::new(tell_panic));
        Ok(logger)
    }

    /// Takes up another filter, form and bounds.
    pub fn set(&self, settings: &config::Log) {
        let format = line_format(settings);
        self.format.store(Arc::new(format));
        let filter = build(&settings.filter, format, &self.queue);
        log::set_max_level(filter.filter());
        self.filter.store(Arc::new(filter));
        self.queue.set_lines_max(settings.queue);
        self.throttle()
            .set_lines_a_second(settings.refusals_per_second);
    }

    /// Writes what waits, for as long as the process lives.
    fn write(&self, out: &mut impl Write) {
        let mut batch = LineBatch::default();
        loop {
            self.queue.take(&mut batch, SWEEP);
            let lost = write_all(out, &batch.bytes).is_err();
            self.queue.done(&mut batch, lost, |dropped| {
                self.line(
                    Level::Warn,
                    format_args!("{dropped} log lines were dropped"),
                )
            });
            self.sweep();
        }
    }

    /// Tells what was kept back. The throttle is not locked while lines are made.
    fn sweep(&self) {
        let mut told = Vec::new();
        let tell = |subject, times| told.push((subject, times));
        self.throttle().sweep(Instant::now(), tell);
        for (subject, times) in told {
            match subject {
                Some(subject) => subject.tell_again(times),
                None => log::warn!(times; "more was refused or failed than is told apart"),
            }
        }
    }

    /// A line of the logger's own, whatever the filter.
    fn line(&self, level: Level, message: fmt::Arguments<'_>) -> Vec<u8> {
        let record = Record::builder()
            .args(message)
            .level(level)
            .target(module_path!())
            .build();
        let mut line = Vec::new();
        // Writing into memory cannot fail.
        let _ = self.format.load().write(&mut line, &record);
        line
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        // A table of numbers is whole after a panic too.
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.load().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.filter.load().log(record);
    }

    /// Waits a moment until everything is written.
    fn flush(&self) {
        self.queue.flush(FLUSH_TIMEOUT);
    }
}

/// An env_logger that makes a line and puts it into the queue.
fn build(filter: &str, format: LineFormat, queue: &Arc<LineQueue>) -> env_logger::Logger {
    /// env_logger writes a whole line at a time.
    struct Lines(Arc<LineQueue>);

    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.push(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    env_logger::Builder::new()
        // It writes an error, without an address, for whatever is no HTTP; `transport::worker`
        // tells.
        .filter_module("actix_http::h1::dispatcher", log::LevelFilter::Off)
        .parse_filters(filter)
        .target(env_logger::Target::Pipe(Box::new(Lines(queue.clone()))))
        .write_style(if format.color {
            env_logger::WriteStyle::Always
        } else {
            env_logger::WriteStyle::Never
        })
        .format(move |out, record| format.write(out, record))
        .build()
}

fn line_format(settings: &config::Log) -> LineFormat {
    let refuses_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    LineFormat {
        format: settings.format,
        color: settings.format == config::LogFormat::Text
            && io::stderr().is_terminal()
            && !refuses_color,
    }
}

/// Writes all of it, also where the other side has made the pipe one that does not wait.
fn write_all(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::park_timeout(RETRY_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Says something that no filter may leave out.
pub(crate) fn announce(message: fmt::Arguments<'_>) {
    if let Some(logger) = LOGGER.get() {
        logger.queue.push(&logger.line(Level::Info, message));
    }
}

/// What became of what was logged.
pub(crate) fn stats() -> LogStats {
    LOGGER
        .get()
        .map_or_else(LogStats::default, |logger| LogStats {
            waiting: logger.queue.waiting() as u64,
            dropped: logger.queue.dropped(),
            withheld: logger.withheld.load(Relaxed),
        })
}

/// Has `tell` write a line about a subject, unless there was one within the pause; it is told how
/// often it happened since then, this time included.
pub(crate) fn throttled(subject: Subject, pause: Duration, tell: impl FnOnce(u64)) {
    throttled_many(subject, 1, pause, tell);
}

/// The same for something that happened several times at once.
pub(crate) fn throttled_many(
    subject: Subject,
    times: u64,
    pause: Duration,
    tell: impl FnOnce(u64),
) {
    let Some(logger) = LOGGER.get() else { return };
    let now = Instant::now();
    let due = logger.throttle().happened(subject, times, pause, now);
    match due {
        Some(times) => tell(times),
        None => {
            logger.withheld.fetch_add(times, Relaxed);
        }
    }
}

/// Ends the process, since half a server that looks whole is worse than a restart.
pub(crate) fn abort(message: fmt::Arguments<'_>) -> ! {
    log::error!("{message}; the process ends");
    log::logger().flush();
    std::process::abort()
}

/// The panic hook: the default one writes to standard error itself, and waits for it.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let message = panic.payload_as_str().unwrap_or("no message");
    let backtrace = Backtrace::capture();
    match panic.location() {
        Some(place) => log::error!("thread {name:?} panicked at {place}: {message}"),
        None => log::error!("thread {name:?} panicked: {message}"),
    }
    if backtrace.status() == BacktraceStatus::Captured {
        for line in backtrace.to_string().lines() {
            log::error!("{line}");
        }
    }
}
