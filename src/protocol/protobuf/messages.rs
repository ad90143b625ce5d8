//! The messages that clients send, with the field numbers of the reference's schema. Unknown fields
//! are skipped.
//!
//! `data` is a vector, not a slice of the frame: a small payload that is kept must not keep the
//! frame.

use std::collections::BTreeMap;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Command {
    #[prost(uint32, tag = "1")]
    pub id: u32,
    #[prost(message, optional, tag = "4")]
    pub connect: Option<Connect>,
    #[prost(message, optional, tag = "5")]
    pub subscribe: Option<Subscribe>,
    #[prost(message, optional, tag = "6")]
    pub unsubscribe: Option<Channel>,
    #[prost(message, optional, tag = "7")]
    pub publish: Option<Publish>,
    #[prost(message, optional, tag = "8")]
    pub presence: Option<Channel>,
    #[prost(message, optional, tag = "9")]
    pub presence_stats: Option<Channel>,
    #[prost(message, optional, tag = "10")]
    pub history: Option<History>,
    #[prost(message, optional, tag = "11")]
    pub ping: Option<Ping>,
    #[prost(message, optional, tag = "12")]
    pub send: Option<Send>,
    #[prost(message, optional, tag = "13")]
    pub rpc: Option<Rpc>,
    #[prost(message, optional, tag = "14")]
    pub refresh: Option<Refresh>,
    #[prost(message, optional, tag = "15")]
    pub sub_refresh: Option<SubRefresh>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Connect {
    #[prost(string, tag = "1")]
    pub token: String,
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
    #[prost(btree_map = "string, message", tag = "3")]
    pub subs: BTreeMap<String, Subscribe>,
    #[prost(string, tag = "4")]
    pub name: String,
    #[prost(string, tag = "5")]
    pub version: String,
    #[prost(btree_map = "string, string", tag = "6")]
    pub headers: BTreeMap<String, String>,
    #[prost(int64, tag = "7")]
    pub flag: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Subscribe {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(string, tag = "2")]
    pub token: String,
    #[prost(bool, tag = "3")]
    pub recover: bool,
    #[prost(string, tag = "6")]
    pub epoch: String,
    #[prost(uint64, tag = "7")]
    pub offset: u64,
    #[prost(bytes = "vec", tag = "8")]
    pub data: Vec<u8>,
    #[prost(bool, tag = "9")]
    pub positioned: bool,
    #[prost(bool, tag = "10")]
    pub recoverable: bool,
    #[prost(bool, tag = "11")]
    pub join_leave: bool,
    #[prost(string, tag = "12")]
    pub delta: String,
    /// Not read further: it is only asked whether there is one.
    #[prost(bytes = "vec", optional, tag = "13")]
    pub tf: Option<Vec<u8>>,
    #[prost(int64, tag = "14")]
    pub flag: i64,
    #[prost(int32, tag = "15")]
    pub r#type: i32,
}

/// The fields of unsubscribe, presence and presence_stats.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Channel {
    #[prost(string, tag = "1")]
    pub channel: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Publish {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
    #[prost(int32, tag = "3")]
    pub r#type: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct History {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(int32, tag = "7")]
    pub limit: i32,
    #[prost(message, optional, tag = "8")]
    pub since: Option<Position>,
    #[prost(bool, tag = "9")]
    pub reverse: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Position {
    #[prost(uint64, tag = "1")]
    pub offset: u64,
    #[prost(string, tag = "2")]
    pub epoch: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Ping {}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Send {
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Rpc {
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
    #[prost(string, tag = "2")]
    pub method: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Refresh {
    #[prost(string, tag = "1")]
    pub token: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SubRefresh {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(string, tag = "2")]
    pub token: String,
    #[prost(int32, tag = "3")]
    pub r#type: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Emulation {
    #[prost(string, tag = "1")]
    pub node: String,
    #[prost(string, tag = "2")]
    pub session: String,
    #[prost(bytes = "vec", tag = "3")]
    pub data: Vec<u8>,
}
