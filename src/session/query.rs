//! What a plain client asks for, in its address, in a form and in `Last-Event-ID`: the one place
//! that reads it, for raw WebSocket, `/sse`, `/poll` and `/send` alike. Pure. Bound:
//! `limits.subscriptions` channels, counted as they are read; the rest is as long as the request.

use std::{borrow::Cow, collections::HashMap};

use percent_encoding::percent_decode;

use crate::{
    channel_name::{self, ChannelNameError},
    close::Close,
    id::StreamPosition,
    node::recovery::Since,
    registry::ChannelName,
};

/// Likeness to `channel` (Jaro-Winkler, 0 to 1) above which a parameter looks as if it were meant.
const LOOKS_MEANT: f64 = 0.9;

/// Why a client's wish cannot be met; the sentence is for its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    /// A channel name that is none.
    #[error(transparent)]
    Channel(#[from] ChannelNameError),
    /// More channels than one connection may have.
    #[error("more than {0} channels in one connection (limits.subscriptions)")]
    TooManyChannels(usize),
    /// A `since` that is no position.
    #[error("since is offset@epoch, a number of newest messages, or what an answer gave as since")]
    Since,
    /// Positions that fit no channels.
    #[error("{positions} positions in since for {channels} channels, expected one for each")]
    Positions {
        /// So many came.
        positions: usize,
        /// For so many channels.
        channels: usize,
    },
}

impl QueryError {
    /// How a session ends that has no other way to be told.
    #[must_use]
    pub(crate) fn close(self) -> Close {
        match self {
            Self::TooManyChannels(_) => Close::CHANNEL_LIMIT.because(self),
            _ => Close::BAD_REQUEST.because(self),
        }
    }
}

/// What a request says, before it is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QueryText<'a> {
    /// The address behind its `?`.
    pub(crate) address: &'a str,
    /// The body, where it is a form.
    pub(crate) form: &'a [u8],
    /// `Last-Event-ID`, which is newer than both: a browser asks for the same address again.
    pub(crate) last_event_id: Option<&'a [u8]>,
}

/// From where a client goes on.
#[derive(Debug, Default, PartialEq, Eq)]
enum Positions {
    /// From now, in every channel.
    #[default]
    Absent,
    /// The same in every channel.
    Same(Since),
    /// In each channel, in their order.
    Each(Vec<Since>),
}

/// What a plain client asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// `channel`, each once, in the order in which they were named first.
    pub(crate) channels: Vec<ChannelName>,
    /// `since` or the id of an event.
    positions: Positions,
    /// `heartbeat=1`.
    pub(crate) heartbeat: bool,
    /// `envelope=1`.
    pub(crate) envelope: bool,
    /// `token`.
    pub token: Option<String>,
    /// `path`: the raw endpoint that a request stands in for.
    pub(crate) path: Option<String>,
    /// A parameter that looks as if `channel` were meant.
    pub(crate) misspelt: Option<String>,
}

impl Query {
    /// Reads what a request says; what it does not know is for others.
    ///
    /// # Errors
    /// A channel name that is none, more than `channels_max` channels, or a `since` that is none or
    /// fits no channel.
    pub(crate) fn parse(text: QueryText<'_>, channels_max: usize) -> Result<Self, QueryError> {
        let mut reading = PartialQuery::default();
        for fields in [text.address.as_bytes(), text.form] {
            for field in fields.split(|byte| *byte == b'&') {
                reading.field(field, channels_max)?;
            }
        }
        let header = text.last_event_id.filter(|id| !id.is_empty());
        let id = header.map(String::from_utf8_lossy);
        let id = id.or_else(|| reading.id.take().map(Cow::Owned));
        let mut query = reading.query;
        query.positions = match id {
            Some(id) => of_event(&id, query.channels.len(), channels_max),
            None => of_since(&reading.since, query.channels.len(), &reading.named)?,
        };
        Ok(query)
    }

    /// Whether the client says from where it goes on.
    #[must_use]
    pub(crate) fn has_since(&self) -> bool {
        self.positions != Positions::Absent
    }

    /// The positions from which a client goes on, as an answer says them; absent where it does not
    /// say one for each of so many channels.
    #[must_use]
    pub(crate) fn resumes_from(&self, channels: usize) -> Option<String> {
        let Positions::Each(each) = &self.positions else {
            return None;
        };
        let position = |since: &Since| match since {
            since if since.is_nowhere() => Some(Since::NOWHERE.to_string()),
            Since::Offset { offset, epoch } => Some(format!("{offset}@{epoch}")),
            _ => None,
        };
        let texts: Option<Vec<String>> = each.iter().map(position).collect();
        Some(texts?.join(",")).filter(|_| each.len() >= channels)
    }

