//! Why a server has no listener: an address that cannot be bound, or a socket that was inherited
//! and is none of `listen`. Ends the process at its start.

use std::io;

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Something listens there already.
    #[error(
        "cannot listen on {0}: the address is in use. Another fanfare or another program \
         runs there; stop it, or choose another address with --listen HOST:PORT"
    )]
    InUse(String),
    /// Any other reason.
    #[error("cannot listen on {listen}: {source}")]
    Io {
        /// The entry of `listen`.
        listen: String,
        /// What the system says.
        source: io::Error,
    },
    /// Something was inherited that is no listening socket.
    #[error(
        "descriptor {descriptor} was inherited (LISTEN_FDS) and is no listening TCP or unix \
         socket: {what}"
    )]
    NoListener {
        /// The number by which it was inherited.
        descriptor: i32,
        /// What is wrong with it.
        what: String,
    },
    /// A socket was inherited that no entry of `listen` asks for.
    #[error(
        "the socket {address} was inherited (LISTEN_FDS, descriptor {descriptor}), and no entry of \
         listen is this address; add it to listen, or take it away from whoever starts fanfare \
         (ListenStream= of a systemd socket unit)"
    )]
    Unmatched {
        /// The number by which it was inherited.
        descriptor: i32,
        /// Where it listens.
        address: String,
    },
}
