//! Headers of requests: how they are written, and which names they may have. No error repeats a
//! value, which may be a key.

use toml::de::DeValue;

use super::{SettingInput, SettingType, Text, TextList, expected, quoted};
use crate::config::values::Secret;

/// Headers of a request; their values may be keys and are never shown.
pub(in crate::config) struct Headers;

impl SettingType for Headers {
    type Value = Vec<(String, Secret)>;
    const EXPECTED: &'static str =
        "headers such as { \"X-Key\" = \"secret\" } or [\"X-Key: secret\"]";
    fn read(input: SettingInput<'_>) -> Result<Self::Value, String> {
        let pairs: Vec<(String, String)> = match input {
            SettingInput::Toml(DeValue::Table(table)) => {
                let pair = |(name, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                    let name: &std::borrow::Cow<'_, str> = name.get_ref();
                    let value = Text::read(SettingInput::Toml(value.get_ref()));
                    value.map(|value| (name.to_string(), value))
                };
                let pairs: Result<_, String> = table.iter().map(pair).collect();
                pairs.map_err(|_| expected::<Self>())?
            }
            _ => {
                let lines = TextList::read(input).map_err(|_| expected::<Self>())?;
                let pair = |line: &String| {
                    let (name, value) = line.split_once(':')?;
                    Some((name.trim().to_string(), value.trim().to_string()))
                };
                let pairs: Option<_> = lines.iter().map(pair).collect();
                pairs.ok_or_else(expected::<Self>)?
            }
        };
        let mut headers = Vec::new();
        for (name, value) in pairs {
            check_header_name(&name)?;
            if !value
                .bytes()
                .all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
            {
                return Err(format!("the value of {name} holds more than visible ASCII"));
            }
            headers.push((name, Secret::new(&value)));
        }
        Ok(headers)
    }
    fn to_toml(_: &Self::Value) -> Option<String> {
        None
    }
}

/// The rule for names of headers (RFC 9110, section 5.1); those of the connection itself are
/// refused.
pub(in crate::config) fn check_header_name(name: &str) -> Result<(), String> {
    const OWN: [&str; 8] = [
        "connection",
        "content-length",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let in_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(in_token) {
        return Err(format!(
            "{} is no name of a header; expected one such as \"X-Request-Id\"",
            quoted(name)
        ));
    }
    let lower = name.to_ascii_lowercase();
    if OWN.contains(&lower.as_str()) {
        return Err(format!(
            "{lower} belongs to the connection and cannot be set"
        ));
    }
    Ok(())
}
