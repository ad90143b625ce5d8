//! Listeners: TCP, TLS and unix sockets, inherited or bound before anything else starts.

#[cfg(unix)]
use std::os::unix::net::UnixListener;
use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    os::fd::OwnedFd,
    path::PathBuf,
};

use socket2::{Domain, SockAddr, Socket as RawSocket, Type};

use super::{
    bind_error::BindError,
    inherited::{InheritedSockets, TakenSocket},
    socket_options::SocketOptions,
};
use crate::config::{Listen, Settings, UnixSocket};

/// Who is served on a listener beside what everyone is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Door {
    /// Nobody in particular: it is of `listen`.
    #[default]
    Everyone,
    /// Administrators: it is of `admin.listen`.
    Administrators,
}

/// What is listened on; never blocks.
pub(super) enum BoundSocket {
    Tcp(std::net::TcpListener),
    Tls(std::net::TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

/// A socket that listens, with what is spoken on it and who is served.
pub(crate) struct HttpListener {
    socket: BoundSocket,
    /// Where clients reach it, as a URL.
    url: String,
    /// No other process accepts on it, so this one ends it.
    is_own: bool,
    door: Door,
    /// It had our options before it listened. An inherited socket may have others, and so have
    /// those who wait on it.
    has_options: bool,
}

/// A TCP socket of an entry.
struct TcpSocket {
    socket: std::net::TcpListener,
    is_own: bool,
    has_options: bool,
}

impl HttpListener {
    /// Takes the inherited socket of every entry of `listen` and `admin.listen`, or binds one; a
    /// host name may give several listeners.
    ///
    /// # Errors
    /// The first entry that cannot be bound, or an inherited socket that is none of them.
    pub(crate) fn bind_all(
        settings: &Settings,
        inherited: &mut InheritedSockets,
    ) -> Result<Vec<Self>, BindError> {
        inherited.check()?;
        let mut addresses = Vec::new();
        let everyone = settings.listen.iter().map(|entry| (entry, Door::Everyone));
        let admin = settings.admin.listen.iter().flatten();
        let entries = everyone.chain(admin.map(|entry| (entry, Door::Administrators)));
        for (listen, _) in entries.clone() {
            addresses.push(match listen {
                Listen::Tcp(name) | Listen::Tls(name) => resolve(name).map_err(failed(listen))?,
                Listen::Unix(_) => Vec::new(),
            });
        }
        let named: Vec<SocketAddr> = addresses.concat();
        let mut listeners = Vec::new();
        for ((listen, door), addresses) in entries.zip(&addresses) {
            let mut source = SocketSource {
                inherited,
                named: &named,
                backlog: settings.tcp.backlog,
                options: SocketOptions::new(settings),
                door,
            };
            let found = source.listeners(listen, addresses);
            listeners.extend(found.map_err(failed(listen))?);
        }
        inherited.check_all_taken()?;
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

    /// The file of a unix socket that goes with this process.
    pub(super) fn path(&self) -> Option<PathBuf> {
        match &self.socket {
            #[cfg(unix)]
            BoundSocket::Unix(_, path) if self.is_own => Some(path.clone()),
            _ => None,
        }
    }

    /// No other process accepts on it, so this one ends it.
    pub(super) fn is_own(&self) -> bool {
        self.is_own
    }

    /// Who is served on it.
    #[must_use]
    pub(crate) fn door(&self) -> Door {
        self.door
    }

    /// Whether it had the options of [`SocketOptions`] before it listened.
    pub(super) fn has_options(&self) -> bool {
        self.has_options
    }

    /// Another descriptor of the same socket, to hand on.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(match &self.socket {
            BoundSocket::Tcp(socket) | BoundSocket::Tls(socket) => socket.try_clone()?.into(),
            #[cfg(unix)]
            BoundSocket::Unix(socket, _) => socket.try_clone()?.into(),
        })
    }

    /// The socket, to accept on.
    pub(super) fn into_socket(self) -> BoundSocket {
        self.socket
    }
}

/// How what the system says of an entry is told.
fn failed(listen: &Listen) -> impl Fn(io::Error) -> BindError {
    move |source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(listen.to_string()),
        _ => BindError::Io {
            listen: listen.to_string(),
            source,
        },
    }
}

/// The addresses of an entry, of which a name may have several.
fn resolve(name: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(name.to_socket_addrs()?.collect())
}

/// Where the sockets of an entry come from.
struct SocketSource<'a> {
    inherited: &'a mut InheritedSockets,
    /// All addresses that entries ask for.
    named: &'a [SocketAddr],
    backlog: u32,
    options: SocketOptions,
    door: Door,
}

impl SocketSource<'_> {
    fn listeners(
        &mut self,
        listen: &Listen,
        addresses: &[SocketAddr],
    ) -> io::Result<Vec<HttpListener>> {
        let mut listeners = Vec::new();
        match listen {
            Listen::Tcp(_) => {
                for tcp in self.tcp(addresses)? {
                    listeners.push(HttpListener {
                        url: format!("http://{}/", tcp.socket.local_addr()?),
                        socket: BoundSocket::Tcp(tcp.socket),
                        is_own: tcp.is_own,
                        door: self.door,
                        has_options: tcp.has_options,
                    });
                }
            }
            Listen::Tls(_) => {
                for tcp in self.tcp(addresses)? {
                    listeners.push(HttpListener {
                        url: format!("https://{}/", tcp.socket.local_addr()?),
                        socket: BoundSocket::Tls(tcp.socket),
                        is_own: tcp.is_own,
                        door: self.door,
                        has_options: tcp.has_options,
                    });
                }
            }
            #[cfg(unix)]
            Listen::Unix(unix) => {
                let TakenSocket { socket, is_own } = self.unix(unix)?;
                listeners.push(HttpListener {
                    socket: BoundSocket::Unix(socket, unix.path.clone()),
                    url: format!("unix:{}", unix.path.display()),
                    is_own,
                    door: self.door,
                    // None of them is one of a unix socket.
                    has_options: true,
                });
            }
            #[cfg(not(unix))]
            Listen::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
        }
        Ok(listeners)
    }

    /// A socket of each address.
    fn tcp(&mut self, addresses: &[SocketAddr]) -> io::Result<Vec<TcpSocket>> {
        let mut listeners = Vec::new();
        let mut last = None;
        for &address in addresses {
            if let Some(TakenSocket { socket, is_own }) =
                self.inherited.take_tcp(address, self.named)
            {
                listeners.push(TcpSocket {
                    socket,
                    is_own,
                    has_options: false,
                });
                continue;
            }
            match bind_one(address, self.backlog, &self.options) {
                Ok(socket) => listeners.push(TcpSocket {
                    socket,
                    is_own: true,
                    has_options: true,
                }),
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

    #[cfg(unix)]
    fn unix(&mut self, unix: &UnixSocket) -> io::Result<TakenSocket<UnixListener>> {
        match self.inherited.take_unix(&unix.path) {
            Some(inherited) => {
                // The file of a socket that someone else holds is that one's.
                if inherited.is_own {
                    set_access(unix)?;
                }
                Ok(inherited)
            }
            None => Ok(TakenSocket {
                socket: bind_unix(unix, self.backlog)?,
                is_own: true,
            }),
        }
    }
}

fn bind_one(
    address: SocketAddr,
    backlog: u32,
    options: &SocketOptions,
) -> io::Result<std::net::TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restarted server must not wait for the old one's connections to time out.
    socket.set_reuse_address(true)?;
    // Before anyone can be accepted without them.
    options.apply(&socket);
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
