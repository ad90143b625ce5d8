//! Reads what backends answer: `result`, `error` or `disconnect`, in the shapes of Centrifugo's
//! proxy.
//!
//! Pure. `null` means absent. Anything that does not fit is malformed: a hook decides who may do
//! what, so nothing is guessed from half an answer, and no result is no permission.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::failure::HookFailure;
use crate::{codec::cut_close_reason, protocol::ReplyError};

/// Says "force disconnect": stands in for a code that no close frame of an application may carry.
const FORCED: u16 = 3503;

/// What a hook reads out of `result`.
pub(super) trait FromResult: Sized {
    /// The shape of `result`.
    type Shape: DeserializeOwned;

    /// Takes it over; `None` if a field holds what it cannot.
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
pub(super) fn read<T: FromResult>(body: &[u8]) -> Result<T, HookFailure> {
    let envelope: Envelope = object(body).ok_or(HookFailure::MALFORMED)?;
    if let Some(disconnect) = envelope.disconnect {
        return Err(HookFailure::Disconnect {
            code: close_code(disconnect.code),
            reason: close_reason(disconnect.reason),
        });
    }
    if let Some(error) = envelope.error {
        if error.code == 0 {
            return Err(HookFailure::MALFORMED);
        }
        return Err(HookFailure::Error(ReplyError {
            code: error.code,
            message: error.message.into(),
            temporary: error.temporary,
        }));
    }
    let result = envelope.result.ok_or(HookFailure::MALFORMED)?;
    object(result.get().as_bytes())
        .and_then(T::from_shape)
        .ok_or(HookFailure::MALFORMED)
}

/// Reads a JSON object; serde alone would take a list for one, field by field.
fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    let begins = json.trim_ascii_start().first();
    (begins == Some(&b'{'))
        .then(|| serde_json::from_slice(json).ok())
        .flatten()
}

/// A code for applications stays; the client must be closed in any case.
fn close_code(code: u32) -> u16 {
    match u16::try_from(code) {
        Ok(code @ 3000..=4999) => code,
        _ => FORCED,
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
