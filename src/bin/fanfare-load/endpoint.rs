//! Where the clients connect to, and from where: address, TLS, source addresses.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _},
    sync::Arc,
};

use mio::net::TcpStream;
use reqwest::Url;
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{error::LoadError, stream::Stream, trust};

/// Clients from one source address: Linux gives out 28,232 ports by default.
pub(crate) const PER_SOURCE: usize = 25_000;

/// A server that is connected to again and again; its name is looked up once.
#[derive(Debug)]
pub(crate) struct Endpoint {
    address: SocketAddr,
    /// As `Host` says it.
    pub host: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    sources: usize,
}

impl Endpoint {
    /// The endpoint of an address with one of the schemes `ws`, `wss`, `http` and `https`.
    pub(crate) fn new(url: &Url, is_insecure: bool, sources: usize) -> Result<Self, LoadError> {
        let is_tls = matches!(url.scheme(), "wss" | "https");
        let usage = |why: String| LoadError::Usage(format!("{url}: {why}"));
        let name = url.host_str().ok_or_else(|| usage("no host".to_owned()))?;
        let bare = name.trim_matches(['[', ']']);
        let port = url.port_or_known_default();
        let port = port.ok_or_else(|| usage("no port".to_owned()))?;
        let address = (bare, port)
            .to_socket_addrs()
            .map_err(|error| usage(error.to_string()))?
            // The source addresses are of IPv4, and a name such as localhost is both.
            .min_by_key(SocketAddr::is_ipv6)
            .ok_or_else(|| usage("no such host".to_owned()))?;
        if sources > 1 && !address.ip().is_loopback() {
            let why = "--sources spreads over 127.0.0.x, which reaches only this machine";
            return Err(usage(why.to_owned()));
        }
        if sources > 1 && address.is_ipv6() {
            return Err(usage("--sources needs an address of IPv4".to_owned()));
        }
        let tls = if is_tls {
            let name = ServerName::try_from(bare.to_owned());
            let name = name.map_err(|error| usage(error.to_string()))?;
            Some((trust::config(is_insecure)?, name))
        } else {
            None
        };
        let host = match url.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        Ok(Self {
            address,
            host,
            tls,
            sources,
        })
    }

    /// Whether the server is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// Begins a connection; the socket is writable once it stands. `number` decides its source.
    pub(crate) fn connect(&self, number: usize) -> Result<Stream, LoadError> {
        let domain = Domain::for_address(self.address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))
            .map_err(LoadError::io("open a socket"))?;
        if self.sources > 1 {
            // 127.0.0.1, 127.0.0.2 and so on are all this machine; each has its own ports.
            let offset = (number % self.sources) as u32;
            let source = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + offset);
            socket
                .bind(&SocketAddr::new(IpAddr::V4(source), 0).into())
                .map_err(LoadError::io(format!("bind the source address {source}")))?;
        }
        socket
            .set_nonblocking(true)
            .and_then(|()| socket.set_tcp_nodelay(true))
            .map_err(LoadError::io("set up a socket"))?;
        match socket.connect(&self.address.into()) {
            Ok(()) => (),
            Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => (),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => (),
            Err(error) => return Err(LoadError::io(format!("connect to {}", self.address))(error)),
        }
        let socket = TcpStream::from_std(socket.into());
        match &self.tls {
            None => Ok(Stream::Plain(socket)),
            Some((config, name)) => Stream::tls(socket, config, name)
                .map_err(|error| LoadError::Stalled(format!("TLS: {error}"))),
        }
    }
}

/// `EINPROGRESS`, for which the standard library has no stable name.
#[cfg(target_os = "linux")]
const IN_PROGRESS: i32 = 115;
#[cfg(not(target_os = "linux"))]
const IN_PROGRESS: i32 = 36;
