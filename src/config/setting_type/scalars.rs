//! Settings of one value: numbers, sizes, times, texts, keys, paths.

use std::{marker::PhantomData, path::PathBuf, time::Duration};

use bytesize::ByteSize;

use super::{SettingInput, SettingType, expected, quoted};
use crate::config::values::{Keep, LogFormat, Secret, SlowPolicy, SyncPolicy};

/// A whole number from 0.
pub(in crate::config) struct Usize;

impl SettingType for Usize {
    type Value = usize;
    const EXPECTED: &'static str = "a whole number such as 1000";
    fn read(input: SettingInput<'_>) -> Result<usize, String> {
        match input.number() {
            Some(n) if n >= 0.0 && n.fract() == 0.0 && n < 9e15 => Ok(n as usize),
            _ => Err(expected::<Self>()),
        }
    }
    fn to_toml(value: &usize) -> Option<String> {
        Some(value.to_string())
    }
}

/// A whole number of 32 bits.
pub(in crate::config) struct U32;

impl SettingType for U32 {
    type Value = u32;
    const EXPECTED: &'static str = "a whole number";
    fn read(input: SettingInput<'_>) -> Result<u32, String> {
        u32::try_from(Usize::read(input)?).map_err(|_| expected::<Self>())
    }
    fn to_toml(value: &u32) -> Option<String> {
        Some(value.to_string())
    }
}

/// A size: `"64KiB"` or bare bytes.
pub(in crate::config) struct Bytes;

impl SettingType for Bytes {
    type Value = usize;
    const EXPECTED: &'static str =
        "a size such as \"64KiB\", \"1MB\" or bare bytes (65536, without quotes)";
    fn read(input: SettingInput<'_>) -> Result<usize, String> {
        if let Ok(bytes) = Usize::read(input) {
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

/// Longest time; much longer ones overflow the clock that they are added to.
const TIME_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A time: `"10s"` or bare seconds.
pub(in crate::config) struct Time;

impl SettingType for Time {
    type Value = Duration;
    const EXPECTED: &'static str =
        "a time such as \"10s\", \"1m 30s\", \"200ms\" or bare seconds (10, without quotes)";
    fn read(input: SettingInput<'_>) -> Result<Duration, String> {
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

/// True or false.
pub(in crate::config) struct Bool;

impl SettingType for Bool {
    type Value = bool;
    const EXPECTED: &'static str = "true or false";
    fn read(input: SettingInput<'_>) -> Result<bool, String> {
        input.boolean().ok_or_else(expected::<Self>)
    }
    fn to_toml(value: &bool) -> Option<String> {
        Some(value.to_string())
    }
}

/// A text that may be shown, the empty one too.
pub(in crate::config) struct Text;

impl SettingType for Text {
    type Value = String;
    const EXPECTED: &'static str = "a text in quotes";
    fn read(input: SettingInput<'_>) -> Result<String, String> {
        input
            .text()
            .map(str::to_string)
            .ok_or_else(expected::<Self>)
    }
    fn to_toml(value: &String) -> Option<String> {
        Some(quoted(value))
    }
}

/// A key, which is never shown.
pub(in crate::config) struct Key;

impl SettingType for Key {
    type Value = Secret;
    const EXPECTED: &'static str = "a key in quotes, not empty";
    fn read(input: SettingInput<'_>) -> Result<Secret, String> {
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
pub(in crate::config) struct FilePath;

impl SettingType for FilePath {
    type Value = PathBuf;
    const EXPECTED: &'static str = "a path in quotes";
    fn read(input: SettingInput<'_>) -> Result<PathBuf, String> {
        match input.text() {
            Some(text) if !text.is_empty() => Ok(PathBuf::from(text)),
            _ => Err(expected::<Self>()),
        }
    }
    fn to_toml(value: &PathBuf) -> Option<String> {
        Some(quoted(&value.display().to_string()))
    }
}

/// What `slow.policy` may say: a [`SlowPolicy`] by its name.
pub(in crate::config) struct SlowPolicyName;

impl SettingType for SlowPolicyName {
    type Value = SlowPolicy;
    const EXPECTED: &'static str = "\"disconnect\", \"drop_oldest\" or \"latest\"";
    fn read(input: SettingInput<'_>) -> Result<SlowPolicy, String> {
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

/// What `keep` of a channel's window may say: a [`Keep`].
pub(in crate::config) struct KeepRule;

impl SettingType for KeepRule {
    type Value = Keep;
    const EXPECTED: &'static str = "\"all\", \"newest\" or \"newest_by:TAG\"";
    fn read(input: SettingInput<'_>) -> Result<Keep, String> {
        match input.text() {
            Some("all") => Ok(Keep::All),
            Some("newest") => Ok(Keep::Newest),
            Some(text) => match text.strip_prefix("newest_by:") {
                Some(tag) if !tag.is_empty() => Ok(Keep::NewestBy(tag.to_string())),
                _ => Err(expected::<Self>()),
            },
            None => Err(expected::<Self>()),
        }
    }
    fn to_toml(value: &Keep) -> Option<String> {
        Some(match value {
            Keep::All => quoted("all"),
            Keep::Newest => quoted("newest"),
            Keep::NewestBy(tag) => quoted(&format!("newest_by:{tag}")),
        })
    }
}

/// What `state.sync` may say: a [`SyncPolicy`] by its name or its period.
pub(in crate::config) struct SyncPolicyName;

impl SettingType for SyncPolicyName {
    type Value = SyncPolicy;
    const EXPECTED: &'static str = "a time such as \"1s\", or \"always\" or \"never\"";
    fn read(input: SettingInput<'_>) -> Result<SyncPolicy, String> {
        match input.text() {
            Some("always") => Ok(SyncPolicy::Always),
            Some("never") => Ok(SyncPolicy::Never),
            _ => match Time::read(input) {
                Ok(time) => Ok(SyncPolicy::Every(time)),
                Err(_) => Err(expected::<Self>()),
            },
        }
    }
    fn to_toml(value: &SyncPolicy) -> Option<String> {
        match value {
            SyncPolicy::Always => Some(quoted("always")),
            SyncPolicy::Never => Some(quoted("never")),
            SyncPolicy::Every(time) => Time::to_toml(time),
        }
    }
}

/// What `log.format` may say: a [`LogFormat`] by its name.
pub(in crate::config) struct LogFormatName;

impl SettingType for LogFormatName {
    type Value = LogFormat;
    const EXPECTED: &'static str = "\"text\" or \"json\"";
    fn read(input: SettingInput<'_>) -> Result<LogFormat, String> {
        match input.text() {
            Some("text") => Ok(LogFormat::Text),
            Some("json") => Ok(LogFormat::Json),
            _ => Err(expected::<Self>()),
        }
    }
    fn to_toml(value: &LogFormat) -> Option<String> {
        Some(quoted(match value {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }))
    }
}

/// A setting that may be left out, and has no value then.
pub(in crate::config) struct Optional<T>(PhantomData<T>);

impl<T: SettingType> SettingType for Optional<T> {
    type Value = Option<T::Value>;
    const EXPECTED: &'static str = T::EXPECTED;
    fn read(input: SettingInput<'_>) -> Result<Self::Value, String> {
        T::read(input).map(Some)
    }
    fn to_toml(value: &Self::Value) -> Option<String> {
        value.as_ref().and_then(T::to_toml)
    }
}
