//! The fields of each hook's `result`, and how they become the answers of [`super::answer`].
//!
//! Pure. One struct a hook, fields as in Centrifugo's proxy; unknown ones are ignored, so that a
//! backend may say more than this version understands. JSON that is for clients is kept as it came,
//! checked once, without the line breaks between its tokens, since the client protocol frames by
//! them.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::{
    answer::{ConnectAnswer, PublishAnswer, RefreshAnswer, SubscribeAnswer},
    envelope::{FromResult, or_default, texts},
};
use crate::{
    protocol::without_newlines,
    subscription::{ServerSubscription, SubscriptionOverrides},
    unix_time::LATEST,
};

/// Any JSON as it came; empty if it is `null` or absent.
#[derive(Default)]
struct AnyJson(Bytes);

impl<'de> Deserialize<'de> for AnyJson {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let Some(raw) = Option::<Box<RawValue>>::deserialize(input)? else {
            return Ok(Self::default());
        };
        Ok(Self(match without_newlines(raw.get().as_bytes()) {
            Cow::Borrowed(_) => Box::<str>::from(raw).into_string().into(),
            Cow::Owned(text) => text.into(),
        }))
    }
}

impl AnyJson {
    /// The bytes of the base64 form where that is given, else the JSON; `None` if the base64 is
    /// none.
    fn or_base64(self, base64: &str) -> Option<Bytes> {
        if base64.is_empty() {
            return Some(self.0);
        }
        STANDARD.decode(base64).ok().map(Bytes::from)
    }
}

/// A time in Unix seconds; 0 stands for never. One that can only be in milliseconds is a fault.
fn time<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    match Option::<u64>::deserialize(input)? {
        Some(at) if at > LATEST => Err(D::Error::custom(
            "a time is beyond the year 9999 in seconds (milliseconds?)",
        )),
        at => Ok(at.filter(|&at| at != 0)),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Flag {
    #[serde(deserialize_with = "or_default")]
    value: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OverridesShape {
    presence: Option<Flag>,
    join_leave: Option<Flag>,
    force_recovery: Option<Flag>,
    force_positioning: Option<Flag>,
    force_push_join_leave: Option<Flag>,
}

fn overrides(shape: Option<OverridesShape>) -> SubscriptionOverrides {
    let shape = shape.unwrap_or_default();
    let value = |flag: Option<Flag>| flag.map(|flag| flag.value);
    SubscriptionOverrides {
        presence: value(shape.presence),
        join_leave: value(shape.join_leave),
        force_recovery: value(shape.force_recovery),
        force_positioning: value(shape.force_positioning),
        force_push_join_leave: value(shape.force_push_join_leave),
    }
}

/// `result` of `connect`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ConnectShape {
    #[serde(deserialize_with = "or_default")]
    user: String,
    #[serde(deserialize_with = "time")]
    expire_at: Option<u64>,
    info: AnyJson,
    #[serde(deserialize_with = "or_default")]
    b64info: String,
    data: AnyJson,
    #[serde(deserialize_with = "or_default")]
    b64data: String,
    #[serde(deserialize_with = "or_default")]
    channels: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    subs: BTreeMap<String, Option<SubShape>>,
    meta: AnyJson,
}

/// `result` of `subscribe`, and an entry of `subs`, where `allow` means nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SubShape {
    #[serde(deserialize_with = "time")]
    expire_at: Option<u64>,
    info: AnyJson,
    #[serde(deserialize_with = "or_default")]
    b64info: String,
    data: AnyJson,
    #[serde(deserialize_with = "or_default")]
    b64data: String,
    r#override: Option<OverridesShape>,
    #[serde(deserialize_with = "or_default")]
    allow: Vec<String>,
}

/// `result` of `refresh` and `sub_refresh`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RefreshShape {
    #[serde(deserialize_with = "or_default")]
    expired: bool,
    #[serde(deserialize_with = "time")]
    expire_at: Option<u64>,
    info: AnyJson,
    #[serde(deserialize_with = "or_default")]
    b64info: String,
    meta: AnyJson,
}

/// `result` of `publish`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PublishShape {
    data: AnyJson,
    #[serde(deserialize_with = "or_default")]
    b64data: String,
    #[serde(deserialize_with = "or_default")]
    skip_history: bool,
    #[serde(deserialize_with = "texts")]
    tags: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    idempotency_key: String,
    #[serde(deserialize_with = "or_default")]
    delta: bool,
    #[serde(deserialize_with = "or_default")]
    version: u64,
    #[serde(deserialize_with = "or_default")]
    version_epoch: String,
}

/// `result` of `rpc`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RpcShape {
    data: AnyJson,
    #[serde(deserialize_with = "or_default")]
    b64data: String,
}

impl FromResult for ConnectAnswer {
    type Shape = ConnectShape;

    fn from_shape(shape: ConnectShape) -> Option<Self> {
        let subs = shape.subs.into_iter().map(|(channel, sub)| {
            let sub = SubscribeAnswer::from_shape(sub.unwrap_or_default())?;
            Some(ServerSubscription {
                expire_at: sub.expire_at,
                info: sub.info,
                data: sub.data,
                overrides: sub.overrides,
                ..ServerSubscription::to(channel)
            })
        });
        Some(Self {
            user: shape.user,
            expire_at: shape.expire_at,
            info: shape.info.or_base64(&shape.b64info)?,
            data: shape.data.or_base64(&shape.b64data)?,
            channels: shape.channels,
            subs: subs.collect::<Option<_>>()?,
            meta: shape.meta.0,
        })
    }
}

impl FromResult for SubscribeAnswer {
    type Shape = SubShape;

    fn from_shape(shape: SubShape) -> Option<Self> {
        Some(Self {
            expire_at: shape.expire_at,
            info: shape.info.or_base64(&shape.b64info)?,
            data: shape.data.or_base64(&shape.b64data)?,
            overrides: overrides(shape.r#override),
            allow: shape.allow,
        })
    }
}

impl FromResult for RefreshAnswer {
    type Shape = RefreshShape;

    fn from_shape(shape: RefreshShape) -> Option<Self> {
        Some(Self {
            expired: shape.expired,
            expire_at: shape.expire_at,
            info: shape.info.or_base64(&shape.b64info)?,
            meta: shape.meta.0,
        })
    }
}

impl FromResult for PublishAnswer {
    type Shape = PublishShape;

    fn from_shape(shape: PublishShape) -> Option<Self> {
        let data = shape.data.or_base64(&shape.b64data)?;
        Some(Self {
            data: (!data.is_empty()).then_some(data),
            skip_history: shape.skip_history,
            tags: shape.tags,
            idempotency_key: shape.idempotency_key,
            delta: shape.delta,
            version: shape.version,
            version_epoch: shape.version_epoch,
        })
    }
}

/// The answer of `rpc` is its data.
impl FromResult for Bytes {
    type Shape = RpcShape;

    fn from_shape(shape: RpcShape) -> Option<Self> {
        shape.data.or_base64(&shape.b64data)
    }
}
