//! TLS with rustls: one certificate for all TLS listeners, taken up anew when its files change.
//!
//! Handshakes in progress keep the certificate they began with; later ones get the new one. A pair
//! of files that cannot be used leaves the old certificate in place.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or holds no PEM of the kind that is needed.
    #[error("{file}: {source}")]
    Pem {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate file holds none.
    #[error("{0}: holds no certificate")]
    Empty(PathBuf),
    /// Certificate and key do not fit each other, or the key is of an unknown kind.
    #[error("{cert} and {key}: {source}")]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// No protocol version in common with the provider; does not happen with the built-in one.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// A certificate with its key, read from two PEM files.
#[derive(Debug)]
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
    /// Modification times of the files that were read last, usable or not.
    seen: Mutex<Stamps>,
}

type Stamps = (Option<SystemTime>, Option<SystemTime>);

impl Certificate {
    /// Reads the two files: the full chain, leaf first, and the key.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn load(cert: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let stamps = (modified(cert), modified(key));
        Ok(Arc::new(Self {
            current: ArcSwap::from_pointee(read(cert, key)?),
            cert: cert.to_owned(),
            key: key.to_owned(),
            seen: Mutex::new(stamps),
        }))
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// What is wrong with them; the old certificate stays.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(read(&self.cert, &self.key)?));
        Ok(())
    }

    /// Reads the files again if one of them has changed since the last look; `None` if not.
    ///
    /// # Errors
    /// What is wrong with them; the old certificate stays, and the same files are not tried again.
    pub(crate) fn reload_if_changed(&self) -> Option<Result<(), TlsError>> {
        let stamps = (modified(&self.cert), modified(&self.key));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == stamps {
            return None;
        }
        *seen = stamps;
        Some(self.reload())
    }

    /// The server's side of TLS 1.2 and 1.3 with this certificate, HTTP/1.1 only: a WebSocket over
    /// HTTP/2 (RFC 8441) would need what actix-http does not have.
    ///
    /// # Errors
    /// [`TlsError::Setup`].
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn modified(path: &Path) -> Option<SystemTime> {
    let metadata: io::Result<_> = std::fs::metadata(path);
    metadata.and_then(|metadata| metadata.modified()).ok()
}

fn read(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let pem = |file: &Path| {
        let file = file.to_owned();
        move |source| TlsError::Pem { file, source }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .map_err(pem(cert))?
        .collect::<Result<_, _>>()
        .map_err(pem(cert))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(cert.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(|source| TlsError::Pair {
        cert: cert.to_owned(),
        key: key.to_owned(),
        source,
    })
}
