//! Accepting: from a bound address to a connection's socket in the hands of its session.
//!
//! Knows nothing of channels, endpoints or settings' files. [`listener`] and [`tls`] accept,
//! [`http_stream`] carries HTTP, [`handover`] takes the socket out of HTTP, [`address`] says whose
//! it is.

pub mod address;
pub mod handover;
pub mod http_stream;
pub mod listener;
pub mod tls;
