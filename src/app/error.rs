//! What keeps a server from starting, or from running on.

use std::io;

use crate::{
    http_client::HttpSetupError,
    state::StateError,
    store::StoreError,
    token::TokenSetupError,
    transport::{bind_error::BindError, tls::TlsError},
};

/// Why a server cannot start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The certificate cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// A key for tokens cannot be used.
    #[error("token: {0}")]
    Token(#[from] TokenSetupError),
    /// A hook cannot be called.
    #[error("hooks: {0}")]
    Hooks(#[from] HttpSetupError),
    /// What is kept on disk cannot be.
    #[error(transparent)]
    State(#[from] StateError),
    /// The beginning of this life cannot be written.
    #[error("state.dir: {0}")]
    NotKept(StoreError),
    /// The system refused something else.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
}
