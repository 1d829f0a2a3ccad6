//! Our own key pair: made, read, used, published.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::PrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::rand_core::{TryCryptoRng, TryRng};

use crate::der::info_of_rsa_key;

/// The size of a new key in bits: RFC 8301 section 3.2 wants it, and 2048 bits are what every verifier takes.
const KEY_BITS: usize = 2048;

/// A key pair that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The search for primes failed.
    #[error("making a DKIM key of {KEY_BITS} bits failed; try again")]
    Generation,
    /// The bytes are no key pair, or one of fewer than 2048 bits.
    #[error(
        "a stored DKIM key is no RSA key pair of 2048 bits or more ({0}); make a new one and publish its record"
    )]
    Unusable(ring::error::KeyRejected),
}

/// An RSA key pair that signs mail. It is never printed.
pub struct SigningKey(RsaKeyPair);

impl SigningKey {
    /// Makes a key pair of 2048 bits, as an RSAPrivateKey in DER (RFC 8017 appendix A.1.2), to be kept as a secret.
    ///
    /// The seed is 32 random bytes that are used for nothing else. The same seed gives the same key. This takes between
    /// 10 and 150 ms on a desktop machine, and many times that on a small board.
    ///
    /// # Errors
    ///
    /// When no primes were found, which does not happen in practice.
    pub fn generate(seed: &[u8; 32]) -> Result<Vec<u8>, KeyError> {
        let mut random = SeededRandom::new(seed);
        let key = PrivateKey::new(&mut random, KEY_BITS).map_err(|_| KeyError::Generation)?;
        let der = key.to_pkcs1_der().map_err(|_| KeyError::Generation)?;
        Ok(der.as_bytes().to_vec())
    }

    /// Reads a key pair: RSAPrivateKey, or PKCS #8 around it, which other programs write.
    ///
    /// # Errors
    ///
    /// When this is no RSA key pair, or one of fewer than 2048 bits or more than 4096.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        RsaKeyPair::from_der(der)
            .or_else(|error| RsaKeyPair::from_pkcs8(der).map_err(|_| error))
            .map(Self)
            .map_err(KeyError::Unusable)
    }

    /// The text of the TXT record to publish (RFC 6376 section 3.6.1), about 410 characters: in a zone file it is split
    /// into strings of at most 255.
    #[must_use]
    pub fn record(&self) -> String {
        let key = STANDARD.encode(info_of_rsa_key(self.0.public_key().as_ref()));
        format!("v=DKIM1;k=rsa;s=email;t=s;p={key}")
    }

    /// The signature of a text by `rsa-sha256`; none if the provider fails.
    pub(crate) fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).ok()?;
        Some(signature)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// Random numbers from a seed: HMAC-SHA-256 of a counter, keyed with the seed.
struct SeededRandom {
    key: hmac::Key,
    counter: u64,
}

impl SeededRandom {
    fn new(seed: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, seed), counter: 0 }
    }

    fn fill(&mut self, out: &mut [u8]) {
        for block in out.chunks_mut(32) {
            let random = hmac::sign(&self.key, &self.counter.to_be_bytes());
            self.counter += 1;
            block.iter_mut().zip(random.as_ref()).for_each(|(byte, random)| *byte = *random);
        }
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl TryRng for SeededRandom {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(u32::from_le_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(u64::from_le_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for SeededRandom {}
