//! The codec by itself, under fanfare's name. It needs nothing else of the server (a `crate::` in it
//! does not compile here), and building all of the server for a fuzzer takes nine minutes.

#[path = "../src/codec/mod.rs"]
pub mod codec;
