//! The crypto provider: ring, for client and server alike (DESIGN decision 15).

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The crypto provider of all TLS in the program.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
