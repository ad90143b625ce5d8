//! How fields of a request are read: leniently where Centrifugo's are (`null` is absent), and
//! without a tree where a field is JSON of the caller's own. Pure. No input panics; a value that
//! makes no sense is error 107.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::answer::bad_request;
use crate::{
    id::SessionId,
    protocol::{ReplyError, clean_json},
    publication::Payload,
    unix_time::LATEST,
};

/// JSON as it stands in the request.
pub(super) type JsonField = Option<Box<RawValue>>;

/// A field that may be `null`, which is as if it were absent.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A field of texts by name; one that is `null` is none.
pub(super) fn texts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let map: BTreeMap<String, Option<String>> = nullable(deserializer)?;
    let pairs = map.into_iter();
    Ok(pairs
        .filter_map(|(name, text)| Some((name, text?)))
        .collect())
}

/// A field that is JSON: `null` is a value like any other.
pub(super) fn json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<JsonField, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// A JSON text without raw newlines and not nested too deeply.
fn clean(json: Box<RawValue>) -> Result<ByteString, ReplyError> {
    let cleaned = match clean_json(json.get().as_bytes()) {
        None => return Err(ReplyError::BAD_REQUEST),
        Some(cleaned) if cleaned.len() == json.get().len() => None,
        Some(cleaned) => Some(cleaned.into_owned()),
    };
    match cleaned {
        None => Ok(Box::<str>::from(json).into_string().into()),
        // What was taken out are whole characters, so that it is text still.
        Some(cleaned) => ByteString::try_from(cleaned).map_err(|_| ReplyError::BAD_REQUEST),
    }
}

fn decode(base64: &str) -> Result<Bytes, ReplyError> {
    let bytes = STANDARD
        .decode(base64)
        .map_err(|_| ReplyError::BAD_REQUEST)?;
    Ok(bytes.into())
}

/// What is to be published: `data` or `b64data`, of which one must be there.
pub(super) fn payload(data: JsonField, b64data: &str) -> Result<Payload, ReplyError> {
    if !b64data.is_empty() {
        return decode(b64data).map(Payload::guess);
    }
    let data =
        data.ok_or_else(|| bad_request("bad request: data or b64data is missing".to_string()))?;
    clean(data).map(Payload::Text)
}

/// `info`, `meta` and `data` that may be absent, as JSON or else as base64. Absent is empty.
pub(super) fn optional(json: JsonField, base64: &str) -> Result<Bytes, ReplyError> {
    if !base64.is_empty() {
        return decode(base64);
    }
    Ok(match json {
        Some(json) if json.get() != "null" => clean(json)?.into_bytes(),
        _ => Bytes::new(),
    })
}

/// A moment in Unix seconds; 0 is none.
///
/// # Errors
/// It is none that a backend means: before 1970, or in milliseconds.
pub(super) fn moment(field: &str, seconds: i64) -> Result<Option<u64>, ReplyError> {
    let fault = match u64::try_from(seconds) {
        Ok(0) => return Ok(None),
        Ok(seconds) if seconds <= LATEST => return Ok(Some(seconds)),
        Ok(_) => "is beyond the year 9999 in seconds (milliseconds?)",
        Err(_) => "is no time in seconds since 1970",
    };
    Err(bad_request(format!("bad request: {field} {fault}")))
}

/// Client ids that must be ones.
pub(super) fn clients(ids: &[String], at_most: usize) -> Result<Box<[SessionId]>, ReplyError> {
    if ids.len() > at_most {
        return Err(ReplyError::LIMIT_EXCEEDED);
    }
    let ids = ids.iter().map(|id| SessionId::parse(id));
    ids.collect::<Option<_>>().ok_or(ReplyError::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct DataRequest {
        #[serde(deserialize_with = "json")]
        data: JsonField,
        #[serde(deserialize_with = "nullable")]
        b64data: String,
        #[serde(deserialize_with = "texts")]
        tags: BTreeMap<String, String>,
    }

    // A tag that was null refused the whole request.
    #[test]
    fn a_tag_that_is_null_is_none() {
        let request: DataRequest =
            serde_json::from_str(r#"{"tags":{"a":null,"b":"c"}}"#).expect("one");
        assert_eq!(request.tags, BTreeMap::from([("b".into(), "c".into())]));
        let request: DataRequest = serde_json::from_str(r#"{"tags":null}"#).expect("one");
        assert!(request.tags.is_empty());
    }

    fn read(text: &str) -> Result<Payload, ReplyError> {
        let request: DataRequest = serde_json::from_str(text).expect("a request");
        payload(request.data, &request.b64data)
    }

    #[test]
    fn data_goes_through_as_the_bytes_that_came() {
        for (text, data) in [
            (
                r#"{"data": {"b" : 1.50, "a":"\u00e9"} }"#,
                r#"{"b" : 1.50, "a":"\u00e9"}"#,
            ),
            ("{\"data\":[1,\r\n2]}", "[1,2]"),
            (r#"{"data":"text"}"#, r#""text""#),
            (r#"{"data":null}"#, "null"),
            (r#"{"data":1,"b64data":null}"#, "1"),
        ] {
            assert_eq!(read(text), Ok(Payload::Text(data.into())), "{text}");
        }
    }

    #[test]
    fn base64_is_bytes_and_text_where_it_is_text() {
        assert_eq!(
            read(r#"{"b64data":"aGk="}"#),
            Ok(Payload::Text("hi".into()))
        );
        let bytes = Bytes::from_static(&[0xff, 0]);
        assert_eq!(read(r#"{"b64data":"/wA="}"#), Ok(Payload::Binary(bytes)));
    }

    /// A time in milliseconds was taken for one in fifty thousand years, which is never, and one
    /// before 1970 for none. Both are refused, with what is wrong.
    #[test]
    fn a_time_in_milliseconds_or_before_1970_is_a_bad_request() {
        assert_eq!(moment("expire_at", 0), Ok(None));
        assert_eq!(moment("expire_at", 1_795_712_170), Ok(Some(1_795_712_170)));
        for (seconds, why) in [
            (1_795_712_170_999, "milliseconds?"),
            (i64::MAX, "milliseconds?"),
            (-5, "since 1970"),
        ] {
            let error = moment("expire_at", seconds).expect_err("no time");
            assert_eq!(error.code, 107);
            assert!(error.message.contains(why), "{}", error.message);
            assert!(error.message.contains("expire_at"), "{}", error.message);
        }
    }

    #[test]
    fn what_cannot_be_published_is_a_bad_request() {
        let deep = format!("{{\"data\":{}{}}}", "[".repeat(129), "]".repeat(129));
        for text in ["{}", r#"{"b64data":"?"}"#, r#"{"b64data":"aGk"}"#, &deep] {
            assert_eq!(read(text).map_err(|error| error.code), Err(107), "{text}");
        }
        let info = |json: &str| serde_json::from_str::<Box<RawValue>>(json).ok();
        assert_eq!(optional(info("null"), ""), Ok(Bytes::new()));
        assert_eq!(optional(info("{ }"), ""), Ok(Bytes::from_static(b"{ }")));
        assert_eq!(optional(None, "e30="), Ok(Bytes::from_static(b"{}")));
        assert!(clients(&["x".to_string()], 9).is_err());
    }
}
