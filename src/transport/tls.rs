//! TLS with rustls: one certificate for all TLS listeners, taken up anew when its files change.
//!
//! Handshakes in progress keep the certificate they began with; later ones get the new one. A pair
//! of files that cannot be used leaves the old certificate in place. Whether they changed is told
//! by what is in them: a renewal may keep time and size.

use std::{
    borrow::Cow,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use ring::digest::{Digest, SHA256, digest};
use rustls::{
    ServerConfig,
    crypto::{self, CryptoProvider},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{file}: {source}")]
    Read {
        /// `tls.cert` or `tls.key`.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds broken PEM.
    #[error("{file}: {source}")]
    Pem {
        /// `tls.cert` or `tls.key`.
        file: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate file holds none.
    #[error("{0}: holds no certificate")]
    Empty(PathBuf),
    /// The key file holds none.
    #[error("{0}: holds no private key")]
    NoKey(PathBuf),
    /// The key can only be read with a passphrase, which nobody could be asked for.
    #[error("{0}: the key is encrypted; decrypt it: openssl pkey -in KEY -out KEY.decrypted")]
    Encrypted(PathBuf),
    /// The key is another certificate's.
    #[error("{key}: the key is not that of the certificate in {cert}")]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The key is of an unknown kind, or the certificate cannot be read.
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
    /// What was in the files when they were read last, usable or not.
    seen: Mutex<FileHashes>,
}

/// What was in the two files; absent for one that could not be read.
type FileHashes = [Option<[u8; 32]>; 2];

impl Certificate {
    /// Reads the two files: the full chain, leaf first, and the key.
    ///
    /// # Errors
    /// A file cannot be read, is no PEM of its kind, or the key does not belong to the certificate.
    pub fn load(cert: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let files = CertificateFiles::read(cert, key);
        Ok(Arc::new(Self {
            seen: Mutex::new(files.contents()),
            current: ArcSwap::from_pointee(files.certified(cert, key)?),
            cert: cert.to_owned(),
            key: key.to_owned(),
        }))
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// As [`load`](Self::load); the old certificate stays.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let files = CertificateFiles::read(&self.cert, &self.key);
        self.seen(files.contents());
        self.take_up(files)
    }

    /// Reads the files again if one of them has changed since the last look; `None` if not.
    ///
    /// # Errors
    /// As [`load`](Self::load); the old certificate stays, and the same files are not tried again.
    pub(crate) fn reload_if_changed(&self) -> Option<Result<(), TlsError>> {
        let files = CertificateFiles::read(&self.cert, &self.key);
        let has_changed = self.seen(files.contents());
        has_changed.then(|| self.take_up(files))
    }

    /// Notes what is in the files; whether it is something else than before.
    fn seen(&self, contents: FileHashes) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *seen, contents) != contents
    }

    fn take_up(&self, files: CertificateFiles) -> Result<(), TlsError> {
        let certified = files.certified(&self.cert, &self.key)?;
        self.current.store(Arc::new(certified));
        Ok(())
    }

    /// The server's side of TLS 1.2 and 1.3 with this certificate, HTTP/1.1 only: a WebSocket over
    /// HTTP/2 (RFC 8441) would need what actix-http does not have.
    ///
    /// # Errors
    /// [`TlsError::Setup`]: the cryptography does not have these versions of TLS.
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
    Arc::new(crypto::ring::default_provider())
}

/// The two files as they are now.
struct CertificateFiles {
    cert: io::Result<Vec<u8>>,
    key: io::Result<Vec<u8>>,
}

impl CertificateFiles {
    fn read(cert: &Path, key: &Path) -> Self {
        Self {
            cert: std::fs::read(cert),
            key: std::fs::read(key),
        }
    }

    fn contents(&self) -> FileHashes {
        [&self.cert, &self.key].map(|file| {
            let digest: Digest = digest(&SHA256, file.as_ref().ok()?);
            digest.as_ref().try_into().ok()
        })
    }

    fn certified(self, cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
        let unreadable = |file: &Path| {
            let file = file.to_owned();
            move |source| TlsError::Read { file, source }
        };
        let broken = |file: &Path| {
            let file = file.to_owned();
            move |source| TlsError::Pem { file, source }
        };
        let text = self.cert.map_err(unreadable(cert))?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&as_pem(&text))
            .collect::<Result<_, _>>()
            .map_err(broken(cert))?;
        if chain.is_empty() {
            return Err(TlsError::Empty(cert.to_owned()));
        }
        let text = self.key.map_err(unreadable(key))?;
        let text = as_pem(&text);
        if is_encrypted(&text) {
            return Err(TlsError::Encrypted(key.to_owned()));
        }
        let private = match PrivateKeyDer::from_pem_slice(&text) {
            Err(pem::Error::NoItemsFound) => return Err(TlsError::NoKey(key.to_owned())),
            private => private.map_err(broken(key))?,
        };
        let (cert, key) = (cert.to_owned(), key.to_owned());
        CertifiedKey::from_der(chain, private, &provider()).map_err(|source| match source {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { cert, key },
            source => TlsError::Pair { cert, key, source },
        })
    }
}

/// The text of a file as PEM is read: without the mark that editors put before it (BOM), and from
/// UTF-16, in which Windows' shell writes files.
fn as_pem(bytes: &[u8]) -> Cow<'_, [u8]> {
    let utf16 = |rest: &[u8], read: fn([u8; 2]) -> u16| {
        let (pairs, _) = rest.as_chunks();
        let units: Vec<u16> = pairs.iter().map(|pair| read(*pair)).collect();
        Cow::Owned(String::from_utf16_lossy(&units).into_bytes())
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => Cow::Borrowed(bytes),
    }
}

/// Whether a PEM file has a key under a passphrase, in either of the two forms.
fn is_encrypted(text: &[u8]) -> bool {
    let has = |what: &[u8]| text.windows(what.len()).any(|window| window == what);
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_before_the_text_and_utf_16_are_passed_over() {
        let plain = b"-----BEGIN";
        let wide = |mark: [u8; 2], write: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let units = plain.iter().flat_map(|byte| write(u16::from(*byte)));
            mark.into_iter().chain(units).collect()
        };
        for text in [
            plain.to_vec(),
            [&b"\xef\xbb\xbf"[..], plain].concat(),
            wide([0xff, 0xfe], u16::to_le_bytes),
            wide([0xfe, 0xff], u16::to_be_bytes),
        ] {
            assert_eq!(&as_pem(&text)[..], plain, "{text:?}");
        }
    }

    #[test]
    fn both_forms_of_encrypted_keys_are_known() {
        let old = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n";
        assert!(is_encrypted(old));
        assert!(is_encrypted(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        assert!(!is_encrypted(b"-----BEGIN PRIVATE KEY-----\n"));
    }
}
