//! Types of settings: how a value is written in TOML and in the environment, and how it is shown. The
//! sections name the type of each setting.

mod access;

use std::{marker::PhantomData, path::PathBuf, time::Duration};

use bytesize::ByteSize;
use toml::de::DeValue;

pub use self::access::Allow;
pub(super) use self::access::{AllowList, Headers, KeyOrList, TextOrList, check_header_name};

use super::values::{Listen, Secret, SlowPolicy, TrustedProxies};

/// A value as it was given.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    /// In the file.
    Toml(&'a DeValue<'a>),
    /// In the environment or as a flag: always text, lists by commas.
    Text(&'a str),
}

impl<'a> Input<'a> {
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

    fn flag(self) -> Option<bool> {
        match self {
            Self::Toml(DeValue::Boolean(flag)) => Some(*flag),
            Self::Text("true" | "1" | "yes" | "on") => Some(true),
            Self::Text("false" | "0" | "no" | "off") => Some(false),
            _ => None,
        }
    }

    fn list(self) -> Option<Vec<Input<'a>>> {
        match self {
            Self::Toml(DeValue::Array(array)) => Some(
                array
                    .iter()
                    .map(|value| Input::Toml(value.get_ref()))
                    .collect(),
            ),
            Self::Text(text) => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|entry| !entry.is_empty())
                    .map(Input::Text)
                    .collect(),
            ),
            Self::Toml(_) => None,
        }
    }
}

