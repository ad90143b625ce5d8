//! Reads what backends answer: `result`, `error` or `disconnect`, in the shapes of Centrifugo's
//! proxy.
//!
//! Pure. `null` means absent. Anything that does not fit is malformed: a hook decides who may do
//! what, so nothing is guessed from half an answer, and no result is no permission.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::failure::{CallFault, HookFailure};
use crate::{
    close::{APPLICATION_CODES, Close},
    codec::cut_close_reason,
    protocol::ReplyError,
};

/// What a hook reads out of `result`.
pub(super) trait FromResult: Sized {
    /// The shape of `result`.
    type Shape: DeserializeOwned;

    /// Takes it over; `None` if what should be base64 is none.
    fn from_shape(shape: Self::Shape) -> Option<Self>;
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<ErrorShape>,
    #[serde(default)]
    disconnect: Option<DisconnectShape>,
}

#[derive(Deserialize)]
struct ErrorShape {
    code: u32,
    #[serde(default, deserialize_with = "or_default")]
    message: String,
    #[serde(default, deserialize_with = "or_default")]
    temporary: bool,
}

#[derive(Deserialize)]
struct DisconnectShape {
    #[serde(default, deserialize_with = "or_default")]
    code: u32,
    #[serde(default, deserialize_with = "or_default")]
    reason: String,
}

/// Reads the body of an answer with status 200.
///
/// # Errors
/// What the backend says instead, or what is wrong with the answer and where.
pub(super) fn read<T: FromResult>(body: &[u8]) -> Result<T, CallFault> {
    let envelope: Envelope = object(without_mark(body)).map_err(CallFault::malformed)?;
    if let Some(disconnect) = envelope.disconnect {
        let failure = HookFailure::Disconnect {
            code: close_code(disconnect.code),
            reason: close_reason(disconnect.reason),
        };
        return Err(failure.into());
    }
    if let Some(error) = envelope.error {
        if error.code == 0 {
            return Err(CallFault::malformed("its error has no code"));
        }
        let failure = HookFailure::Error(ReplyError {
            code: error.code,
            message: error.message.into(),
            temporary: error.temporary,
        });
        return Err(failure.into());
    }
    let missing = "the answer has none of result, error and disconnect";
    let result = envelope
        .result
        .ok_or_else(|| CallFault::malformed(missing))?;
    let shape = object(result.get().as_bytes())
        .map_err(|why| CallFault::malformed(format!("in result: {why}")))?;
    T::from_shape(shape).ok_or_else(|| CallFault::malformed("a b64 field of result is no base64"))
}

/// A body without the byte order mark that some backends put before it.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// What is wrong with an answer that is compressed and does not say so.
pub(super) const GZIP: &str = "it is compressed by gzip, without a Content-Encoding";

/// Whether a body is compressed by gzip (RFC 1952, section 2.3.1).
pub(super) fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b])
}

/// Reads a JSON object; serde alone would take a list for one, field by field.
///
/// # Errors
/// What is wrong, and where.
fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, String> {
    match json.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(json).map_err(|error| error.to_string()),
        Some(_) if is_gzip(json) => Err(GZIP.to_string()),
        Some(_) => Err("it is no JSON object".to_string()),
        None => Err("it is empty".to_string()),
    }
}

/// A code for applications stays; the client must be closed in any case.
fn close_code(code: u32) -> u16 {
    match u16::try_from(code) {
        Ok(code) if APPLICATION_CODES.contains(&code) => code,
        // No close frame of an application may carry it.
        _ => Close::FORCE_DISCONNECT.code,
    }
}

fn close_reason(mut reason: String) -> String {
    reason.truncate(cut_close_reason(&reason).len());
    reason
}

/// `null` is as good as nothing.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    input: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// Texts by name; one that is `null` is none.
pub(super) fn texts<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let map = Option::<BTreeMap<String, Option<String>>>::deserialize(input)?;
    let pairs = map.unwrap_or_default().into_iter();
    Ok(pairs
        .filter_map(|(name, text)| Some((name, text?)))
        .collect())
}

#[cfg(test)]
mod tests;
