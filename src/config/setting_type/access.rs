//! Types of settings for channels and the backend: keys, who may, headers. No fault repeats what may be a key.

use toml::de::DeValue;

use super::{Input, Key, SettingType, Text, TextList, expected, quoted};
use crate::config::values::Secret;

/// Who may do something with a channel; nobody unless said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Anyone with a user.
    pub client: bool,
    /// Anyone without one.
    pub anonymous: bool,
    /// Who is subscribed.
    pub subscriber: bool,
    /// Who brings a subscription token.
    pub token: bool,
    /// Whom the backend lets.
    pub hook: bool,
}

impl Allow {
    fn words(self) -> [(&'static str, bool); 5] {
        [
            ("client", self.client),
            ("anonymous", self.anonymous),
            ("subscriber", self.subscriber),
            ("token", self.token),
            ("hook", self.hook),
        ]
    }
}

/// A list of who may.
pub(in crate::config) struct AllowList;

impl SettingType for AllowList {
    type Value = Allow;
    const EXPECTED: &'static str =
        "a list of \"client\", \"anonymous\", \"subscriber\", \"token\" and \"hook\"";
    fn read(input: Input<'_>) -> Result<Allow, String> {
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

/// One key or several; never shown.
pub(in crate::config) struct KeyOrList;

impl SettingType for KeyOrList {
    type Value = Vec<Secret>;
    const EXPECTED: &'static str = "a key in quotes, not empty, or a list of them";
    fn read(input: Input<'_>) -> Result<Vec<Secret>, String> {
        let keys = match input {
            Input::Toml(DeValue::String(_)) => vec![input],
            _ => input.list().ok_or_else(expected::<Self>)?,
        };
        if matches!(input, Input::Text(_)) && keys.is_empty() {
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

/// One text or a list of them.
pub(in crate::config) struct TextOrList;

impl SettingType for TextOrList {
    type Value = Vec<String>;
    const EXPECTED: &'static str = "a text in quotes or a list of them";
    fn read(input: Input<'_>) -> Result<Vec<String>, String> {
        match input {
            Input::Toml(DeValue::String(text)) => Ok(vec![text.to_string()]),
            _ => TextList::read(input).map_err(|_| expected::<Self>()),
        }
    }
    fn to_toml(value: &Vec<String>) -> Option<String> {
        TextList::to_toml(value)
    }
}

/// Headers of a request; their values may be keys and are never shown.
pub(in crate::config) struct Headers;

impl SettingType for Headers {
    type Value = Vec<(String, Secret)>;
    const EXPECTED: &'static str =
        "headers such as { \"X-Key\" = \"secret\" } or [\"X-Key: secret\"]";
    fn read(input: Input<'_>) -> Result<Self::Value, String> {
        let pairs: Vec<(String, String)> = match input {
            Input::Toml(DeValue::Table(table)) => {
                let pair = |(name, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                    let name: &std::borrow::Cow<'_, str> = name.get_ref();
                    let value = Text::read(Input::Toml(value.get_ref()));
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

/// The rule for names of headers (RFC 9110, section 5.1), without those that belong to the connection, which no setting may
/// set.
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