/// How values of one kind are read and shown.
pub(super) trait SettingType {
    /// What it makes.
    type Value;
    /// What would be right, for errors and documentation.
    const EXPECTED: &'static str;
    /// Reads a value; an error says what is wrong, without what would be right where [`EXPECTED`](Self::EXPECTED) says it.
    fn read(input: Input<'_>) -> Result<Self::Value, String>;
    /// Shows a value as TOML; `None` where there is none.
    fn to_toml(value: &Self::Value) -> Option<String>;
}

fn expected<T: SettingType>() -> String {
    format!("expected {}", T::EXPECTED)
}

/// TOML's basic string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

/// A whole number from 0.
pub(super) struct Count;

impl SettingType for Count {
    type Value = usize;
    const EXPECTED: &'static str = "a whole number such as 1000";
    fn read(input: Input<'_>) -> Result<usize, String> {
        match input.number() {
            Some(n) if n >= 0.0 && n.fract() == 0.0 && n < 9e15 => Ok(n as usize),
            _ => Err(expected::<Self>()),
        }
    }
    fn to_toml(value: &usize) -> Option<String> {
        Some(value.to_string())
    }
}

/// A small whole number.
pub(super) struct U32;

impl SettingType for U32 {
    type Value = u32;
    const EXPECTED: &'static str = "a whole number";
    fn read(input: Input<'_>) -> Result<u32, String> {
        u32::try_from(Count::read(input)?).map_err(|_| expected::<Self>())
    }
    fn to_toml(value: &u32) -> Option<String> {
        Some(value.to_string())
    }
}

/// A size: `"64KiB"` or bare bytes.
pub(super) struct Bytes;

impl SettingType for Bytes {
    type Value = usize;
    const EXPECTED: &'static str = "a size such as \"64KiB\", \"1MB\" or bare bytes";
    fn read(input: Input<'_>) -> Result<usize, String> {
        if let Ok(bytes) = Count::read(input) {
            return Ok(bytes);
        }
        let size: ByteSize = input
            .text()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(expected::<Self>)?;
        usize::try_from(size.as_u64()).map_err(|_| expected::<Self>())
    }
    fn to_toml(value: &usize) -> Option<String> {
        let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let whole = units
            .iter()
            .find(|(_, bits)| *value > 0 && value.is_multiple_of(1 << bits));
        Some(match whole {
            Some((unit, bits)) => format!("\"{}{unit}\"", value >> bits),
            None => value.to_string(),
        })
    }
}

/// No setting means more than this, and much larger times overflow the clock they are added to.
const TIME_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A time: `"10s"` or bare seconds.
pub(super) struct Time;

impl SettingType for Time {
    type Value = Duration;
    const EXPECTED: &'static str = "a time such as \"10s\", \"1m 30s\", \"200ms\" or bare seconds";
    fn read(input: Input<'_>) -> Result<Duration, String> {
        let time = match input.number() {
            Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
            None => input
                .text()
                .and_then(|text| humantime::parse_duration(text.trim()).ok()),
        };
        match time {
            Some(time) if time > TIME_MAX => Err("expected a time of at most a year".to_string()),
            Some(time) => Ok(time),
            None => Err(expected::<Self>()),
        }
    }
    fn to_toml(value: &Duration) -> Option<String> {
        Some(format!("\"{}\"", humantime::format_duration(*value)))
    }
}

/// Yes or no.
pub(super) struct Flag;

impl SettingType for Flag {
    type Value = bool;
    const EXPECTED: &'static str = "true or false";
    fn read(input: Input<'_>) -> Result<bool, String> {
        input.flag().ok_or_else(expected::<Self>)
    }
    fn to_toml(value: &bool) -> Option<String> {
        Some(value.to_string())
    }
}

/// Any text.
pub(super) struct Text;

impl SettingType for Text {
    type Value = String;
    const EXPECTED: &'static str = "a text in quotes";
    fn read(input: Input<'_>) -> Result<String, String> {
        input
            .text()
            .map(str::to_string)
            .ok_or_else(expected::<Self>)
    }
    fn to_toml(value: &String) -> Option<String> {
        Some(quoted(value))
    }
}

/// A key that is never shown.
pub(super) struct Key;

impl SettingType for Key {
    type Value = Secret;
    const EXPECTED: &'static str = "a key in quotes, not empty";
    fn read(input: Input<'_>) -> Result<Secret, String> {
        match input.text() {
            Some(text) if !text.is_empty() => Ok(Secret::new(text)),
            _ => Err(expected::<Self>()),
        }
    }
    fn to_toml(_: &Secret) -> Option<String> {
        None
    }
}

/// A path of the file system.
pub(super) struct File;

impl SettingType for File {
    type Value = PathBuf;
    const EXPECTED: &'static str = "a path in quotes";
    fn read(input: Input<'_>) -> Result<PathBuf, String> {
        match input.text() {
            Some(text) if !text.is_empty() => Ok(PathBuf::from(text)),
            _ => Err(expected::<Self>()),
        }
    }
    fn to_toml(value: &PathBuf) -> Option<String> {
        Some(quoted(&value.display().to_string()))
    }
}

/// A value that may be absent.
pub(super) struct Optional<T>(PhantomData<T>);

impl<T: SettingType> SettingType for Optional<T> {
    type Value = Option<T::Value>;
    const EXPECTED: &'static str = T::EXPECTED;
    fn read(input: Input<'_>) -> Result<Self::Value, String> {
        T::read(input).map(Some)
    }
    fn to_toml(value: &Self::Value) -> Option<String> {
        value.as_ref().and_then(T::to_toml)
    }
}

/// A list of texts.
pub(super) struct TextList;

impl SettingType for TextList {
    type Value = Vec<String>;
    const EXPECTED: &'static str = "a list of texts such as [\"a\", \"b\"]";
    fn read(input: Input<'_>) -> Result<Vec<String>, String> {
        let list = input.list().ok_or_else(expected::<Self>)?;
        list.into_iter()
            .map(|entry| Text::read(entry).map_err(|_| expected::<Self>()))
            .collect()
    }
    fn to_toml(value: &Vec<String>) -> Option<String> {
        let entries: Vec<String> = value.iter().map(|entry| quoted(entry)).collect();
        Some(format!("[{}]", entries.join(", ")))
    }
}

/// Where to listen.
pub(super) struct ListenAddresses;

impl SettingType for ListenAddresses {
    type Value = Vec<Listen>;
    const EXPECTED: &'static str = "a list of \"host:port\", \"tls:host:port\" and \"unix:/path\", such as [\"127.0.0.1:8080\"]";
    fn read(input: Input<'_>) -> Result<Vec<Listen>, String> {
        let texts = TextList::read(input).map_err(|_| expected::<Self>())?;
        if texts.is_empty() {
            return Err(expected::<Self>());
        }
        let (mut listen, mut faults) = (Vec::new(), Vec::new());
        for text in &texts {
            match text.parse() {
                Ok(entry) => listen.push(entry),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            Ok(listen)
        } else {
            Err(faults.join("; "))
        }
    }
    fn to_toml(value: &Vec<Listen>) -> Option<String> {
        TextList::to_toml(&value.iter().map(ToString::to_string).collect())
    }
}

/// Addresses and networks of proxies.
pub(super) struct ProxyList;

impl SettingType for ProxyList {
    type Value = TrustedProxies;
    const EXPECTED: &'static str =
        "a list of addresses, networks and \"unix\", such as [\"127.0.0.1\", \"10.0.0.0/8\"]";
    fn read(input: Input<'_>) -> Result<TrustedProxies, String> {
        let texts = TextList::read(input).map_err(|_| expected::<Self>())?;
        texts.join(",").parse()
    }
    fn to_toml(value: &TrustedProxies) -> Option<String> {
        TextList::to_toml(&value.entries())
    }
}

/// `slow.policy`.
pub(super) struct Policy;

impl SettingType for Policy {
    type Value = SlowPolicy;
    const EXPECTED: &'static str = "\"disconnect\", \"drop_oldest\" or \"latest\"";
    fn read(input: Input<'_>) -> Result<SlowPolicy, String> {
        match input.text() {
            Some("disconnect") => Ok(SlowPolicy::Disconnect),
            Some("drop_oldest") => Ok(SlowPolicy::DropOldest),
            Some("latest") => Ok(SlowPolicy::Latest),
            _ => Err(expected::<Self>()),
        }
    }
    fn to_toml(value: &SlowPolicy) -> Option<String> {
        Some(quoted(match value {
            SlowPolicy::Disconnect => "disconnect",
            SlowPolicy::DropOldest => "drop_oldest",
            SlowPolicy::Latest => "latest",
        }))
    }
}
