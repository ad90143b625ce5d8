//! Sessions: the actors at the ends of connections.
//!
//! Each owns the state of one client. None writes to a socket itself: it pushes into its outbox. [`raw`] speaks plain
//! WebSocket, [`client`] the Centrifuge protocol over any transport; [`attendance`] and [`resume`] are what they share.

pub mod attendance;
pub mod client;
pub mod endpoint;
pub mod handshake;
pub mod opening;
pub mod pull;
pub mod raw;
pub mod resume;
