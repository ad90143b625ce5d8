//! The codec, and the segments of the state on disk, by themselves, under fanfare's name. They need
//! nothing else of the server (a `crate::` in them does not compile here), and building all of the
//! server for a fuzzer takes nine minutes.

#[path = "../src/codec/mod.rs"]
pub mod codec;

#[path = "../src/state/segment.rs"]
pub mod segment;
