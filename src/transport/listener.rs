//! Listeners: TCP, TLS and unix sockets, bound before anything else starts, served by actix-server.
//!
//! Each accepted socket gets its options, then goes through TLS where that is due, then becomes an
//! [`HttpStream`] under actix-http with our upgrade service. Closing a listener is ours too:
//! actix-server can only pause it, which would leave clients waiting in the backlog of a server
//! that goes away.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use actix_http::{
    HttpService, KeepAlive, Protocol, Request, Response, body::BoxBody, error::DispatchError,
};
use actix_rt::net::TcpStream;
#[cfg(unix)]
use actix_rt::net::UnixStream;
use actix_server::ServerBuilder;
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_tls::accept::rustls_0_23 as tls;
use actix_web::dev::AppConfig;
use rustls::ServerConfig;
use socket2::{Domain, SockRef, Socket as RawSocket, TcpKeepalive, Type};

use super::{handover::UpgradeFactory, http_stream::HttpStream};
use crate::{
    config::{Listen, Settings},
    connection::{CountingStream, info::TransportKind, socket::Socket},
};

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

enum BoundSocket {
    Tcp(std::net::TcpListener),
    Tls(std::net::TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener, PathBuf),
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
                Listen::Unix(path) => {
                    let listener = bind_unix(path).map_err(failed)?;
                    listeners.push(Self {
                        socket: BoundSocket::Unix(listener, path.clone()),
                        url: format!("unix:{}", path.display()),
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

    /// A second hold on the listener, to close it by.
    ///
    /// # Errors
    /// The system is out of descriptors.
    pub(crate) fn closer(&self) -> io::Result<Closer> {
        let (socket, path) = match &self.socket {
            BoundSocket::Tcp(listener) | BoundSocket::Tls(listener) => {
                (RawSocket::from(listener.try_clone()?), None)
            }
            #[cfg(unix)]
            BoundSocket::Unix(listener, path) => (
                RawSocket::from(std::os::fd::OwnedFd::from(listener.try_clone()?)),
                Some(path.clone()),
            ),
        };
        Ok(Closer { socket, path })
    }
}

/// Closes a listener that actix-server owns.
pub struct Closer {
    socket: RawSocket,
    path: Option<PathBuf>,
}

impl Closer {
    /// From here on connections are refused. On Linux shutting a listening socket down stops it for
    /// all who hold it; elsewhere that may fail, and the listener stays paused until the process
    /// ends.
    pub(crate) fn close(self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
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
    Ok(socket.into())
}

/// A socket file that nobody listens on is left over from a process that died; one that answers is
/// in use.
#[cfg(unix)]
fn bind_unix(path: &std::path::Path) -> io::Result<std::os::unix::net::UnixListener> {
    use std::os::unix::{fs::FileTypeExt, net};
    match net::UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = std::fs::metadata(path)?.file_type().is_socket();
            if !is_socket || net::UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            net::UnixListener::bind(path)
        }
        result => result,
    }
}

/// Options and deadlines of accepted connections.
#[derive(Clone, Copy, Debug)]
pub struct SocketOptions {
    keepalive: Duration,
    user_timeout: Duration,
    write_timeout: Duration,
    close_timeout: Duration,
    request_timeout: Duration,
    keep_alive: Duration,
}

impl SocketOptions {
    /// As the settings say.
    #[must_use]
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            keepalive: settings.tcp.keepalive,
            user_timeout: settings.tcp.user_timeout,
            write_timeout: settings.slow.write_timeout,
            close_timeout: settings.close.timeout,
            request_timeout: settings.http.request_timeout,
            keep_alive: settings.http.keep_alive,
        }
    }

