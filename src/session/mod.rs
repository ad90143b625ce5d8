//! Sessions: the actors at the ends of connections.
//!
//! Each owns the state of one client. None writes to a socket itself: it pushes into its connection's outbox. [`raw`]
//! speaks plain WebSocket, [`stream`] the same by streamed answers and long polls, [`centrifuge`] the Centrifuge protocol
//! over any transport; [`presence`], [`context`] and [`channel_request`] are what they share.

pub mod centrifuge;
pub mod channel_request;
pub mod connect_info;
pub mod context;
pub mod handshake;
pub mod presence;
pub mod raw;
pub mod stream;
