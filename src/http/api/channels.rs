//! `presence`, `presence_stats`, `history`, `history_remove` and `channels`: what the broker knows
//! of channels.
//!
//! Bounds: a history is at most what its namespace keeps; `channels` lists [`CHANNELS_MAX`]. The
//! server's own channels (`$…`) are no names here.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use glob::Pattern;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{
    answer::{self, ApiResult, DONE, bad_request},
    call::ApiCall,
    request as r,
};
use crate::{
    broker::HistoryFilter,
    id::Epoch,
    protocol::{self, ClientInfo, ReplyError, Tags},
    publication::Item,
};

/// Channels that one answer lists.
const CHANNELS_MAX: usize = 10_000;
/// Globs that one pattern with alternatives may stand for.
const ALTERNATIVES_MAX: usize = 64;
/// Longest pattern; a name has no more.
const PATTERN_BYTES_MAX: usize = 255;

/// Bytes in JSON: as they stand where they are JSON, else as base64.
struct Embedded<'a>(&'a [u8]);

impl Serialize for Embedded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_slice::<&RawValue>(self.0) {
            Ok(json) => json.serialize(serializer),
            Err(_) => serializer.serialize_str(&STANDARD.encode(self.0)),
        }
    }
}

#[derive(Serialize)]
struct Info<'a> {
    user: &'a str,
    client: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conn_info: Option<Embedded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chan_info: Option<Embedded<'a>>,
}

impl<'a> Info<'a> {
    fn of(info: &'a ClientInfo) -> Self {
        let given = |bytes: &'a [u8]| (!bytes.is_empty()).then_some(Embedded(bytes));
        Self {
            user: &info.user,
            client: &info.client,
            conn_info: given(&info.conn_info),
            chan_info: given(&info.chan_info),
        }
    }
}

/// `presence`.
pub(super) async fn presence(call: &ApiCall<'_>, request: r::InChannel) -> ApiResult {
    let (channel, rules) = call.channel(&request.channel)?;
    if !rules.presence {
        return Err(ReplyError::NOT_AVAILABLE);
    }
    let present = call.node.presence(&channel).await?;
    let by_client: BTreeMap<String, Info<'_>> = present
        .iter()
        .map(|(session, info)| (session.to_string(), Info::of(info)))
        .collect();
    answer::result(&BTreeMap::from([("presence", by_client)]))
}

/// `presence_stats`.
pub(super) async fn presence_stats(call: &ApiCall<'_>, request: r::InChannel) -> ApiResult {
    let (channel, rules) = call.channel(&request.channel)?;
    if !rules.presence {
        return Err(ReplyError::NOT_AVAILABLE);
    }
    let stats = call.node.presence_stats(&channel).await?;
    answer::result(&BTreeMap::from([
        ("num_clients", stats.clients),
        ("num_users", stats.users),
    ]))
}

#[derive(Serialize)]
struct PublicationView<'a> {
    data: DataView<'a>,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Info<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a Tags>,
}

/// A payload in JSON, as clients of the protocol see it: JSON as it stands, other text as a string,
/// bytes as base64.
struct DataView<'a>(protocol::PayloadRef<'a>);

impl Serialize for DataView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            json @ (protocol::PayloadRef::Json(_) | protocol::PayloadRef::JsonLines(_)) => {
                Embedded(&json.bytes()).serialize(serializer)
            }
            protocol::PayloadRef::Text(text) => serializer.serialize_str(text),
            protocol::PayloadRef::Binary(bytes) | protocol::PayloadRef::Stringed(bytes) => {
                serializer.serialize_str(&STANDARD.encode(bytes))
            }
        }
    }
}

impl<'a> PublicationView<'a> {
    fn of(item: &'a Item) -> Self {
        Self {
            data: DataView(item.as_json()),
            offset: item.offset,
            info: item.info.as_deref().map(Info::of),
            tags: item.tags.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct HistoryResult<'a> {
    publications: Vec<PublicationView<'a>>,
    epoch: Cow<'a, str>,
    offset: u64,
}

/// `history`: `limit` 0 or absent is only the position, a negative one is all that is kept.
pub(super) async fn history(call: &ApiCall<'_>, request: r::History) -> ApiResult {
    let (channel, rules) = call.channel(&request.channel)?;
    if rules.history_size == 0 {
        return Err(ReplyError::NOT_AVAILABLE);
    }
    let since = request.since.as_ref();
    let query = HistoryFilter {
        since: since.map(|since| since.offset),
        limit: usize::try_from(request.limit).ok(),
        reverse: request.reverse,
        keep: rules.history_ttl,
        ..HistoryFilter::default()
    };
    let history = call.node.history(&channel, query).await?;
    let another = |epoch: &str| !epoch.is_empty() && Epoch::parse(epoch) != Some(history.top.epoch);
    if since.is_some_and(|since| another(&since.epoch)) {
        return Err(ReplyError::UNRECOVERABLE_POSITION);
    }
    answer::result(&HistoryResult {
        publications: history
            .items
            .iter()
            .map(|item| PublicationView::of(item))
            .collect(),
        epoch: history.top.epoch.to_string().into(),
        offset: history.top.offset,
    })
}

/// `history_remove`.
pub(super) async fn history_remove(call: &ApiCall<'_>, request: r::InChannel) -> ApiResult {
    let (channel, rules) = call.channel(&request.channel)?;
    if rules.history_size == 0 {
        return Err(ReplyError::NOT_AVAILABLE);
    }
    call.node.remove_history(&channel).await?;
    Ok(DONE.to_string())
}

/// `channels`: those with a member on this node, by a glob.
pub(super) async fn channels(call: &ApiCall<'_>, request: r::Channels) -> ApiResult {
    if request.pattern.len() > PATTERN_BYTES_MAX {
        return Err(bad_request(
            "bad request: pattern has more than 255 bytes".to_string(),
        ));
    }
    let patterns = patterns(&request.pattern)
        .map_err(|error| bad_request(format!("bad request: pattern: {error}")))?;
    let all = request.pattern.is_empty();
    let admits = |name: &str| all || patterns.iter().any(|pattern| pattern.matches(name));
    let listed = call.node.list_channels(&admits, CHANNELS_MAX);
    let channels: BTreeMap<&str, BTreeMap<&str, usize>> = listed
        .iter()
        .map(|(name, members)| (&**name, BTreeMap::from([("num_clients", *members)])))
        .collect();
    answer::result(&BTreeMap::from([("channels", channels)]))
}

/// Which channels a pattern of this API means.
pub(crate) struct ChannelPattern(Vec<Pattern>);

impl ChannelPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!("it has more than {PATTERN_BYTES_MAX} bytes"));
        }
        patterns(text).map(Self)
    }

    /// Whether it means this one.
    #[must_use]
    pub(crate) fn admits(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }
}

