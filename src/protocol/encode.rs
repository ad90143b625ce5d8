//! Every message of the server, described once: which field has which name (JSON) and which number
//! (Protobuf), and in what order.
//!
//! Generic over who writes, and so compiled into two straight encoders that build nothing in
//! between. It must not know how either looks.

use super::{
    error::ReplyError,
    payload::{Data, PayloadRef},
    reply::{ClientInfo, ConnectResult, Pub, Push, Reply, SubscribeResult},
    tags::Tags,
};

/// A field's name and number.
pub(super) type Field = (&'static str, u32);

/// Writes the fields of one message. Zero values are left out except where a method says otherwise.
pub(super) trait MessageEncoder {
    fn text(&mut self, field: Field, value: &str);
    /// JSON has it even when empty.
    fn text_always(&mut self, field: Field, value: &str);
    fn number(&mut self, field: Field, value: u64);
    /// JSON has it even when 0.
    fn number_always(&mut self, field: Field, value: u64);
    fn flag(&mut self, field: Field, value: bool);
    /// Bytes of unknown form: JSON as it stands, anything else a base64 string.
    fn data(&mut self, field: Field, value: &Data);
    fn payload(&mut self, field: Field, value: PayloadRef<'_>);
    /// A message in a message, also when empty.
    fn message(&mut self, field: Field, fill: impl FnOnce(&mut Self));
    /// JSON has it even when empty.
    fn list_always<T>(&mut self, field: Field, items: &[T], fill: impl FnMut(&mut Self, &T));
    fn texts(&mut self, field: Field, tags: &Tags);
    /// JSON has it even when empty.
    fn map_always<T>(
        &mut self,
        field: Field,
        entries: &[(String, T)],
        fill: impl FnMut(&mut Self, &T),
    );
}

pub(super) fn reply(to: &mut impl MessageEncoder, id: u32, reply: &Reply<'_>) {
    to.number(("id", 1), id.into());
    match reply {
        Reply::Error(error) => to.message(("error", 2), |to| reply_error(to, error)),
        Reply::Connect(result) => to.message(("connect", 5), |to| {
            connect(to, result, &CONNECT_RESULT);
        }),
        Reply::Subscribe(result) => to.message(("subscribe", 6), |to| subscribe(to, result)),
        Reply::Unsubscribe => to.message(("unsubscribe", 7), |_| {}),
        Reply::Publish => to.message(("publish", 8), |_| {}),
        Reply::Presence(present) => to.message(("presence", 9), |to| {
            to.map_always(("presence", 1), present, client_info);
        }),
        &Reply::PresenceStats {
            num_clients,
            num_users,
        } => to.message(("presence_stats", 10), |to| {
            to.number_always(("num_clients", 1), num_clients.into());
            to.number_always(("num_users", 2), num_users.into());
        }),
        Reply::History {
            publications,
            epoch,
            offset,
        } => to.message(("history", 11), |to| {
            to.list_always(("publications", 1), publications, publication);
            to.text_always(("epoch", 2), epoch);
            to.number_always(("offset", 3), *offset);
        }),
        Reply::Rpc { data } => to.message(("rpc", 13), |to| to.data(("data", 1), data)),
        Reply::Refresh {
            client,
            version,
            expires,
            ttl,
        } => to.message(("refresh", 14), |to| {
            to.text(("client", 1), client);
            to.text(("version", 2), version);
            to.flag(("expires", 3), *expires);
            to.number(("ttl", 4), (*ttl).into());
        }),
        &Reply::SubRefresh { expires, ttl } => to.message(("sub_refresh", 15), |to| {
            expiry(to, expires, ttl);
        }),
    }
}

pub(super) fn push(
    to: &mut impl MessageEncoder,
    unidirectional: bool,
    channel: &str,
    push: &Push<'_>,
) {
    if unidirectional {
        push_fields(to, channel, push);
    } else {
        to.message(("push", 4), |to| push_fields(to, channel, push));
    }
}

fn push_fields(to: &mut impl MessageEncoder, channel: &str, push: &Push<'_>) {
    to.text(("channel", 2), channel);
    match push {
        Push::Pub(shown) => to.message(("pub", 4), |to| publication(to, shown)),
        Push::Join(info) => to.message(("join", 5), |to| about(to, info)),
        Push::Leave(info) => to.message(("leave", 6), |to| about(to, info)),
        &Push::Unsubscribe { code, reason } => to.message(("unsubscribe", 7), |to| {
            to.number(("code", 2), code.into());
            to.text(("reason", 3), reason);
        }),
        Push::Message { data } => to.message(("message", 8), |to| to.payload(("data", 1), *data)),
        Push::Subscribe {
            recoverable,
            epoch,
            offset,
            positioned,
            data,
        } => to.message(("subscribe", 9), |to| {
            to.flag(("recoverable", 1), *recoverable);
            to.text(("epoch", 4), epoch);
            to.number(("offset", 5), *offset);
            to.flag(("positioned", 6), *positioned);
            to.data(("data", 7), data);
        }),
        Push::Connect(result) => to.message(("connect", 10), |to| {
            connect(to, result, &CONNECT_PUSH);
        }),
        &Push::Disconnect { code, reason } => to.message(("disconnect", 11), |to| {
            to.number(("code", 1), code.into());
            to.text(("reason", 2), reason);
        }),
        &Push::Refresh { expires, ttl } => {
            to.message(("refresh", 12), |to| expiry(to, expires, ttl));
        }
    }
}

fn reply_error(to: &mut impl MessageEncoder, error: &ReplyError) {
    to.number_always(("code", 1), error.code.into());
    to.text_always(("message", 2), &error.message);
    to.flag(("temporary", 3), error.temporary);
}

fn publication(to: &mut impl MessageEncoder, shown: &Pub<'_>) {
    to.payload(("data", 4), shown.data);
    if let Some(info) = shown.info {
        to.message(("info", 5), |to| client_info(to, info));
    }
    to.number(("offset", 6), shown.offset);
    if let Some(tags) = shown.tags {
        to.texts(("tags", 7), tags);
    }
    to.flag(("delta", 8), shown.delta);
    to.number(("time", 9), unix_ms(shown.time));
    to.text(("channel", 10), shown.channel);
}

/// What a publication says of who published it, for forms that say the rest in their own way.
pub(super) fn publisher(
    to: &mut impl MessageEncoder,
    info: Option<&ClientInfo>,
    tags: Option<&Tags>,
) {
    if let Some(info) = info {
        to.message(("info", 5), |to| client_info(to, info));
    }
    if let Some(tags) = tags {
        to.texts(("tags", 7), tags);
    }
}

fn client_info(to: &mut impl MessageEncoder, info: &ClientInfo) {
    to.text_always(("user", 1), &info.user);
    to.text_always(("client", 2), &info.client);
    to.data(("conn_info", 3), &info.conn_info);
    to.data(("chan_info", 4), &info.chan_info);
}

fn about(to: &mut impl MessageEncoder, info: &ClientInfo) {
    to.message(("info", 1), |to| client_info(to, info));
}

fn subscribe(to: &mut impl MessageEncoder, result: &SubscribeResult<'_>) {
    expiry(to, result.expires, result.ttl);
    to.flag(("recoverable", 3), result.recoverable);
    to.text(("epoch", 6), result.epoch);
    if !result.publications.is_empty() {
        to.list_always(("publications", 7), &result.publications, publication);
    }
    to.flag(("recovered", 8), result.recovered);
    to.number(("offset", 9), result.offset);
    to.flag(("positioned", 10), result.positioned);
    to.data(("data", 11), &result.data);
    to.flag(("was_recovering", 12), result.was_recovering);
    to.flag(("delta", 13), result.delta);
}

/// The same fields have other numbers in a reply and in a push.
struct ConnectNumbers {
    data: u32,
    subs: u32,
    expires: u32,
    ttl: u32,
}

const CONNECT_RESULT: ConnectNumbers = ConnectNumbers {
    expires: 3,
    ttl: 4,
    data: 5,
    subs: 6,
};

const CONNECT_PUSH: ConnectNumbers = ConnectNumbers {
    data: 3,
    subs: 4,
    expires: 5,
    ttl: 6,
};

fn connect(to: &mut impl MessageEncoder, result: &ConnectResult<'_>, numbers: &ConnectNumbers) {
    to.text_always(("client", 1), &result.client);
    to.text(("version", 2), &result.version);
    to.flag(("expires", numbers.expires), result.expires);
    to.number(("ttl", numbers.ttl), result.ttl.into());
    to.data(("data", numbers.data), &result.data);
    if !result.subs.is_empty() {
        to.map_always(("subs", numbers.subs), &result.subs, subscribe);
    }
    to.number(("ping", 7), result.ping.into());
    to.flag(("pong", 8), result.pong);
    to.text(("session", 9), &result.session);
    to.text(("node", 10), &result.node);
    to.number(("time", 11), unix_ms(result.time));
}

fn expiry(to: &mut impl MessageEncoder, expires: bool, ttl: u32) {
    to.flag(("expires", 1), expires);
    to.number(("ttl", 2), ttl.into());
}

/// Times before 1970 are left out.
fn unix_ms(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}
