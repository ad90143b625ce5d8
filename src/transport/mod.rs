//! Accepting: from a bound address to a connection's socket in the hands of its session.
//!
//! Knows nothing of channels, endpoints or settings' files. [`listener`] binds or takes what is
//! [`inherited`], [`accept`] accepts, on each by an `async_listener`, [`distributor`] gives each
//! connection to a [`worker`], [`pending`] bounds those that are not sessions, [`tls`] has the
//! certificate, [`http_stream`] carries HTTP, [`misread`] says why a request cannot be read,
//! [`requests`] is its service, [`handover`] takes the socket out of HTTP, [`address`] says whose
//! it is.

pub(crate) mod accept;
pub mod address;
mod async_listener;
pub mod bind_error;
pub(crate) mod distributor;
pub mod handover;
mod head_bound;
mod hello;
pub mod http_stream;
pub mod inherited;
pub mod listener;
mod misread;
pub(crate) mod pending;
mod request_line;
pub(crate) mod request_turn;
pub(crate) mod requests;
pub(crate) mod socket_options;
pub mod tls;
pub(crate) mod worker;
