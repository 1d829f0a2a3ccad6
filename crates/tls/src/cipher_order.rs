//! The cipher of a connection: AES-128 where both sides have instructions for AES, ChaCha20 where one has none, and AES-256,
//! which costs more and protects no better here, for those that know nothing else.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::ClientHello;
use rustls::{CipherSuite, ServerConfig};

use crate::provider::provider;

/// The settings of the handshakes of one kind of port, by the cipher that comes first.
#[derive(Clone, Debug)]
pub struct Handshakes {
    aes: Arc<ServerConfig>,
    chacha: Arc<ServerConfig>,
}

/// The cipher that comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstCipher {
    Aes128,
    ChaCha20,
}

/// The kind of a cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    Aes128,
    Aes256,
    ChaCha20,
}

impl Handshakes {
    /// Settings that only differ in their order of ciphers.
    pub(crate) fn new(aes: ServerConfig, chacha: ServerConfig) -> Self {
        Self { aes: Arc::new(aes), chacha: Arc::new(chacha) }
    }

    /// The settings of a handshake that begins with this greeting.
    #[must_use]
    pub fn answering(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        let chosen = match first_cipher(hello.cipher_suites(), has_aes_instructions()) {
            FirstCipher::Aes128 => &self.aes,
            FirstCipher::ChaCha20 => &self.chacha,
        };
        Arc::clone(chosen)
    }
}

/// A client that puts ChaCha20 first has no instructions for AES.
fn first_cipher(offered: &[CipherSuite], has_aes: bool) -> FirstCipher {
    match offered.iter().find_map(|suite| cipher(*suite)) {
        Some(Cipher::ChaCha20) => FirstCipher::ChaCha20,
        _ if !has_aes => FirstCipher::ChaCha20,
        _ => FirstCipher::Aes128,
    }
}

/// The crypto provider with this order of ciphers.
pub(crate) fn provider_in_order(first: FirstCipher) -> Arc<CryptoProvider> {
    let mut ordered = CryptoProvider::clone(&provider());
    let rank = |suite| match (cipher(suite), first) {
        (Some(Cipher::ChaCha20), FirstCipher::ChaCha20) => 0,
        (Some(Cipher::Aes128), _) => 1,
        (Some(Cipher::ChaCha20), FirstCipher::Aes128) => 2,
        (Some(Cipher::Aes256), _) | (None, _) => 3,
    };
    ordered.cipher_suites.sort_by_key(|suite| rank(suite.suite()));
    Arc::new(ordered)
}

/// None for suites that are not offered here.
fn cipher(suite: CipherSuite) -> Option<Cipher> {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => Some(Cipher::Aes128),
        CipherSuite::TLS13_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => Some(Cipher::Aes256),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => Some(Cipher::ChaCha20),
        _ => None,
    }
}

/// Whether this machine has instructions for AES: a Raspberry Pi has them from the fifth generation on.
fn has_aes_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::CipherSuite;
    use rustls::crypto::CryptoProvider;

    use super::{Cipher, FirstCipher, cipher, first_cipher, provider_in_order};
    use crate::provider::provider;

    const AES_128: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;
    const AES_256: CipherSuite = CipherSuite::TLS13_AES_256_GCM_SHA384;
    const CHACHA_20: CipherSuite = CipherSuite::TLS13_CHACHA20_POLY1305_SHA256;
    const GREASE: CipherSuite = CipherSuite::Unknown(0x0a0a);

    #[test]
    fn both_sides_have_a_say() {
        for offered in [&[AES_256, AES_128, CHACHA_20][..], &[GREASE, AES_128, CHACHA_20], &[]] {
            assert_eq!(first_cipher(offered, true), FirstCipher::Aes128, "{offered:?}");
            assert_eq!(first_cipher(offered, false), FirstCipher::ChaCha20, "{offered:?}");
        }
        for offered in [&[CHACHA_20, AES_128][..], &[GREASE, CHACHA_20, AES_256]] {
            assert_eq!(first_cipher(offered, true), FirstCipher::ChaCha20, "{offered:?}");
        }
    }

    #[test]
    fn no_suite_is_lost_and_aes_256_comes_last() {
        let ciphers = |provider: Arc<CryptoProvider>| {
            let suites = provider.cipher_suites.iter().map(|suite| cipher(suite.suite()).unwrap());
            suites.collect::<Vec<_>>()
        };
        use Cipher::{Aes128, Aes256, ChaCha20};
        let aes = [Aes128, Aes128, Aes128, ChaCha20, ChaCha20, ChaCha20, Aes256, Aes256, Aes256];
        assert_eq!(ciphers(provider_in_order(FirstCipher::Aes128)), aes);
        let chacha = [ChaCha20, ChaCha20, ChaCha20, Aes128, Aes128, Aes128, Aes256, Aes256, Aes256];
        assert_eq!(ciphers(provider_in_order(FirstCipher::ChaCha20)), chacha);
        assert_eq!(provider().cipher_suites.len(), 9);
    }
}
