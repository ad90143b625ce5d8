//! Types of settings: how a value is written in TOML, in the environment and in flags, and how it
//! is shown. The sections name the type of each setting.

mod headers;
mod lists;
mod scalars;

use toml::de::DeValue;

pub(super) use self::{
    headers::{Headers, check_header_name},
    lists::{AllowList, KeyOrList, ListenAddresses, ProxyList, TextList, TextOrList},
    scalars::{
        Bool, Bytes, FilePath, KeepRule, Key, LogFormatName, Optional, SlowPolicyName,
        SyncPolicyName, Text, Time, U32, Usize,
    },
};

/// A value as it was given.
#[derive(Clone, Copy)]
pub(super) enum SettingInput<'a> {
    /// In the file.
    Toml(&'a DeValue<'a>),
    /// In the environment or as a flag: always text, lists by commas.
    Text(&'a str),
}

impl<'a> SettingInput<'a> {
    /// The text as it is written, whatever it says.
    fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Toml(DeValue::String(text)) => Some(text),
            Self::Toml(_) => None,
        }
    }

    /// A number, or text that is one.
    fn number(self) -> Option<f64> {
        match self {
            Self::Text(text) => text.trim().parse().ok(),
            Self::Toml(DeValue::Integer(integer)) => {
                let digits = integer.as_str().replace('_', "");
                match integer.radix() {
                    10 => digits.parse().ok(),
                    radix => i64::from_str_radix(&digits, radix).ok().map(|n| n as f64),
                }
            }
            Self::Toml(DeValue::Float(float)) => float.as_str().replace('_', "").parse().ok(),
            Self::Toml(_) => None,
        }
    }

    /// A boolean, or text that is one in any case: platforms write `True` and `TRUE`.
    fn boolean(self) -> Option<bool> {
        match self {
            Self::Toml(DeValue::Boolean(flag)) => Some(*flag),
            Self::Text(text) => {
                let is = |word: &&str| text.trim().eq_ignore_ascii_case(word);
                if ["true", "1", "yes", "on"].iter().any(is) {
                    Some(true)
                } else if ["false", "0", "no", "off"].iter().any(is) {
                    Some(false)
                } else {
                    None
                }
            }
            Self::Toml(_) => None,
        }
    }

    /// An array, or text with commas.
    fn list(self) -> Option<Vec<SettingInput<'a>>> {
        match self {
            Self::Toml(DeValue::Array(array)) => Some(
                array
                    .iter()
                    .map(|value| SettingInput::Toml(value.get_ref()))
                    .collect(),
            ),
            Self::Text(text) => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|entry| !entry.is_empty())
                    .map(SettingInput::Text)
                    .collect(),
            ),
            Self::Toml(_) => None,
        }
    }
}

/// How values of one type are read and shown.
pub(super) trait SettingType {
    /// The type of the values.
    type Value;
    /// What may be written, for errors and documentation; follows "expected".
    const EXPECTED: &'static str;
    /// Reads a value.
    ///
    /// # Errors
    /// The value is none of this type: what is wrong or expected, for whoever wrote it.
    fn read(input: SettingInput<'_>) -> Result<Self::Value, String>;
    /// A value as TOML; `None` where it is absent or secret.
    fn to_toml(value: &Self::Value) -> Option<String>;
}

/// The error that says what may be written.
fn expected<T: SettingType>() -> String {
    format!("expected {}", T::EXPECTED)
}

/// A text as a basic string of TOML.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}
