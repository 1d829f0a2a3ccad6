//! The algorithms of signatures (RFC 8301, RFC 8463) and their public keys.

use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};

use crate::der::{modulus_bits, rsa_key_in};

/// The sizes of RSA keys that count, in bits. RFC 8301 section 3.2: shorter ones must not be valid; longer ones are
/// rare, cost more with each bit, and hardly fit into an answer of the DNS.
const RSA_BITS: std::ops::RangeInclusive<u64> = 1024..=4096;

/// An algorithm. RFC 8301 has taken `rsa-sha1` away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    RsaSha256,
    Ed25519Sha256,
}

impl Algorithm {
    /// The algorithm that a signature names in `a=`.
    pub(crate) fn of_signature(name: &str) -> Option<Self> {
        match name {
            "rsa-sha256" => Some(Self::RsaSha256),
            "ed25519-sha256" => Some(Self::Ed25519Sha256),
            _ => None,
        }
    }

    /// The name of its keys, as `k=` of a record has it.
    pub(crate) fn key_type(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa",
            Self::Ed25519Sha256 => "ed25519",
        }
    }
}

/// A public key of a usable size.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    algorithm: Algorithm,
    /// RSAPublicKey, or the 32 bytes of Ed25519.
    bytes: Vec<u8>,
}

/// Bytes that are no key of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnusableKey {
    Malformed,
    Size,
}

impl PublicKey {
    /// Reads what a record has in `p=`.
    ///
    /// RFC 6376 section 3.6.1 names RSAPublicKey, its examples and everybody use SubjectPublicKeyInfo, so both count.
    pub(crate) fn parse(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, UnusableKey> {
        let bytes = match algorithm {
            Algorithm::RsaSha256 => {
                let key = rsa_key_in(bytes).unwrap_or(bytes);
                let bits = modulus_bits(key).ok_or(UnusableKey::Malformed)?;
                Some(key).filter(|_| RSA_BITS.contains(&bits)).ok_or(UnusableKey::Size)?
            }
            Algorithm::Ed25519Sha256 if bytes.len() == 32 => bytes,
            Algorithm::Ed25519Sha256 => return Err(UnusableKey::Malformed),
        };
        Ok(Self { algorithm, bytes: bytes.to_vec() })
    }

    /// Whether this is the key's signature of the text.
    pub(crate) fn has_signed(&self, text: &[u8], signature: &[u8]) -> bool {
        let verified = match self.algorithm {
            Algorithm::RsaSha256 => {
                let algorithm = &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY;
                UnparsedPublicKey::new(algorithm, &self.bytes).verify(text, signature)
            }
            // RFC 8463 section 3: the hash is signed, not the text.
            Algorithm::Ed25519Sha256 => {
                let hash = digest(&SHA256, text);
                UnparsedPublicKey::new(&ED25519, &self.bytes).verify(hash.as_ref(), signature)
            }
        };
        verified.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, PublicKey, UnusableKey};
    use crate::der::info_of_rsa_key;

    /// RSAPublicKey with a modulus of this many bits; its exponent is 65537.
    fn rsa_key(bits: usize) -> Vec<u8> {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] >>= modulus.len() * 8 - bits;
        if modulus[0] >= 0x80 {
            modulus.insert(0, 0);
        }
        let integer = |content: &[u8]| {
            let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[0x02, 0x82, high, low], content].concat()
        };
        let content = [integer(&modulus), integer(&[1, 0, 1])].concat();
        let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82, high, low], content.as_slice()].concat()
    }

    #[test]
    fn rsa_keys_have_a_sensible_size() {
        for (bits, expected) in
            [(512, false), (1023, false), (1024, true), (2048, true), (4096, true), (4097, false)]
        {
            let key = rsa_key(bits);
            let parsed = PublicKey::parse(Algorithm::RsaSha256, &key);
            assert_eq!(parsed, PublicKey::parse(Algorithm::RsaSha256, &info_of_rsa_key(&key)), "{bits} bits");
            match expected {
                true => assert_eq!(parsed.map(|key| key.bytes), Ok(key)),
                false => assert_eq!(parsed, Err(UnusableKey::Size), "{bits} bits"),
            }
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let key = rsa_key(2048);
        for bytes in [&[0; 32][..], &key[1..], &key[..100], &[&key[..], b"x"].concat(), b""] {
            assert_eq!(PublicKey::parse(Algorithm::RsaSha256, bytes), Err(UnusableKey::Malformed));
        }
        for bytes in [&[0; 31][..], &[0; 33], &key, b""] {
            assert_eq!(PublicKey::parse(Algorithm::Ed25519Sha256, bytes), Err(UnusableKey::Malformed));
        }
    }
}
