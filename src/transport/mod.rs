//! From an accepted socket to a stream of messages and an outbox: everything that touches the wire.
//!
//! Knows nothing of channels, endpoints or settings' files. The modules, from the socket upwards: [`socket`],
//! [`http_stream`] (under HTTP), [`handover`] (from HTTP to WebSocket), [`queue`] and [`outbox`] (writing),
//! [`reader`] (reading), [`listener`] and [`tls`] (accepting), [`address`] (whose connection it is).

pub mod address;
pub mod counted;
pub mod handover;
pub mod http_stream;
pub mod info;
pub mod listener;
pub mod outbox;
pub mod queue;
pub mod reader;
pub mod socket;
pub mod tls;
