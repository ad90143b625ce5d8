//! Listeners: TCP, TLS and unix sockets, bound before anything else starts.

#[cfg(unix)]
use std::os::unix::net::UnixListener;
use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
};

use socket2::{Domain, SockAddr, Socket as RawSocket, Type};

use crate::config::{Listen, Settings, UnixSocket};

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
}

/// What is listened on; never blocks.
pub(super) enum BoundSocket {
    Tcp(std::net::TcpListener),
    Tls(std::net::TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

/// A bound listener.
pub struct Listener {
    socket: BoundSocket,
    /// Where clients reach it, as a URL.
    url: String,
}

impl Listener {
    /// Binds every entry of `listen`; a host name may give several listeners.
    ///
    /// # Errors
    /// The first entry that cannot be bound.
    pub(crate) fn bind_all(settings: &Settings) -> Result<Vec<Self>, BindError> {
        let mut listeners = Vec::new();
        for listen in &settings.listen {
            let failed = |source: io::Error| match source.kind() {
                io::ErrorKind::AddrInUse => BindError::InUse(listen.to_string()),
                _ => BindError::Io {
                    listen: listen.to_string(),
                    source,
                },
            };
            match listen {
                Listen::Tcp(address) => {
                    for listener in bind_tcp(address, settings.tcp.backlog).map_err(failed)? {
                        let url = format!("http://{}/", listener.local_addr().map_err(failed)?);
                        let socket = BoundSocket::Tcp(listener);
                        listeners.push(Self { socket, url });
                    }
                }
                Listen::Tls(address) => {
                    for listener in bind_tcp(address, settings.tcp.backlog).map_err(failed)? {
                        let url = format!("https://{}/", listener.local_addr().map_err(failed)?);
                        let socket = BoundSocket::Tls(listener);
                        listeners.push(Self { socket, url });
                    }
                }
                #[cfg(unix)]
                Listen::Unix(socket) => {
                    let listener = bind_unix(socket, settings.tcp.backlog).map_err(failed)?;
                    listeners.push(Self {
                        socket: BoundSocket::Unix(listener, socket.path.clone()),
                        url: format!("unix:{}", socket.path.display()),
                    });
                }
                #[cfg(not(unix))]
                Listen::Unix(_) => return Err(failed(io::ErrorKind::Unsupported.into())),
            }
        }
        Ok(listeners)
    }

    /// Where clients reach it.
    #[must_use]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether only this machine reaches it.
    #[must_use]
    pub(crate) fn is_local(&self) -> bool {
        match &self.socket {
            BoundSocket::Tcp(listener) | BoundSocket::Tls(listener) => listener
                .local_addr()
                .is_ok_and(|address| address.ip().is_loopback()),
            #[cfg(unix)]
            BoundSocket::Unix(..) => true,
        }
    }

    /// The file of a unix socket.
    pub(super) fn path(&self) -> Option<PathBuf> {
        match &self.socket {
            #[cfg(unix)]
            BoundSocket::Unix(_, path) => Some(path.clone()),
            _ => None,
        }
    }

    /// The socket, to accept on.
    pub(super) fn into_socket(self) -> BoundSocket {
        self.socket
    }
}

fn bind_tcp(address: &str, backlog: u32) -> io::Result<Vec<std::net::TcpListener>> {
    let mut listeners = Vec::new();
    let mut last = None;
    for address in address.to_socket_addrs()? {
        match bind_one(address, backlog) {
            Ok(listener) => listeners.push(listener),
            // A name may have an address of a family that this machine does not have.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    match last {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

fn bind_one(address: SocketAddr, backlog: u32) -> io::Result<std::net::TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restarted server must not wait for the old one's connections to time out.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// A socket file that nobody listens on is left over from a process that died; one that answers is
/// in use.
#[cfg(unix)]
fn bind_unix(unix: &UnixSocket, backlog: u32) -> io::Result<UnixListener> {
    use std::os::unix::{fs::FileTypeExt, net::UnixStream};
    let path = &unix.path;
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = std::fs::metadata(path)?.file_type().is_socket();
            if !is_socket || UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        result => result?,
    }
    // Before anyone is listened to, so that nobody comes in by what the umask left open.
    set_access(unix)?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Gives the socket's file its group and permissions, whatever the umask is.
#[cfg(unix)]
fn set_access(unix: &UnixSocket) -> io::Result<()> {
    use std::{
        fs::Permissions,
        os::unix::fs::{PermissionsExt, chown},
    };
    if let Some(group) = &unix.group {
        let id = match group.parse() {
            Ok(id) => id,
            Err(_) => nix::unistd::Group::from_name(group)?
                .ok_or_else(|| io::Error::other(format!("there is no group {group}")))?
                .gid
                .as_raw(),
        };
        chown(&unix.path, None, Some(id))?;
    }
    std::fs::set_permissions(&unix.path, Permissions::from_mode(unix.mode))
}
