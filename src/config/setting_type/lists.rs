//! Settings of several values: texts, keys, addresses, who may.

use toml::de::DeValue;

use super::{Key, SettingInput, SettingType, Text, expected, quoted};
use crate::config::{
    channels::Allow,
    values::{Listen, Secret, TrustedProxies},
};

/// A list of texts.
pub(in crate::config) struct TextList;

impl SettingType for TextList {
    type Value = Vec<String>;
    const EXPECTED: &'static str = "a list of texts such as [\"a\", \"b\"]";
    fn read(input: SettingInput<'_>) -> Result<Vec<String>, String> {
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

/// One text or a list of them.
pub(in crate::config) struct TextOrList;

impl SettingType for TextOrList {
    type Value = Vec<String>;
    const EXPECTED: &'static str = "a text in quotes or a list of them";
    fn read(input: SettingInput<'_>) -> Result<Vec<String>, String> {
        match input {
            SettingInput::Toml(DeValue::String(text)) => Ok(vec![text.to_string()]),
            _ => TextList::read(input).map_err(|_| expected::<Self>()),
        }
    }
    fn to_toml(value: &Vec<String>) -> Option<String> {
        TextList::to_toml(value)
    }
}

/// One key or a list of them; never shown.
pub(in crate::config) struct KeyOrList;

impl SettingType for KeyOrList {
    type Value = Vec<Secret>;
    const EXPECTED: &'static str = "a key in quotes, not empty, or a list of them";
    fn read(input: SettingInput<'_>) -> Result<Vec<Secret>, String> {
        let keys = match input {
            SettingInput::Toml(DeValue::String(_)) => vec![input],
            _ => input.list().ok_or_else(expected::<Self>)?,
        };
        if matches!(input, SettingInput::Text(_)) && keys.is_empty() {
            return Err(expected::<Self>());
        }
        keys.into_iter()
            .map(|key| Key::read(key).map_err(|_| expected::<Self>()))
            .collect()
    }
    fn to_toml(_: &Vec<Secret>) -> Option<String> {
        None
    }
}

/// Who may do one thing in a channel: a list of words.
pub(in crate::config) struct AllowList;

impl SettingType for AllowList {
    type Value = Allow;
    const EXPECTED: &'static str =
        "a list of \"client\", \"anonymous\", \"subscriber\", \"token\" and \"hook\"";
    fn read(input: SettingInput<'_>) -> Result<Allow, String> {
        let mut allow = Allow::default();
        for word in TextList::read(input).map_err(|_| expected::<Self>())? {
            let place = match word.as_str() {
                "client" => &mut allow.client,
                "anonymous" => &mut allow.anonymous,
                "subscriber" => &mut allow.subscriber,
                "token" => &mut allow.token,
                "hook" => &mut allow.hook,
                _ => return Err(format!("{word:?} is unknown; {}", expected::<Self>())),
            };
            *place = true;
        }
        Ok(allow)
    }
    fn to_toml(value: &Allow) -> Option<String> {
        let words = value.words().into_iter().filter(|(_, is_in)| *is_in);
        TextList::to_toml(&words.map(|(word, _)| word.to_string()).collect())
    }
}

/// Addresses to listen at, one at least.
pub(in crate::config) struct ListenAddresses;

impl SettingType for ListenAddresses {
    type Value = Vec<Listen>;
    const EXPECTED: &'static str = "a list of \"host:port\", \"tls:host:port\" and \"unix:/path\", \
                                    such as [\"127.0.0.1:8080\"]";
    fn read(input: SettingInput<'_>) -> Result<Vec<Listen>, String> {
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
pub(in crate::config) struct ProxyList;

impl SettingType for ProxyList {
    type Value = TrustedProxies;
    const EXPECTED: &'static str =
        "a list of addresses, networks and \"unix\", such as [\"127.0.0.1\", \"10.0.0.0/8\"]";
    fn read(input: SettingInput<'_>) -> Result<TrustedProxies, String> {
        let texts = TextList::read(input).map_err(|_| expected::<Self>())?;
        texts.join(",").parse()
    }
    fn to_toml(value: &TrustedProxies) -> Option<String> {
        TextList::to_toml(&value.entries())
    }
}
