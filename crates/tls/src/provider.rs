//! The crypto provider: ring, for client and server alike, since it is small and cross-compiles easily.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The crypto provider of all TLS in the program.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
