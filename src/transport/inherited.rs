//! Listening sockets that this process was started with, by systemd's protocol: descriptors from 3
//! on, `LISTEN_FDS` of them, for the process `LISTEN_PID`.
//!
//! Whoever holds them beside this process may give them to another one later, so they are never
//! shut down and the path of a unix socket is never removed; see `docs/decisions/0004`. The one
//! exception is a socket that a process of ours bound and handed on: with it went the right to end
//! it.

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::Path,
};

use listenfd::ListenFd;
use socket2::SockRef;

use super::bind_error::BindError;

/// The first descriptor of systemd's protocol.
pub(crate) const FIRST_DESCRIPTOR: i32 = 3;

/// The sockets that no entry of `listen` has taken yet.
#[derive(Debug, Default)]
pub(crate) struct InheritedSockets {
    sockets: Vec<InheritedSocket>,
    /// The first descriptor that is no listening socket.
    fault: Option<BindError>,
}

#[derive(Debug)]
struct InheritedSocket {
    descriptor: i32,
    socket: ListeningSocket,
    /// Nobody else holds it.
    is_own: bool,
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener),
}

/// A listening socket, and whose it is.
pub(super) struct TakenSocket<T> {
    pub(super) socket: T,
    /// No other process holds it.
    pub(super) is_own: bool,
}

impl InheritedSockets {
    /// The sockets that this process was started with; takes the variables that name them out of
    /// the environment, so it is called before any thread is started. `own` are the places in the
    /// list of those that nobody else holds.
    #[must_use]
    pub(crate) fn from_environment(own: &[usize]) -> Self {
        let mut list = ListenFd::from_env();
        let mut this = Self::default();
        for (index, descriptor) in (0..list.len()).zip(FIRST_DESCRIPTOR..) {
            match take(&mut list, index) {
                Ok(socket) => this.sockets.push(InheritedSocket {
                    descriptor,
                    socket,
                    is_own: own.contains(&index),
                }),
                Err(what) => {
                    this.fault
                        .get_or_insert(BindError::NoListener { descriptor, what });
                }
            }
        }
        this
    }

    /// This one, which somebody else holds too.
    #[cfg(test)]
    pub(super) fn of(listener: Option<TcpListener>) -> Self {
        let mut this = Self::default();
        this.sockets.extend(listener.map(|listener| {
            listener.set_nonblocking(true).expect("a socket");
            let address = listener.local_addr().expect("an address");
            InheritedSocket {
                descriptor: FIRST_DESCRIPTOR,
                socket: ListeningSocket::Tcp(listener, address),
                is_own: false,
            }
        }));
        this
    }

    /// Whether there is none.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Says what of it can be no listener at all.
    ///
    /// # Errors
    /// [`BindError::NoListener`] with the first descriptor that is no listening socket.
    pub(super) fn check(&mut self) -> Result<(), BindError> {
        self.fault.take().map_or(Ok(()), Err)
    }

    /// Says which one no entry of `listen` has taken.
    ///
    /// # Errors
    /// [`BindError::Unmatched`] with the first socket that is left.
    pub(super) fn check_all_taken(&self) -> Result<(), BindError> {
        match self.sockets.first() {
            Some(left) => Err(BindError::Unmatched {
                descriptor: left.descriptor,
                address: left.address(),
            }),
            None => Ok(()),
        }
    }

    /// The TCP socket of an address. Port 0 is any port that is not in `named`, the addresses that
    /// other entries ask for.
    pub(super) fn take_tcp(
        &mut self,
        wanted: SocketAddr,
        named: &[SocketAddr],
    ) -> Option<TakenSocket<TcpListener>> {
        let fits = |address: SocketAddr| match wanted.port() {
            0 => address.ip() == wanted.ip() && !named.contains(&address),
            _ => address == wanted,
        };
        let place = self.sockets.iter().position(
            |inherited| matches!(&inherited.socket, ListeningSocket::Tcp(_, address) if fits(*address)),
        )?;
        let InheritedSocket { socket, is_own, .. } = self.sockets.remove(place);
        match socket {
            ListeningSocket::Tcp(socket, _) => Some(TakenSocket { socket, is_own }),
            ListeningSocket::Unix(_) => None,
        }
    }

    /// The unix socket of a path.
    pub(super) fn take_unix(&mut self, wanted: &Path) -> Option<TakenSocket<UnixListener>> {
        let wanted = std::path::absolute(wanted).ok()?;
        let place = self.sockets.iter().position(|inherited| {
            let ListeningSocket::Unix(listener) = &inherited.socket else {
                return false;
            };
            let address = listener.local_addr().ok();
            let path = address.as_ref().and_then(|address| address.as_pathname());
            path.and_then(|path| std::path::absolute(path).ok()) == Some(wanted.clone())
        })?;
        let InheritedSocket { socket, is_own, .. } = self.sockets.remove(place);
        match socket {
            ListeningSocket::Unix(socket) => Some(TakenSocket { socket, is_own }),
            ListeningSocket::Tcp(..) => None,
        }
    }
}

impl InheritedSocket {
    /// As an entry of `listen` would name it.
    fn address(&self) -> String {
        match &self.socket {
            ListeningSocket::Tcp(_, address) => address.to_string(),
            ListeningSocket::Unix(listener) => match listener.local_addr() {
                Ok(address) => match address.as_pathname() {
                    Some(path) => format!("unix:{}", path.display()),
                    None => format!("a unix socket without a path ({address:?})"),
                },
                Err(error) => format!("a unix socket ({error})"),
            },
        }
    }
}

/// The socket at a place of the list, if it is one that is listened on. It never blocks from here
/// on, for nobody who holds it.
fn take(list: &mut ListenFd, index: usize) -> Result<ListeningSocket, String> {
    let told = |error: std::io::Error| error.to_string();
    // Neither is asked for twice, so there is always one or an error.
    if let Ok(Some(listener)) = list.take_tcp_listener(index) {
        check_listens(&SockRef::from(&listener))?;
        listener.set_nonblocking(true).map_err(told)?;
        let address = listener.local_addr().map_err(told)?;
        return Ok(ListeningSocket::Tcp(listener, address));
    }
    match list.take_unix_listener(index).map_err(told)? {
        Some(listener) => {
            check_listens(&SockRef::from(&listener))?;
            listener.set_nonblocking(true).map_err(told)?;
            Ok(ListeningSocket::Unix(listener))
        }
        None => Err("it was taken before".to_string()),
    }
}

fn check_listens(socket: &SockRef<'_>) -> Result<(), String> {
    match socket.is_listener() {
        Ok(true) => Ok(()),
        Ok(false) => Err("it is a socket of one connection (Accept=yes?)".to_string()),
        Err(error) => Err(error.to_string()),
    }
}
