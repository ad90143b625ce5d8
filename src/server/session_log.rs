//! What the log says of sessions: one line when each begins and one when it ends.
//!
//! Called by the `Server` actor, which alone sees both. Bounded as [`log_end`] says; nothing waits
//! for the log.

use std::time::Duration;

use log::{Level, kv::Value};

use crate::{
    close::{Close, Ending},
    connection::info::{SessionInfo, TransportKind},
    logger::{self, Address, REFUSAL_PAUSE, Subject},
};

/// The target of these lines, by which README has them filtered.
const TARGET: &str = "fanfare::server";

/// At debug, since the end has a line with all that is known then.
pub(super) fn log_begin(info: &SessionInfo) {
    if !log::log_enabled!(target: TARGET, Level::Debug) {
        return;
    }
    let address = Address(info.address);
    let mut values = vec![
        ("id", Value::from_display(&info.id)),
        ("address", Value::from_display(&address)),
        ("endpoint", Value::from(&*info.endpoint)),
        ("transport", info.transport.as_str().into()),
        ("worker", info.worker.into()),
        ("user_agent", info.user_agent().unwrap_or_default().into()),
    ];
    values.extend(headers_of(info));
    logger::write(Level::Debug, TARGET, format_args!("session began"), &values);
}

/// One line a session, at its end, however many there are: it is the record of who was there, and
/// nothing waits for the log (README, limits). That of a poll which was answered is at debug: a
/// client has one every few seconds, and nothing ended for it. Of sessions that are refused as soon
/// as they begin there is one line a second for each code and address, with their number.
pub(super) fn log_end(info: &SessionInfo, ending: &Ending) {
    let is_answered_poll =
        info.transport == TransportKind::Poll && ending.code() == Close::ANSWERED.code;
    if is_answered_poll {
        return tell_end(Level::Debug, info, ending, 1);
    }
    let refusal = match ending {
        Ending::ByServer(close) => close.refusal(),
        _ => None,
    };
    let Some(kind) = refusal.filter(|_| info.started.elapsed() < REFUSAL_PAUSE) else {
        return tell_end(Level::Info, info, ending, 1);
    };
    let subject = Subject::new(Level::Info, TARGET, "session ended")
        .from(Address(info.address))
        .with("code", kind);
    logger::throttled(subject, REFUSAL_PAUSE, |times| {
        tell_end(Level::Info, info, ending, times);
    });
}

fn tell_end(level: Level, info: &SessionInfo, ending: &Ending, times: u64) {
    if !log::log_enabled!(target: TARGET, level) {
        return;
    }
    let (address, traffic) = (Address(info.address), &info.traffic);
    let mut values = vec![
        ("id", Value::from_display(&info.id)),
        ("user", info.user().unwrap_or_default().into()),
        ("address", Value::from_display(&address)),
        ("endpoint", Value::from(&*info.endpoint)),
        ("transport", info.transport.as_str().into()),
        ("code", ending.code().into()),
        ("reason", ending.reason().into()),
        ("by", ending.by().into()),
        ("duration", seconds(info.started.elapsed()).into()),
        ("messages_in", traffic.messages_in.get().into()),
        ("messages_out", traffic.messages_out.get().into()),
        ("bytes_in", traffic.bytes_in.get().into()),
        ("bytes_out", traffic.bytes_out.get().into()),
        ("times", times.into()),
    ];
    values.extend(headers_of(info));
    logger::write(level, TARGET, format_args!("session ended"), &values);
}

/// Headers of the session's request, where the settings name some and it has them.
fn headers_of(info: &SessionInfo) -> Option<(&'static str, Value<'_>)> {
    let headers = info.logged_headers()?;
    Some(("headers", headers.into()))
}

/// Seconds to the millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
