//! Messages in Protobuf (package `centrifugal.centrifuge.protocol`, proto3): written by hand, read
//! through prost's derive, so that building needs no `protoc`. Zero values are never written; the
//! order of fields has no meaning.

pub(super) mod decode;
pub(super) mod encode;
mod messages;
