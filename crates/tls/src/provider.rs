//! The program's only crypto provider: ring (DESIGN decision 15).

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The only crypto provider of the program.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
