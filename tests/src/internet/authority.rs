//! The certificate authority that all servers trust, and certificates as they should be and as they should not.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData, date_time_ymd,
};

/// A certificate authority (RFC 5280).
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    roots: PathBuf,
}

/// The ways in which a certificate can be right or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateKind {
    /// From the authority, for the name.
    Trusted,
    /// From the authority, for `somebody-else.test`.
    ForAnotherName,
    /// For the name, but signed by nobody else.
    SelfSigned,
    /// From the authority, for the name, but of a year that is over.
    Expired,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate, as PEM.
    pub certificate: PathBuf,
    /// Its private key (PKCS#8), as PEM.
    pub key: PathBuf,
}

impl Files {
    /// The SHA-256 of the public key (RFC 6698 section 2.1.2: selector 1), in hexadecimal.
    pub fn key_digest(&self) -> Result<String> {
        let key = KeyPair::from_pem(&std::fs::read_to_string(&self.key)?)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &key.subject_public_key_info());
        Ok(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Authority {
    /// An authority with its files in this folder.
    pub fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "The authority of a test");
        let key = KeyPair::generate()?;
        let roots = folder.join("roots.pem");
        std::fs::write(&roots, parameters.self_signed(&key)?.pem())?;
        Ok(Self { issuer: Issuer::new(parameters, key), roots })
    }

    /// The file with its own certificate, as PEM.
    #[must_use]
    pub fn roots(&self) -> &Path {
        &self.roots
    }

    /// Issues a certificate for these names, into a folder.
    pub fn issue(&self, kind: CertificateKind, names: &[&str], folder: &Path) -> Result<Files> {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        if kind == CertificateKind::ForAnotherName {
            names = vec!["somebody-else.test".to_owned()];
        }
        let mut parameters = CertificateParams::new(names)?;
        if kind == CertificateKind::Expired {
            parameters.not_before = date_time_ymd(2024, 1, 1);
            parameters.not_after = date_time_ymd(2024, 12, 31);
        }
        let key = KeyPair::generate()?;
        let certificate = match kind {
            CertificateKind::SelfSigned => parameters.self_signed(&key)?,
            _ => parameters.signed_by(&key, &self.issuer)?,
        };
        let files = Files { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
        std::fs::write(&files.certificate, certificate.pem())?;
        std::fs::write(&files.key, key.serialize_pem())?;
        Ok(files)
    }
}