    /// Failing options are no reason to lose a client.
    fn apply(&self, stream: &TcpStream) {
        let _ = stream.set_nodelay(true);
        let socket = SockRef::from(stream);
        if !self.keepalive.is_zero() {
            let keepalive = TcpKeepalive::new().with_time(self.keepalive);
            let _ = socket.set_tcp_keepalive(&keepalive);
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if !self.user_timeout.is_zero() {
            let _ = socket.set_tcp_user_timeout(Some(self.user_timeout));
        }
    }
}

/// Gives a listener to actix-server. `make_app` is called on each worker, twice: once for ordinary
/// requests, once for those that may be upgraded.
///
/// # Errors
/// What the system says.
pub fn serve<A, I, S>(
    builder: ServerBuilder,
    listener: Listener,
    tls_config: Option<Arc<ServerConfig>>,
    options: SocketOptions,
    make_app: A,
) -> io::Result<ServerBuilder>
where
    A: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, InitError = ()> + 'static,
    S::Future: 'static,
    S::Service: 'static,
    S::Error: Into<actix_web::Error>,
    S::Response: Into<Response<BoxBody>>,
    <S::Service as actix_service::Service<Request>>::Future: 'static,
{
    let name = listener.url.clone();
    match listener.socket {
        BoundSocket::Tcp(socket) => builder.listen(name, socket, move || {
            fn_service(move |stream: TcpStream| async move {
                options.apply(&stream);
                let peer = stream.peer_addr().ok();
                let stream = HttpStream::new(Socket::Tcp(stream), options.write_timeout);
                Ok::<_, DispatchError>((stream, Protocol::Http1, peer))
            })
            .and_then(http_service(options, make_app.clone()))
        }),
        #[cfg(unix)]
        BoundSocket::Unix(socket, _) => builder.listen_uds(name, socket, move || {
            fn_service(move |stream: UnixStream| async move {
                let stream = HttpStream::new(Socket::Unix(stream), options.write_timeout);
                Ok::<_, DispatchError>((stream, Protocol::Http1, None))
            })
            .and_then(http_service(options, make_app.clone()))
        }),
        BoundSocket::Tls(socket) => {
            let config = tls_config.ok_or(io::ErrorKind::InvalidInput)?;
            builder.listen(name, socket, move || {
                let http = http_service(options, make_app.clone());
                tls_service(ServerConfig::clone(&config), options, http)
            })
        }
    }
}

/// A service that takes connections of this kind to their end.
trait ConnectionService<C>:
    ServiceFactory<C, Config = (), Response = (), Error = DispatchError, InitError = ()>
{
}

impl<C, S> ConnectionService<C> for S where
    S: ServiceFactory<C, Config = (), Response = (), Error = DispatchError, InitError = ()>
{
}

/// TLS in front of HTTP.
fn tls_service<H>(
    config: ServerConfig,
    options: SocketOptions,
    http: H,
) -> impl ConnectionService<TcpStream>
where
    H: ConnectionService<Accepted>,
{
    let mut acceptor = tls::Acceptor::new(config);
    acceptor.set_handshake_timeout(options.request_timeout);
    fn_service(move |stream: TcpStream| async move {
        options.apply(&stream);
        let stream = CountingStream::new(stream);
        Ok::<_, actix_tls::accept::TlsError<io::Error, std::convert::Infallible>>(stream)
    })
    .and_then(acceptor)
    .map_err(|error| {
        log::debug!("TLS handshake failed: {error:?}");
        DispatchError::Io(io::Error::other("TLS handshake failed"))
    })
    .and_then(fn_service(
        move |stream: tls::TlsStream<CountingStream>| async move {
            let peer = stream.get_ref().0.stream().peer_addr().ok();
            let socket = Socket::Tls(Box::new(stream));
            let stream = HttpStream::new(socket, options.write_timeout);
            Ok((stream, Protocol::Http1, peer))
        },
    ))
    .and_then(http)
}

/// An accepted connection, as actix-http takes it.
type Accepted = (HttpStream, Protocol, Option<SocketAddr>);

fn http_service<A, I, S>(options: SocketOptions, make_app: A) -> impl ConnectionService<Accepted>
where
    A: Fn() -> I + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, InitError = ()> + 'static,
    S::Future: 'static,
    S::Service: 'static,
    S::Error: Into<actix_web::Error>,
    S::Response: Into<Response<BoxBody>>,
    <S::Service as actix_service::Service<Request>>::Future: 'static,
{
    let app = || {
        map_config(make_app(), |(): ()| AppConfig::default()).map_err(|error: S::Error| {
            let error: actix_web::Error = error.into();
            Response::<BoxBody>::from(error)
        })
    };
    let upgrade = UpgradeFactory::new(app(), options.close_timeout);
    HttpService::build()
        .keep_alive(KeepAlive::Timeout(options.keep_alive))
        .client_request_timeout(options.request_timeout)
        .client_disconnect_timeout(options.close_timeout)
        // A long-poll whose client has gone must end now, not when it would have answered.
        .h1_allow_half_closed(false)
        .on_connect_ext(|stream: &HttpStream, data: &mut actix_http::Extensions| {
            data.insert::<TransportKind>(stream.transport());
        })
        .upgrade(upgrade)
        .finish::<_, BoxBody>(app())
}
