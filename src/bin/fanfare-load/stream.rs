//! One connection's bytes, plain or by TLS, on a socket that never blocks.

use std::{
    io::{self, ErrorKind, Read, Write},
    sync::Arc,
};

use mio::net::TcpStream;
use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

/// A connection to the server.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

/// TLS over a socket.
#[derive(Debug)]
pub(crate) struct TlsStream {
    socket: TcpStream,
    session: ClientConnection,
}

impl Stream {
    /// Lays TLS over a socket; the handshake goes on with whatever is read and written.
    pub(crate) fn tls(
        socket: TcpStream,
        config: &Arc<ClientConfig>,
        name: &ServerName<'static>,
    ) -> Result<Self, rustls::Error> {
        let session = ClientConnection::new(Arc::clone(config), name.clone())?;
        Ok(Self::Tls(Box::new(TlsStream { socket, session })))
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &mut tls.socket,
        }
    }

    /// Whether one short read says that there is no more.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// As [`Read::read`], but asked again after an interruption.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = match self {
                Self::Plain(socket) => socket.read(buffer),
                Self::Tls(tls) => {
                    rustls::Stream::new(&mut tls.session, &mut tls.socket).read(buffer)
                }
            };
            match result {
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                result => return result,
            }
        }
    }

    /// Writes what the system takes of `unsent` and keeps the rest there.
    pub(crate) fn flush(&mut self, unsent: &mut Vec<u8>) -> io::Result<()> {
        let mut written = 0;
        let result = self.write_all(unsent, &mut written);
        unsent.drain(..written);
        match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    fn write_all(&mut self, bytes: &[u8], written: &mut usize) -> io::Result<()> {
        while *written < bytes.len() {
            let rest = &bytes[*written..];
            let result = match self {
                Self::Plain(socket) => socket.write(rest),
                Self::Tls(tls) => {
                    rustls::Stream::new(&mut tls.session, &mut tls.socket).write(rest)
                }
            };
            match result {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => *written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        if let Self::Tls(tls) = self {
            while tls.session.wants_write() {
                tls.session.write_tls(&mut tls.socket)?;
            }
        }
        Ok(())
    }
}
