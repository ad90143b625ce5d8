//! Interval pushes: what the settings' `[[push]]` say is sent by the clock, without being asked.
//!
//! Times are multiples of the interval from the start, so that an hour of pushes does not drift;
//! ticks that passed while the machine slept are left out, so that none come in a burst. A tick
//! that nobody would hear does nothing.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use bytestring::ByteString;
use tokio::time::Instant;

use super::entries::{Entries, hash};
use crate::{
    broker::{BrokerError, PublishRequest, PublishResult},
    config,
    id::StreamPosition,
    last_error::LastError,
    publication::{Payload, Target},
    store,
};

/// How an interval push is doing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PushStatus {
    /// Time from one tick to the next.
    pub(crate) every: Duration,
    /// The channel; absent: every session.
    pub(crate) channel: Option<String>,
    /// Ticks whose text the broker accepted.
    pub(crate) runs: u64,
    /// Ticks left out, since nobody listened, the text was the last one's, or the tick before was
    /// not through.
    pub(crate) skipped: u64,
    /// Ticks that the broker did not accept.
    pub(crate) refused: u64,
    /// Ticks without a text, since the file could not be read.
    pub(crate) unreadable: u64,
    /// Until the next tick.
    pub(crate) next_in: Duration,
    /// When it last published.
    pub(crate) last_run: Option<SystemTime>,
    /// Why a tick did not.
    pub(crate) last_error: Option<LastError>,
}

pub(super) struct IntervalPush {
    settings: config::PushSettings,
    /// What is published, but for the text.
    request: PublishRequest,
    start: Instant,
    /// Ticks since the start, those left out included.
    tick: u64,
    seq: u64,
    /// The text of this tick has it.
    names_seq: bool,
    runs: u64,
    skipped: u64,
    refused: u64,
    unreadable: u64,
    /// The file could not be read at the last tick, which was said.
    lost_file: bool,
    last_run: Option<SystemTime>,
    last_error: Option<LastError>,
    /// What was published last, as a hash.
    last: Option<u128>,
    /// Names it among the entries of the settings.
    entry: u128,
    /// The tick before is not through with the broker yet.
    is_running: bool,
}

impl IntervalPush {
    pub(super) fn new(settings: &config::PushSettings, channels: &config::Channels) -> Self {
        let empty = Payload::Text(ByteString::new());
        let request = match settings.channel.as_deref() {
            Some(channel) => PublishRequest::unchecked(channels, channel.into(), empty),
            None => PublishRequest::new(Target::Everyone, empty),
        };
        Self {
            settings: settings.clone(),
            request,
            start: Instant::now(),
            tick: 0,
            seq: 0,
            names_seq: false,
            runs: 0,
            skipped: 0,
            refused: 0,
            unreadable: 0,
            lost_file: false,
            last_run: None,
            last_error: None,
            last: None,
            entry: entry_id(settings),
            is_running: false,
        }
    }

    /// Its time begins, and it goes on where a process before ended.
    pub(super) fn begin_at(&mut self, now: Instant, entries: &Entries) {
        self.start = now;
        if let Some(before) = entries.push(self.entry) {
            self.seq = before.seq;
        }
    }

    /// What was published last before the start, if it counts: a change of text is one against it.
    pub(super) fn last_before(&self, entries: &Entries) -> Option<(u128, StreamPosition)> {
        let before = entries.push(self.entry)?;
        before.last.filter(|_| self.settings.only_changed)
    }

    /// The channel's history still holds it.
    pub(super) fn restore_last(&mut self, hash: u128) {
        self.last = self.last.or(Some(hash));
    }

    /// How far it is, to be written; `place` is that of what it published last.
    pub(super) fn record(&self, place: Option<StreamPosition>) -> store::PushRecord {
        store::PushRecord {
            entry: self.entry,
            seq: self.seq,
            last: self.last.zip(place),
        }
    }

    pub(super) fn status(&self, now: Instant) -> PushStatus {
        PushStatus {
            every: self.settings.every,
            channel: self.settings.channel.clone(),
            runs: self.runs,
            skipped: self.skipped,
            refused: self.refused,
            unreadable: self.unreadable,
            next_in: self.until_next(now),
            last_run: self.last_run,
            last_error: self.last_error.clone(),
        }
    }

    fn at(&self, tick: u64) -> Instant {
        let nanos = self.settings.every.as_nanos() * u128::from(tick);
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The last tick that has come by `now`; those between it and the one before are left out.
    fn catch_up(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.start).as_nanos();
        let every = self.settings.every.as_nanos().max(1);
        let tick = u64::try_from(passed / every).unwrap_or(u64::MAX);
        self.tick = tick.max(self.tick + 1);
    }

    /// From `now` to the next tick.
    pub(super) fn until_next(&self, now: Instant) -> Duration {
        self.at(self.tick + 1).saturating_duration_since(now)
    }

    /// Who is to get it.
    pub(super) fn target(&self) -> &Target {
        &self.request.target
    }

