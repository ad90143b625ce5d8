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
        command::{Command, ConnectRequest, EmulationRequest, Request},
        error::Malformed,
        payload::Data,
    },
    object::{Object, data, json_objects, nullable},
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

/// The fields of a connect request that stands alone; `null` has none.
pub(in super::super) fn connect_request(bytes: &[u8]) -> Result<ConnectRequest, Malformed> {
    let request: Option<Object<ConnectRequest>> =
        serde_json::from_slice(bytes).map_err(|error| fault(&error))?;
    Ok(request.map(|Object(request)| request).unwrap_or_default())
}

/// Exactly one object.
fn object<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Malformed> {
    let Object(value) = serde_json::from_slice(bytes).map_err(|error| fault(&error))?;
    Ok(value)
}

pub(in super::super) fn emulation(bytes: &[u8]) -> Result<EmulationRequest, Malformed> {
    let wire: EmulationBody = object(bytes)?;
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

/// What stands in the object of a command: its id, or a method.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum CommandField {
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
        struct CommandVisitor;

        impl<'de> Visitor<'de> for CommandVisitor {
            type Value = CommandShape;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a command")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CommandShape, A::Error> {
                let mut shape = CommandShape::default();
                while let Some(key) = map.next_key::<CommandField>()? {
                    match key {
                        CommandField::Id if shape.id.is_some() => {
                            return Err(A::Error::duplicate_field("id"));
                        }
                        CommandField::Id => shape.id = map.next_value()?,
                        CommandField::Unknown => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        method => {
                            if let Some(request) = request(method, &mut map)? {
                                shape.ambiguous |= shape.request.replace(request).is_some();
                            }
                        }
                    }
                }
                Ok(shape)
            }
        }

        from.deserialize_map(CommandVisitor)
    }
}

json_objects! {
    /// The fields of unsubscribe, presence and presence_stats.
    Channel {
        channel: String as "nullable",
    }

    Publish {
        channel: String as "nullable",
        data: Data as "data",
        r#type: i32 as "nullable",
    }

    Rpc {
        method: String as "nullable",
        data: Data as "data",
    }

    Send {
        data: Data as "data",
    }

    Refresh {
        token: String as "nullable",
    }

    SubRefresh {
        channel: String as "nullable",
        token: String as "nullable",
        r#type: i32 as "nullable",
    }

    Nothing {}

    EmulationBody {
        session: String as "nullable",
        node: String as "nullable",
        data: String as "nullable",
    }
}

/// The request of a method; none where it is `null`, which is as absent.
fn request<'de, A: MapAccess<'de>>(
    method: CommandField,
    map: &mut A,
) -> Result<Option<Request>, A::Error> {
    match method {
        CommandField::Connect => fields(map, Request::Connect),
        CommandField::Subscribe => fields(map, Request::Subscribe),
        CommandField::History => fields(map, Request::History),
        CommandField::Unsubscribe => {
            fields(map, |Channel { channel }| Request::Unsubscribe { channel })
        }
        CommandField::Presence => fields(map, |Channel { channel }| Request::Presence { channel }),
        CommandField::PresenceStats => fields(map, |Channel { channel }| Request::PresenceStats {
            channel,
        }),
        CommandField::Publish => fields(map, |it: Publish| match it.r#type {
            0 => Request::Publish {
                channel: it.channel,
                data: it.data,
            },
            _ => Request::Unavailable,
        }),
        CommandField::Ping => fields(map, |Nothing {}| Request::Unavailable),
        CommandField::Send => fields(map, |Send { data }| Request::Send { data }),
        CommandField::Rpc => fields(map, |Rpc { method, data }| Request::Rpc { method, data }),
        CommandField::Refresh => fields(map, |Refresh { token }| Request::Refresh { token }),
        CommandField::SubRefresh => fields(map, |it: SubRefresh| match it.r#type {
            0 => Request::SubRefresh {
                channel: it.channel,
                token: it.token,
            },
            _ => Request::Unavailable,
        }),
        CommandField::Id | CommandField::Unknown => Ok(None),
    }
}

fn fields<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    map: &mut A,
    request: impl FnOnce(T) -> Request,
) -> Result<Option<Request>, A::Error> {
    let object: Option<Object<T>> = map.next_value()?;
    Ok(object.map(|Object(fields)| request(fields)))
}
