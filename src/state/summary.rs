//! What lies in a directory that no process has: `fanfare state`. Nothing is changed but by
//! [`drop_revocations`], which puts the files of revocations aside.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use bytesize::ByteSize;

use super::{
    StateDir, StateError, StateOptions,
    disk::{Disk as _, RealDisk},
    lock,
    options::LogOptions,
    read::numbers,
};
use crate::{
    id::{Epoch, StreamPosition},
    publication::Item,
    registry::ChannelName,
    store::{ReadReport, Record, RevocationSubject},
    unix_time::unix_now_ms,
};

/// A channel as the records have it.
#[derive(Default)]
struct ChannelSummary {
    epoch: Option<Epoch>,
    /// Offset, when it expires, bytes.
    items: BTreeMap<u64, (u64, usize)>,
    /// How long an item is kept.
    ttl: Duration,
}

/// What is kept.
#[derive(Default)]
struct SummaryTables {
    channels: HashMap<ChannelName, ChannelSummary>,
    keys: HashSet<u128>,
    revocations: HashMap<RevocationSubject, bool>,
    pushes: HashSet<u128>,
    polls: HashSet<u128>,
}

/// A directory in numbers.
pub struct Summary {
    dir: String,
    bytes: u64,
    kept: SummaryTables,
    log: Result<ReadReport, StateError>,
    revocations: Result<ReadReport, StateError>,
    damaged: u64,
}

/// Reads a directory that no process has.
///
/// # Errors
/// The directory is missing or cannot be read, or a process has it.
pub fn summarize(path: &Path, options: StateOptions) -> Result<Summary, StateError> {
    std::fs::metadata(path).map_err(StateError::io("using", path))?;
    let state = StateDir::open(path, options, Duration::ZERO)?;
    let mut kept = SummaryTables::default();
    let log = state.log.read(&mut |record| kept.note(record));
    let revocations = state.revocations.read(&mut |record| kept.note(record));
    let disk = RealDisk::new(path).map_err(StateError::io("using", path))?;
    let names = disk.list().map_err(StateError::io("listing", path))?;
    let bytes = names.iter().filter_map(|name| disk.length(name).ok()).sum();
    Ok(Summary {
        dir: path.display().to_string(),
        bytes,
        kept,
        damaged: state.log.stats().damaged,
        log,
        revocations,
    })
}

/// Puts the files of revocations aside, so that a node starts without them; how many there were.
///
/// # Errors
/// A process has the directory, or the files cannot be renamed.
pub fn drop_revocations(path: &Path, options: StateOptions) -> Result<usize, StateError> {
    std::fs::metadata(path).map_err(StateError::io("using", path))?;
    let disk = RealDisk::new(path).map_err(StateError::io("using", path))?;
    let _lock = lock(&disk, path, Duration::ZERO)?;
    let options = LogOptions::revocations(options.queue, options.queue_bytes);
    let numbers = numbers(&disk, &options)?;
    for number in &numbers {
        let name = options.segment(*number);
        let renamed = disk.rename(&name, &format!("{name}.damaged"));
        renamed.map_err(StateError::io("renaming", name))?;
    }
    disk.sync().map_err(StateError::io("syncing", path))?;
    Ok(numbers.len())
}

impl SummaryTables {
    fn stream(&mut self, channel: ChannelName, epoch: Epoch) -> &mut ChannelSummary {
        let channel = self.channels.entry(channel).or_default();
        if channel.epoch.replace(epoch) != Some(epoch) {
            channel.items.clear();
        }
        channel
    }

    fn add(channel: &mut ChannelSummary, item: &Item, expires_ms: u64) {
        let bytes = item.payload.as_bytes().len();
        channel.items.insert(item.offset, (expires_ms, bytes));
    }

    fn remove(channel: &mut ChannelSummary, until: StreamPosition) {
        if channel.epoch == Some(until.epoch) {
            channel.items = channel.items.split_off(&until.offset.saturating_add(1));
        }
    }

