//! Fetches the JWKS document: one GET, bounded by [`TIMEOUT`] and [`BODY_BYTES_MAX`].
//!
//! Owned by the cache of the JWKS. It follows no redirect, uses no proxy, keeps no cookie and no
//! idle connection (a document is fetched each ten minutes, and whichever worker asks drives the
//! connection). Errors never show the URL, which may hold a password.

use std::{error::Error, time::Duration};

use reqwest::{Client, ClientBuilder, StatusCode, Url, header, redirect};

/// How long a fetch may take as a whole.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest document; those of large identity providers have a few KiB.
const BODY_BYTES_MAX: usize = 1 << 20;

/// One URL and the client that fetches it.
#[derive(Clone, Debug)]
pub(super) struct JwksSource {
    client: Client,
    url: Url,
}

impl JwksSource {
    /// Prepares a client; nothing is fetched yet.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("it is no URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("expected http:// or https://".to_string());
        }
        // Fails only where a provider was chosen before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = match builder().build() {
            // Without any root certificates on the machine, plain HTTP can still be spoken.
            Err(_) if url.scheme() == "http" => builder().tls_certs_only([]).build(),
            client => client,
        };
        let client = client.map_err(|error| root_cause(&error))?;
        Ok(Self { client, url })
    }

    /// The whole document.
    pub(super) async fn fetch(&self) -> Result<Vec<u8>, String> {
        let request = self
            .client
            .get(self.url.clone())
            .header(header::ACCEPT, "application/jwk-set+json, application/json");
        let mut response = request
            .send()
            .await
            .map_err(|error| root_cause(&error.without_url()))?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answered {}", response.status().as_u16()));
        }
        let mut body = Vec::new();
        loop {
            let chunk = response
                .chunk()
                .await
                .map_err(|error| root_cause(&error.without_url()))?;
            let Some(chunk) = chunk else {
                return Ok(body);
            };
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(format!("its answer has more than {BODY_BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
    }
}

fn builder() -> ClientBuilder {
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .timeout(TIMEOUT)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("fanfare/", env!("CARGO_PKG_VERSION")))
}

/// The innermost error, which says what happened; the outer ones say that a request failed.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
