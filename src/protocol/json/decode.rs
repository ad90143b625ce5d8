//! Commands from JSON: one object after the other, strict in types; unknown fields are skipped.
//!
//! `data` is found as the text that came (`RawValue`) and copied once. Skipping what is unknown
//! does not recurse, and the rest of the shape is a few levels deep. A serde error may quote its
//! input, therefore faults are told by their class only.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};
use serde_json::error::Category;

use super::{
    super::{
        command::{
            Command, ConnectRequest, EmulationRequest, HistoryRequest, Request, SubscribeRequest,
        },
        error::Malformed,
        payload::Data,
    },
    object::{Object, data},
};

/// The command that `rest` begins with and how many bytes it took; `None` if there is only
/// whitespace.
pub(in super::super) fn next_command(rest: &[u8]) -> Result<Option<(Command, usize)>, Malformed> {
    let mut stream = serde_json::Deserializer::from_slice(rest).into_iter::<CommandShape>();
    let Some(shape) = stream.next() else {
        return Ok(None);
    };
    let command = shape.map_err(|error| fault(&error))?.into_command()?;
    Ok(Some((command, stream.byte_offset())))
}

/// The fields of a connect request that stands alone.
pub(in super::super) fn connect_request(bytes: &[u8]) -> Result<ConnectRequest, Malformed> {
    object(bytes)
}

/// Exactly one object.
fn object<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Malformed> {
    let Object(value) = serde_json::from_slice(bytes).map_err(|error| fault(&error))?;
    Ok(value)
}

pub(in super::super) fn emulation(bytes: &[u8]) -> Result<EmulationRequest, Malformed> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct EmulationShape {
        session: String,
        node: String,
        data: String,
    }
    let wire: EmulationShape = object(bytes)?;
    Ok(EmulationRequest {
        session: wire.session,
        node: wire.node,
        data: Bytes::from(wire.data),
    })
}

fn fault(error: &serde_json::Error) -> Malformed {
    Malformed(match error.classify() {
        Category::Eof => "JSON that ends too early",
        Category::Data => "a field of a wrong type or range, given twice, or nested too deeply",
        Category::Syntax | Category::Io => "not valid JSON",
    })
}

/// The object of one command.
#[derive(Default)]
struct CommandShape {
    id: Option<u32>,
    request: Option<Request>,
    /// There was more than one method.
    ambiguous: bool,
}

impl CommandShape {
    fn into_command(self) -> Result<Command, Malformed> {
        if self.ambiguous {
            return Err(Malformed::AMBIGUOUS);
        }
        Command::new(self.id.unwrap_or(0), self.request)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Id,
    Connect,
    Subscribe,
    Unsubscribe,
    Publish,
    Presence,
    PresenceStats,
    History,
    Ping,
    Send,
    Rpc,
    Refresh,
    SubRefresh,
    #[serde(other)]
    Unknown,
}

impl<'de> Deserialize<'de> for CommandShape {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Methods;

        impl<'de> Visitor<'de> for Methods {
            type Value = CommandShape;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a command")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CommandShape, A::Error> {
                let mut shape = CommandShape::default();
                while let Some(key) = map.next_key::<Key>()? {
                    match key {
                        Key::Id if shape.id.is_some() => {
                            return Err(A::Error::duplicate_field("id"));
                        }
                        Key::Id => shape.id = Some(map.next_value()?),
                        Key::Unknown => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        method => {
                            shape.ambiguous |= shape.request.is_some();
                            shape.request = request(method, &mut map)?;
                        }
                    }
                }
                Ok(shape)
            }
        }

        from.deserialize_map(Methods)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Channel {
    channel: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Publish {
    channel: String,
    #[serde(deserialize_with = "data")]
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rpc {
    method: String,
    #[serde(deserialize_with = "data")]
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Send {
    #[serde(deserialize_with = "data")]
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refresh {
    token: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SubRefresh {
    channel: String,
    token: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Nothing {}

fn request<'de, A: MapAccess<'de>>(method: Key, map: &mut A) -> Result<Option<Request>, A::Error> {
    Ok(Some(match method {
        Key::Connect => Request::Connect(fields::<ConnectRequest, A>(map)?),
        Key::Subscribe => Request::Subscribe(fields::<SubscribeRequest, A>(map)?),
        Key::History => Request::History(fields::<HistoryRequest, A>(map)?),
        Key::Unsubscribe => {
            let Channel { channel } = fields(map)?;
            Request::Unsubscribe { channel }
        }
        Key::Presence => {
            let Channel { channel } = fields(map)?;
            Request::Presence { channel }
        }
        Key::PresenceStats => {
            let Channel { channel } = fields(map)?;
            Request::PresenceStats { channel }
        }
        Key::Publish => {
            let Publish { channel, data } = fields(map)?;
            Request::Publish { channel, data }
        }
        Key::Ping => {
            let Nothing {} = fields(map)?;
            Request::Ping
        }
        Key::Send => {
            let Send { data } = fields(map)?;
            Request::Send { data }
        }
        Key::Rpc => {
            let Rpc { method, data } = fields(map)?;
            Request::Rpc { method, data }
        }
        Key::Refresh => {
            let Refresh { token } = fields(map)?;
            Request::Refresh { token }
        }
        Key::SubRefresh => {
            let SubRefresh { channel, token } = fields(map)?;
            Request::SubRefresh { channel, token }
        }
        Key::Id | Key::Unknown => return Ok(None),
    }))
}

fn fields<'de, T: Deserialize<'de>, A: MapAccess<'de>>(map: &mut A) -> Result<T, A::Error> {
    map.next_value().map(|Object(value)| value)
}
