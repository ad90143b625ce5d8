//! Sessions: the actors at the ends of connections.
//!
//! Each owns the state of one client. None writes to a socket itself: it pushes into its outbox. [`raw`] speaks plain
//! WebSocket, [`plain`] the same by streamed answers and long polls, [`client`] the Centrifuge protocol over any transport;
//! [`attendance`], [`standing`] and [`resume`] are what they share.

pub mod attendance;
pub mod client;
pub mod endpoint;
pub mod feed;
pub mod handshake;
pub mod message;
pub mod opening;
pub mod plain;
pub mod pull;
pub mod raw;
pub mod resume;
pub mod standing;