/// The globs that a pattern stands for: `a{b,c}` is `ab` and `ac`.
fn patterns(text: &str) -> Result<Vec<Pattern>, String> {
    let mut texts = Vec::new();
    expand(text, &mut texts)?;
    let pattern = |text: &String| Pattern::new(text).map_err(|error| error.to_string());
    texts.iter().map(pattern).collect()
}

/// Writes a pattern out for each choice of its alternatives. Each call takes one pair of braces
/// away, so that it ends.
fn expand(text: &str, out: &mut Vec<String>) -> Result<(), String> {
    let Some(open) = first_brace(text) else {
        if out.len() == ALTERNATIVES_MAX {
            return Err(format!(
                "it stands for more than {ALTERNATIVES_MAX} patterns"
            ));
        }
        out.push(text.to_string());
        return Ok(());
    };
    let (before, inside) = (&text[..open], &text[open + 1..]);
    let (mut depth, mut begin, mut choices) = (0_usize, 0, Vec::new());
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b',' if depth == 0 => {
                choices.push(&inside[begin..at]);
                begin = at + 1;
            }
            b'}' if depth == 0 => {
                choices.push(&inside[begin..at]);
                let behind = &inside[at + 1..];
                let mut each = choices.iter();
                return each.try_for_each(|choice| expand(&[before, choice, behind].concat(), out));
            }
            b'}' => depth -= 1,
            _ => {}
        }
    }
    Err("a { has no }".to_string())
}

/// Where the first alternatives begin; a brace in brackets is itself.
fn first_brace(text: &str) -> Option<usize> {
    let mut class = None;
    for (at, byte) in text.bytes().enumerate() {
        match (byte, class) {
            (b'{', None) => return Some(at),
            (b'[', None) => class = Some(at),
            // The first character of a class may be the bracket itself.
            (b']', Some(begin)) if at > begin + 1 => class = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::Payload;

    // A pattern as "chat:{a,b}*" found nothing: the braces were taken as they stand, where
    // Centrifugo takes them for alternatives.
    #[test]
    fn braces_in_a_pattern_are_alternatives() {
        let admits = |pattern: &str, name: &str| {
            let patterns = patterns(pattern).expect(pattern);
            patterns.iter().any(|pattern| pattern.matches(name))
        };
        for (pattern, right, wrong) in [
            ("chat:{a,b}*", &["chat:a", "chat:b1"][..], "chat:c"),
            ("{a,b{c,d}}x", &["ax", "bcx", "bdx"], "bx"),
            ("a{,b}", &["a", "ab"], "abb"),
            ("[{]a,b", &["{a,b"], "a"),
            ("{直播间,弹幕}:?", &["弹幕:一", "直播间:1"], "弹:1"),
        ] {
            assert!(right.iter().all(|name| admits(pattern, name)), "{pattern}");
            assert!(!admits(pattern, wrong), "{pattern}");
        }
        for bad in ["{", "a{b,c", "[", &"{a,b}".repeat(7)] {
            assert!(patterns(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_kept_is_shown_as_clients_see_it() {
        let shown = |payload| {
            let item = Item::new(payload, 7);
            serde_json::to_string(&PublicationView::of(&item)).expect("JSON")
        };
        assert_eq!(
            shown(Payload::Text("{\"a\": 1}".into())),
            r#"{"data":{"a": 1},"offset":7}"#
        );
        assert_eq!(
            shown(Payload::Text("[1,\n2]".into())),
            r#"{"data":[1,2],"offset":7}"#
        );
        assert_eq!(
            shown(Payload::Text("no json".into())),
            r#"{"data":"no json","offset":7}"#
        );
        let bytes = bytes::Bytes::from_static(&[0xff, 0]);
        assert_eq!(
            shown(Payload::Binary(bytes)),
            r#"{"data":"/wA=","offset":7}"#
        );
    }

    #[test]
    fn information_that_is_no_json_is_base64() {
        let info = ClientInfo {
            user: "42".to_string(),
            client: "c".to_string(),
            conn_info: bytes::Bytes::from_static(b"{\"a\":1}"),
            chan_info: bytes::Bytes::from_static(b"{\"a\""),
        };
        let shown = serde_json::to_string(&Info::of(&info)).expect("JSON");
        assert_eq!(
            shown,
            r#"{"user":"42","client":"c","conn_info":{"a":1},"chan_info":"eyJhIg=="}"#
        );
    }
}
