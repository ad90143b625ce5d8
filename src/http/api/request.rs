//! What each method is asked with: the fields of the API's requests, by their names on the wire.
//! Unknown fields are ignored, as Centrifugo ignores them. Plain data; openapi.json describes the
//! same, which a test holds together.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::form::{JsonField, json, nullable, texts};

/// Declares a request; every field may be absent or `null` but for JSON of the caller's own, which
/// is marked `json`.
macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty as $reader:literal,)* })*) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default)]
        pub(super) struct $name {
            $($(#[$field_doc])* #[serde(deserialize_with = $reader)] pub(super) $field: $kind,)*
        })*
    };
}

/// Declares a request that publishes: to whom, and what every such request says of its message.
macro_rules! publications {
    ($($(#[$doc:meta])* $name:ident { $target:ident: $kind:ty })*) => {
        requests! {
            $($(#[$doc])*
            $name {
                $target: $kind as "nullable",
                data: JsonField as "json",
                b64data: String as "nullable",
                skip_history: bool as "nullable",
                tags: BTreeMap<String, String> as "texts",
                idempotency_key: String as "nullable",
                delta: bool as "nullable",
                version: u64 as "nullable",
                version_epoch: String as "nullable",
                exclude: Vec<String> as "nullable",
            })*
        }

        $(impl $name {
            /// To whom, and the message.
            pub(super) fn split(self) -> ($kind, MessageFields) {
                let fields = MessageFields {
                    data: self.data,
                    b64data: self.b64data,
                    skip_history: self.skip_history,
                    tags: self.tags,
                    idempotency_key: self.idempotency_key,
                    delta: self.delta,
                    version: self.version,
                    version_epoch: self.version_epoch,
                    exclude: self.exclude,
                };
                (self.$target, fields)
            }
        })*
    };
}

/// What a request says of the message that it publishes, as it is on the wire.
pub(super) struct MessageFields {
    pub(super) data: JsonField,
    pub(super) b64data: String,
    pub(super) skip_history: bool,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) idempotency_key: String,
    pub(super) delta: bool,
    pub(super) version: u64,
    pub(super) version_epoch: String,
    pub(super) exclude: Vec<String>,
}

publications! {
    /// `publish`.
    Publish { channel: String }

    /// `broadcast`: as `publish`, to several.
    Broadcast { channels: Vec<String> }
}

requests! {
    /// `send`: without a channel.
    Send {
        user: String as "nullable",
        client: String as "nullable",
        all: bool as "nullable",
        data: JsonField as "json",
        b64data: String as "nullable",
    }

    /// `subscribe`.
    Subscribe {
        user: String as "nullable",
        channel: String as "nullable",
        client: String as "nullable",
        session: String as "nullable",
        info: JsonField as "json",
        b64info: String as "nullable",
        data: JsonField as "json",
        b64data: String as "nullable",
        expire_at: i64 as "nullable",
        recover_since: Option<StreamPosition> as "nullable",
        r#override: Override as "nullable",
    }

    /// `unsubscribe`.
    Unsubscribe {
        user: String as "nullable",
        channel: String as "nullable",
        client: String as "nullable",
        session: String as "nullable",
    }

    /// `disconnect`.
    Disconnect {
        user: String as "nullable",
        client: String as "nullable",
        session: String as "nullable",
        whitelist: Vec<String> as "nullable",
        disconnect: CloseWith as "nullable",
    }

    /// `refresh`.
    Refresh {
        user: String as "nullable",
        client: String as "nullable",
        session: String as "nullable",
        expired: bool as "nullable",
        expire_at: i64 as "nullable",
        info: JsonField as "json",
    }

    /// `presence`, `presence_stats` and `history_remove`.
    InChannel {
        channel: String as "nullable",
    }

    /// `history`.
    History {
        channel: String as "nullable",
        limit: i64 as "nullable",
        since: Option<StreamPosition> as "nullable",
        reverse: bool as "nullable",
    }

    /// `channels`.
    Channels {
        pattern: String as "nullable",
    }

    /// `info`.
    Info {}

    /// `connections`.
    Connections {
        user: String as "nullable",
        channel: String as "nullable",
        address: String as "nullable",
        expression: String as "nullable",
        limit: u64 as "nullable",
        after: u64 as "nullable",
    }

    /// `block_user`.
    BlockUser {
        user: String as "nullable",
        expire_at: i64 as "nullable",
    }

    /// `unblock_user`.
    UnblockUser {
        user: String as "nullable",
    }

    /// `revoke_token`.
    RevokeToken {
        uid: String as "nullable",
        expire_at: i64 as "nullable",
    }

    /// `invalidate_user_tokens`.
    InvalidateUserTokens {
        user: String as "nullable",
        issued_before: i64 as "nullable",
        channel: String as "nullable",
        expire_at: i64 as "nullable",
    }

    /// A place in a stream.
    StreamPosition {
        offset: u64 as "nullable",
        epoch: String as "nullable",
    }

    /// How a session is to end.
    CloseWith {
        code: u16 as "nullable",
        reason: String as "nullable",
    }

    /// Rules that one subscription has otherwise.
    Override {
        presence: BoolValue as "nullable",
        join_leave: BoolValue as "nullable",
        force_recovery: BoolValue as "nullable",
        force_positioning: BoolValue as "nullable",
        force_push_join_leave: BoolValue as "nullable",
    }

    /// A value that may be absent.
    BoolValue {
        value: Option<bool> as "nullable",
    }
}
