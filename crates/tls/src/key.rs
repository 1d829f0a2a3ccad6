//! The private key of a certificate: made once for a name, and kept over all renewals, since clients pin it.

use std::fmt;

use anyhow::Context;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData};
use rustls_pki_types::PrivatePkcs8KeyDer;

/// An ECDSA key pair on the curve P-256. Its private half is never shown by `Debug`.
pub struct CertificateKey {
    pair: KeyPair,
}

impl CertificateKey {
    /// A new key pair.
    ///
    /// # Errors
    ///
    /// When the crypto provider gives no random bytes.
    pub fn generate() -> anyhow::Result<Self> {
        Ok(Self { pair: KeyPair::generate().context("making a TLS key")? })
    }

    /// The key pair in these bytes (PKCS #8, DER).
    ///
    /// # Errors
    ///
    /// When they are damaged, or not a key pair's that a certificate can have.
    pub fn from_pkcs8(bytes: &[u8]) -> anyhow::Result<Self> {
        Ok(Self { pair: KeyPair::try_from(bytes).context("reading the kept TLS key")? })
    }

    /// The bytes to keep (PKCS #8, DER). They are secret.
    #[must_use]
    pub fn to_pkcs8(&self) -> Vec<u8> {
        self.pair.serialize_der()
    }

    /// The public key (SubjectPublicKeyInfo, DER), which clients pin.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// The request for a certificate with these names, domain names or IP addresses, in DER (PKCS #10, RFC 2986).
    ///
    /// # Errors
    ///
    /// When a name is none that a certificate can have.
    pub fn request(&self, names: &[String]) -> anyhow::Result<Vec<u8>> {
        let mut params = CertificateParams::new(names).context("naming the certificate")?;
        // The names stand in an extension; a subject of its own is neither needed nor wanted.
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&self.pair).context("signing the certificate's request")?;
        Ok(request.der().to_vec())
    }

    pub(crate) fn private(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pair.serialize_der())
    }
}

impl fmt::Debug for CertificateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CertificateKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::CertificateKey;

    #[test]
    fn a_kept_key_is_the_same_and_damage_is_an_error() {
        let key = CertificateKey::generate().unwrap();
        let kept = key.to_pkcs8();
        assert_eq!(CertificateKey::from_pkcs8(&kept).unwrap().public_key(), key.public_key());
        CertificateKey::from_pkcs8(&kept[1..]).unwrap_err();
        assert_eq!(format!("{key:?}"), "CertificateKey(..)");
    }

    #[test]
    fn a_request_has_the_names_and_no_subject() {
        let key = CertificateKey::generate().unwrap();
        let request = key.request(&["box.example".to_owned(), "192.0.2.1".to_owned()]).unwrap();
        let has = |part: &[u8]| request.windows(part.len()).any(|window| window == part);
        assert!(has(b"box.example") && has(&[192, 0, 2, 1]) && has(&key.public_key()));
        assert!(!has(b"rcgen"));
        key.request(&["Straße".to_owned()]).unwrap_err();
    }
}