    /// From where the channel at this place goes on.
    #[must_use]
    pub(crate) fn since(&self, index: usize) -> Since {
        match &self.positions {
            Positions::Absent => Since::Now,
            Positions::Same(since) => since.clone(),
            Positions::Each(each) => each.get(index).cloned().unwrap_or(Since::Now),
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct PartialQuery {
    query: Query,
    /// The place of each name in the query.
    known: HashMap<ChannelName, usize>,
    /// For each `channel` as it was written, the place of its name in the query.
    named: Vec<usize>,
    /// Each `since` as it was written.
    since: Vec<String>,
    /// The last id of an event that is not empty.
    id: Option<String>,
}

impl PartialQuery {
    fn field(&mut self, field: &[u8], channels_max: usize) -> Result<(), QueryError> {
        let mut parts = field.splitn(2, |byte| *byte == b'=');
        let name = text(parts.next().unwrap_or_default());
        let value = parts.next().unwrap_or_default();
        match &*name {
            "channel" => self.channel(value, channels_max)?,
            "since" => self.since.push(text(value)),
            "heartbeat" => self.query.heartbeat = is_on(value),
            "envelope" => self.query.envelope = is_on(value),
            "token" => self.query.token = Some(text(value)),
            "path" => self.query.path = Some(text(value)),
            other if is_event_id(other) && !value.is_empty() => self.id = Some(text(value)),
            other if strsim::jaro_winkler(other, "channel") > LOOKS_MEANT => {
                self.query.misspelt = Some(other.to_string());
            }
            _ => {}
        }
        Ok(())
    }

    fn channel(&mut self, value: &[u8], channels_max: usize) -> Result<(), QueryError> {
        let bytes = decoded(value);
        let name = std::str::from_utf8(&bytes).map_err(|_| ChannelNameError::NotUtf8)?;
        channel_name::check(name)?;
        let channels = &mut self.query.channels;
        if let Some(place) = self.known.get(name) {
            // A repeated channel is one channel.
            self.named.push(*place);
            return Ok(());
        }
        if channels.len() == channels_max {
            return Err(QueryError::TooManyChannels(channels_max));
        }
        let name = ChannelName::from(name);
        self.known.insert(name.clone(), channels.len());
        self.named.push(channels.len());
        channels.push(name);
        Ok(())
    }
}

/// Whether a parameter is the id of an event: the ways in which a page or an EventSource in its
/// place says again what a browser says in a header (`last_event_id`, `lastEventId`,
/// `Last-Event-ID`, `lastEventID`, `evs_last_event_id`).
fn is_event_id(name: &str) -> bool {
    let name = name.strip_prefix("evs_").unwrap_or(name);
    let letters = name.bytes().filter(|byte| !b"-_".contains(byte));
    letters
        .map(|byte| byte.to_ascii_lowercase())
        .eq(*b"lasteventid")
}

/// The positions that an event's id stands for. Where this server cannot have given it for these
/// channels, they go on from now and are told that something may be missing: an `EventSource` that
/// is refused stops for good.
fn of_event(id: &str, channels: usize, channels_max: usize) -> Positions {
    let fits = |positions: &usize| (channels..=channels_max.max(channels)).contains(positions);
    let position = |part: &str| match part {
        Since::NOWHERE => Some(Since::nowhere()),
        part if part.contains('@') => Since::parse(part),
        _ => None,
    };
    let each: Option<Vec<Since>> = Some(id.split(',').count())
        .filter(fits)
        .and_then(|_| id.split(',').map(position).collect());
    each.map_or(Positions::Same(Since::foreign()), Positions::Each)
}

/// The positions of `since`: one for each channel, as they were named or each once; one text for
/// all, which an answer gave and which may go on with channels that a token gave; or one alone.
fn of_since(texts: &[String], channels: usize, named: &[usize]) -> Result<Positions, QueryError> {
    let is_whole = texts.len() == 1;
    let parts = texts.iter().flat_map(|text| text.split(','));
    let parts: Vec<Since> = parts.map(since).collect::<Result<_, _>>()?;
    match (parts.as_slice(), is_whole) {
        ([], _) => Ok(Positions::Absent),
        ([newest @ Since::Newest(_)], _) => Ok(Positions::Same(newest.clone())),
        // For the first channel alone.
        ([_], _) => Ok(Positions::Each(parts)),
        (parts_of_one, true) if parts_of_one.len() >= channels => Ok(Positions::Each(parts)),
        (each, false) if each.len() == channels => Ok(Positions::Each(parts)),
        (each, false) if each.len() == named.len() => {
            let mut firsts = vec![None; channels];
            for (place, since) in named.iter().zip(each) {
                firsts[*place].get_or_insert(since.clone());
            }
            // Every channel was named.
            Ok(Positions::Each(firsts.into_iter().flatten().collect()))
        }
        (each, _) => Err(QueryError::Positions {
            positions: each.len(),
            channels,
        }),
    }
}

fn since(part: &str) -> Result<Since, QueryError> {
    match part {
        "" => Ok(Since::Now),
        Since::NOWHERE => Ok(Since::nowhere()),
        part => Since::parse(part).ok_or(QueryError::Since),
    }
}

/// All positions in one text, in the order of the channels; `-` for one that keeps no history.
#[must_use]
pub(crate) fn combined(positions: &[StreamPosition]) -> String {
    let each = positions
        .iter()
        .map(|position| match position.epoch.is_none() {
            true => Since::NOWHERE.to_string(),
            false => position.to_string(),
        });
    each.collect::<Vec<_>>().join(",")
}

/// A name or a value without its escapes (URL standard, application/x-www-form-urlencoded).
fn decoded(value: &[u8]) -> Vec<u8> {
    let blank = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    let value: Vec<u8> = value.iter().map(blank).collect();
    percent_decode(&value).collect()
}

/// As text; bytes that are none are shown as such, and fit nothing.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(&decoded(value)).into_owned()
}

fn is_on(value: &[u8]) -> bool {
    value == b"1" || value == b"true"
}

#[cfg(test)]
mod tests;