    fn note(&mut self, record: Record) {
        match record {
            Record::Publication(one) => {
                self.keys.extend(one.key.map(|key| key.id));
                let channel = self.stream(one.channel, one.epoch);
                channel.ttl = one.ttl;
                channel.items = channel.items.split_off(&one.first);
                Self::add(channel, &one.item, one.expires_ms);
            }
            Record::Stream(one) => {
                let channel = self.stream(one.channel, one.top.epoch);
                channel.ttl = one.ttl;
                channel.items = channel.items.split_off(&one.first);
            }
            Record::Item(one) => {
                let channel = self.stream(one.channel, one.epoch);
                Self::add(channel, &one.item, one.expires_ms);
            }
            Record::Removed { channel, until } => {
                if let Some(channel) = self.channels.get_mut(&channel) {
                    Self::remove(channel, until);
                }
            }
            Record::Ended { channel, epoch, .. } => {
                if self
                    .channels
                    .get(&channel)
                    .is_some_and(|one| one.epoch == Some(epoch))
                {
                    self.channels.remove(&channel);
                }
            }
            Record::Key(key) => {
                self.keys.insert(key.id);
            }
            Record::Revocation(one) => {
                self.revocations.insert(one.subject, one.until.is_some());
            }
            Record::Push(one) => {
                self.pushes.insert(one.entry);
            }
            Record::Poll(one) => {
                self.polls.insert(one.entry);
            }
            Record::Secret(_) | Record::EndedShares(_) => {}
        }
    }
}

impl Summary {
    /// Whether all of it can be read, and nothing may be missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let mut logs = [&self.log, &self.revocations].into_iter();
        self.damaged == 0 && logs.all(|log| log.as_ref().is_ok_and(|report| !report.may_have_lost))
    }

    fn state(&self) -> String {
        match (&self.log, &self.revocations) {
            (Err(error), _) | (_, Err(error)) => error.to_string(),
            _ if self.damaged > 0 => format!(
                "{} files are damaged: what can be read is kept, and every stream gets a new epoch \
                 at the next start",
                self.damaged
            ),
            (Ok(log), Ok(revocations)) if log.may_have_lost || revocations.may_have_lost => {
                "something may be missing: every stream gets a new epoch at the next start".into()
            }
            _ => "whole".into(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (now_ms, kept) = (unix_now_ms(), &self.kept);
        let (mut with, mut items, mut bytes) = (0, 0, 0);
        let mut oldest: Option<(u64, &str)> = None;
        for (name, channel) in &kept.channels {
            let live = channel
                .items
                .values()
                .filter(|(expires_ms, _)| *expires_ms > now_ms);
            let mut has_any = false;
            for (expires_ms, length) in live {
                has_any = true;
                items += 1;
                bytes += *length as u64;
                let ttl = u64::try_from(channel.ttl.as_millis()).unwrap_or(u64::MAX);
                let at = expires_ms.saturating_sub(ttl);
                oldest = oldest.into_iter().chain([(at, &**name)]).min();
            }
            with += usize::from(has_any);
        }
        let blocks = kept.revocations.values().filter(|counts| **counts).count();
        writeln!(f, "directory    {}", self.dir)?;
        writeln!(f, "state        {}", self.state())?;
        writeln!(f, "files        {}", ByteSize(self.bytes).display().iec())?;
        writeln!(
            f,
            "channels     {}, {with} with history",
            kept.channels.len()
        )?;
        writeln!(
            f,
            "items        {items}, {} of messages",
            ByteSize(bytes).display().iec()
        )?;
        if let Some((at, channel)) = oldest {
            let at = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(at));
            writeln!(f, "oldest item  {at} in {channel:?}")?;
        }
        writeln!(f, "keys         {}", kept.keys.len())?;
        writeln!(f, "revocations  {blocks}")?;
        write!(
            f,
            "pushes       {}, polls {}",
            kept.pushes.len(),
            kept.polls.len()
        )
    }
}
