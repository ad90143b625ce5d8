//! CommandDecoder from Protobuf: each behind its length, so that a frame is cut before it is read.
//!
//! A length is compared with what is there before anything is taken; prost bounds the nesting of
//! what it skips.

use prost::Message;

use super::{
    super::{
        command::{
            Command, ConnectRequest, EmulationRequest, HistoryRequest, Request, SubscribeRequest,
            WirePosition,
        },
        error::Malformed,
        payload::Data,
    },
    messages,
};

const NOT_A_MESSAGE: Malformed = Malformed("not a Protobuf message of its kind");

/// The command that `rest` begins with and how many bytes it took; `None` at the end.
pub(in super::super) fn next_command(rest: &[u8]) -> Result<Option<(Command, usize)>, Malformed> {
    if rest.is_empty() {
        return Ok(None);
    }
    let mut left = rest;
    let len = prost::decode_length_delimiter(&mut left)
        .map_err(|_| Malformed("a length that is no varint"))?;
    let body = left
        .get(..len)
        .ok_or(Malformed("a length beyond the end of the frame"))?;
    let wire = messages::Command::decode(body).map_err(|_| NOT_A_MESSAGE)?;
    let used = rest.len() - left.len() + len;
    Ok(Some((command(wire)?, used)))
}

pub(in super::super) fn connect_request(bytes: &[u8]) -> Result<ConnectRequest, Malformed> {
    let wire = messages::Connect::decode(bytes).map_err(|_| NOT_A_MESSAGE)?;
    Ok(wire.into())
}

pub(in super::super) fn emulation(bytes: &[u8]) -> Result<EmulationRequest, Malformed> {
    let wire = messages::Emulation::decode(bytes).map_err(|_| NOT_A_MESSAGE)?;
    Ok(EmulationRequest {
        session: wire.session,
        node: wire.node,
        data: wire.data.into(),
    })
}

/// The methods of a command, of which there may be one.
#[derive(Default)]
struct Methods {
    request: Option<Request>,
    ambiguous: bool,
}

impl Methods {
    fn add<T>(&mut self, found: Option<T>, request: impl FnOnce(T) -> Request) {
        if let Some(fields) = found {
            self.ambiguous |= self.request.is_some();
            self.request = Some(request(fields));
        }
    }
}

fn command(wire: messages::Command) -> Result<Command, Malformed> {
    let mut methods = Methods::default();
    methods.add(wire.connect, |it| Request::Connect(it.into()));
    methods.add(wire.subscribe, |it| Request::Subscribe(it.into()));
    methods.add(wire.unsubscribe, |it| Request::Unsubscribe {
        channel: it.channel,
    });
    methods.add(wire.publish, |it| match it.r#type {
        0 => Request::Publish {
            channel: it.channel,
            data: it.data.into(),
        },
        _ => Request::Unavailable,
    });
    methods.add(wire.presence, |it| Request::Presence {
        channel: it.channel,
    });
    methods.add(wire.presence_stats, |it| Request::PresenceStats {
        channel: it.channel,
    });
    methods.add(wire.history, |it| Request::History(it.into()));
    methods.add(wire.ping, |_| Request::Unavailable);
    methods.add(wire.send, |it| Request::Send {
        data: it.data.into(),
    });
    methods.add(wire.rpc, |it| Request::Rpc {
        method: it.method,
        data: it.data.into(),
    });
    methods.add(wire.refresh, |it| Request::Refresh { token: it.token });
    methods.add(wire.sub_refresh, |it| match it.r#type {
        0 => Request::SubRefresh {
            channel: it.channel,
            token: it.token,
        },
        _ => Request::Unavailable,
    });
    if methods.ambiguous {
        return Err(Malformed::AMBIGUOUS);
    }
    Command::new(wire.id, methods.request)
}

impl From<messages::Connect> for ConnectRequest {
    fn from(wire: messages::Connect) -> Self {
        let subs = wire.subs.into_iter();
        Self {
            token: wire.token,
            data: Data::from(wire.data),
            name: wire.name,
            version: wire.version,
            headers: wire.headers,
            subs: subs.map(|(channel, sub)| (channel, sub.into())).collect(),
            flag: wire.flag,
        }
    }
}

impl From<messages::Subscribe> for SubscribeRequest {
    fn from(wire: messages::Subscribe) -> Self {
        Self {
            channel: wire.channel,
            token: wire.token,
            data: Data::from(wire.data),
            recover: wire.recover,
            offset: wire.offset,
            epoch: wire.epoch,
            positioned: wire.positioned,
            recoverable: wire.recoverable,
            join_leave: wire.join_leave,
            delta: wire.delta,
            flag: wire.flag,
            tf: wire.tf.is_some(),
            r#type: wire.r#type,
        }
    }
}

impl From<messages::History> for HistoryRequest {
    fn from(wire: messages::History) -> Self {
        Self {
            channel: wire.channel,
            limit: wire.limit,
            since: wire.since.map(|since| WirePosition {
                offset: since.offset,
                epoch: since.epoch,
            }),
            reverse: wire.reverse,
        }
    }
}
