//! The messages that clients send, with the field numbers of the reference's schema. Unknown fields
//! are skipped.
//!
//! `data` is a vector, not a slice of the frame: a small payload that is kept must not keep the
//! frame.

use std::collections::BTreeMap;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Command {
    #[prost(uint32, tag = "1")]
    pub(crate) id: u32,
    #[prost(message, optional, tag = "4")]
    pub(crate) connect: Option<Connect>,
    #[prost(message, optional, tag = "5")]
    pub(crate) subscribe: Option<Subscribe>,
    #[prost(message, optional, tag = "6")]
    pub(crate) unsubscribe: Option<Channel>,
    #[prost(message, optional, tag = "7")]
    pub(crate) publish: Option<Publish>,
    #[prost(message, optional, tag = "8")]
    pub(crate) presence: Option<Channel>,
    #[prost(message, optional, tag = "9")]
    pub(crate) presence_stats: Option<Channel>,
    #[prost(message, optional, tag = "10")]
    pub history: Option<History>,
    #[prost(message, optional, tag = "11")]
    pub(crate) ping: Option<Ping>,
    #[prost(message, optional, tag = "12")]
    pub(crate) send: Option<Send>,
    #[prost(message, optional, tag = "13")]
    pub(crate) rpc: Option<Rpc>,
    #[prost(message, optional, tag = "14")]
    pub(crate) refresh: Option<Refresh>,
    #[prost(message, optional, tag = "15")]
    pub(crate) sub_refresh: Option<SubRefresh>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Connect {
    #[prost(string, tag = "1")]
    pub token: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) data: Vec<u8>,
    #[prost(btree_map = "string, message", tag = "3")]
    pub(crate) subs: BTreeMap<String, Subscribe>,
    #[prost(string, tag = "4")]
    pub(crate) name: String,
    #[prost(string, tag = "5")]
    pub version: String,
    #[prost(btree_map = "string, string", tag = "6")]
    pub(crate) headers: BTreeMap<String, String>,
    #[prost(int64, tag = "7")]
    pub(crate) flag: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Subscribe {
    #[prost(string, tag = "1")]
    pub(crate) channel: String,
    #[prost(string, tag = "2")]
    pub token: String,
    #[prost(bool, tag = "3")]
    pub(crate) recover: bool,
    #[prost(string, tag = "6")]
    pub(crate) epoch: String,
    #[prost(uint64, tag = "7")]
    pub(crate) offset: u64,
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) data: Vec<u8>,
    #[prost(bool, tag = "9")]
    pub(crate) positioned: bool,
    #[prost(bool, tag = "10")]
    pub(crate) recoverable: bool,
    #[prost(bool, tag = "11")]
    pub(crate) join_leave: bool,
    #[prost(string, tag = "12")]
    pub(crate) delta: String,
    /// Not read further: it is only asked whether there is one.
    #[prost(bytes = "vec", optional, tag = "13")]
    pub(crate) tf: Option<Vec<u8>>,
    #[prost(int64, tag = "14")]
    pub(crate) flag: i64,
    #[prost(int32, tag = "15")]
    pub r#type: i32,
}

/// The fields of unsubscribe, presence and presence_stats.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Channel {
    #[prost(string, tag = "1")]
    pub(crate) channel: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Publish {
    #[prost(string, tag = "1")]
    pub(crate) channel: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) data: Vec<u8>,
    #[prost(int32, tag = "3")]
    pub r#type: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct History {
    #[prost(string, tag = "1")]
    pub(crate) channel: String,
    #[prost(int32, tag = "7")]
    pub(crate) limit: i32,
    #[prost(message, optional, tag = "8")]
    pub(crate) since: Option<Position>,
    #[prost(bool, tag = "9")]
    pub(crate) reverse: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Position {
    #[prost(uint64, tag = "1")]
    pub(crate) offset: u64,
    #[prost(string, tag = "2")]
    pub(crate) epoch: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Ping {}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Send {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Rpc {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) data: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(crate) method: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Refresh {
    #[prost(string, tag = "1")]
    pub token: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SubRefresh {
    #[prost(string, tag = "1")]
    pub(crate) channel: String,
    #[prost(string, tag = "2")]
    pub token: String,
    #[prost(int32, tag = "3")]
    pub r#type: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Emulation {
    #[prost(string, tag = "1")]
    pub(crate) node: String,
    #[prost(string, tag = "2")]
    pub(crate) session: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) data: Vec<u8>,
}