    /// Begins the tick that has come by `now`; `false` if the one before is not through with the
    /// broker: a broker that takes longer than the interval is not asked twice at a time.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        self.catch_up(now);
        let is_free = !std::mem::replace(&mut self.is_running, true);
        self.skipped += u64::from(!is_free);
        is_free
    }

    /// What the tick publishes; if it is nothing, that is counted and the tick ends.
    pub(super) fn publish_request(
        &mut self,
        sessions: u64,
        bytes_max: usize,
        has_subscribers: bool,
    ) -> Option<PublishRequest> {
        let request = self.fill_request(sessions, bytes_max, has_subscribers);
        self.is_running = request.is_some();
        request
    }

    fn fill_request(
        &mut self,
        sessions: u64,
        bytes_max: usize,
        has_subscribers: bool,
    ) -> Option<PublishRequest> {
        if !has_subscribers {
            self.skipped += 1;
            return None;
        }
        let text = self.text(sessions, bytes_max)?;
        let hash = self.settings.only_changed.then(|| hash(&[text.as_bytes()]));
        if hash.is_some() && self.last == hash {
            self.skipped += 1;
            return None;
        }
        let payload = Payload::Text(text.as_str().into());
        self.seq += 1;
        self.last = hash;
        Some(PublishRequest {
            payload,
            ..self.request.clone()
        })
    }

    /// Whether what this tick publishes has its `{seq}`, which must be written before.
    pub(super) fn names_seq(&self) -> bool {
        self.names_seq
    }

    /// Ends the tick with what the broker says.
    pub(super) fn published(&mut self, result: Result<PublishResult, BrokerError>) {
        self.is_running = false;
        if result.is_ok() {
            self.runs += 1;
            self.last_run = Some(SystemTime::now());
        }
        if let Err(refused) = result {
            // Not counted as a run, and not taken for the last text: the next tick says it again.
            self.last_error = Some(LastError::now(&refused.to_string()));
            self.refused += 1;
            // What is in doubt may have gone out: its number is nobody else's.
            self.seq -= u64::from(refused != BrokerError::Doubtful);
            self.last = None;
            log::warn!(
                "push to {} left out: {refused}",
                self.settings.channel.as_deref().unwrap_or("every session")
            );
        }
    }

    /// What to push. A file is read anew each time, on this thread, which delivers nothing; one
    /// that cannot be read, or is larger than `bytes_max`, is said once until it can.
    fn template(&mut self, bytes_max: usize) -> Option<Cow<'_, str>> {
        let Some(file) = &self.settings.file else {
            return Some(Cow::Borrowed(&self.settings.data));
        };
        let fault = match std::fs::metadata(file) {
            // A pipe would hold this thread up until someone writes into it.
            Ok(about) if !about.is_file() => "is no regular file".to_string(),
            Ok(about) if about.len() > bytes_max as u64 => {
                "is larger than limits.outbox_bytes".to_string()
            }
            Ok(_) => match std::fs::read_to_string(file) {
                Ok(text) => {
                    self.lost_file = false;
                    return Some(Cow::Owned(text));
                }
                Err(error) => format!("cannot be read: {error}"),
            },
            Err(error) => format!("cannot be read: {error}"),
        };
        self.unreadable += 1;
        let reason = format!("{} {fault}", file.display());
        self.last_error = Some(LastError::now(&reason));
        if !std::mem::replace(&mut self.lost_file, true) {
            log::warn!("push: {reason}");
        }
        None
    }

    fn text(&mut self, sessions: u64, bytes_max: usize) -> Option<String> {
        let seq = self.seq + 1;
        let template = self.template(bytes_max)?.into_owned();
        self.names_seq = template.contains("{seq}");
        Some(fill(
            &template,
            &[
                ("time", &|| {
                    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
                }),
                ("sessions", &|| sessions.to_string()),
                ("seq", &|| seq.to_string()),
            ],
        ))
    }
}

/// Names an entry by all that makes what it publishes.
fn entry_id(settings: &config::PushSettings) -> u128 {
    let file = settings
        .file
        .as_deref()
        .map(|file| file.as_os_str().as_encoded_bytes());
    hash(&[
        b"push",
        &settings.every.as_nanos().to_le_bytes(),
        settings.channel.as_deref().unwrap_or_default().as_bytes(),
        settings.data.as_bytes(),
        file.unwrap_or_default(),
        &[
            settings.only_changed.into(),
            settings.channel.is_some().into(),
        ],
    ])
}

/// Replaces each `{name}` that is in the list; anything else in braces stays, so that JSON needs no
/// escapes.
fn fill(template: &str, values: &[(&str, &dyn Fn() -> String)]) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let (before, from_open) = rest.split_at(open);
        text.push_str(before);
        let found = values.iter().find_map(|(name, value)| {
            let after = from_open[1..].strip_prefix(name)?.strip_prefix('}')?;
            Some((value, after))
        });
        match found {
            Some((value, after)) => {
                text.push_str(&value());
                rest = after;
            }
            None => {
                text.push('{');
                rest = &from_open[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests;
