//! Root certificates that the owner trusts besides the machine's.

use std::path::PathBuf;

use anyhow::Context;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The beginning of a certificate's encapsulation boundary (RFC 7468 section 5.1).
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// Root certificates, as PEM (RFC 7468).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// A file, which is read when they are needed.
    File(PathBuf),
    /// The certificates themselves, each of which can be used.
    Given(Vec<CertificateDer<'static>>),
}

impl Roots {
    /// Whether a text has certificates in it, and is not the name of a file with them.
    #[must_use]
    pub fn is_given(text: &str) -> bool {
        text.contains(BEGIN)
    }

    /// The certificates in a text.
    ///
    /// # Errors
    ///
    /// When there is none, or a bad one.
    pub fn given(text: &str) -> anyhow::Result<Self> {
        let certificates = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.context("reading the certificates")?;
        add(&certificates, &mut RootCertStore::empty())?;
        Ok(Self::Given(certificates))
    }

    /// Adds them to those that are trusted.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or has no certificate or a bad one.
    pub fn add_to(&self, trusted: &mut RootCertStore) -> anyhow::Result<()> {
        match self {
            Self::Given(certificates) => add(certificates, trusted),
            Self::File(file) => {
                let certificates =
                    CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
                certificates
                    .context("reading the certificates")
                    .and_then(|certificates| add(&certificates, trusted))
                    .with_context(|| format!("in {}", file.display()))
            }
        }
    }
}

fn add(certificates: &[CertificateDer<'static>], trusted: &mut RootCertStore) -> anyhow::Result<()> {
    anyhow::ensure!(!certificates.is_empty(), "there is no certificate");
    for certificate in certificates {
        trusted.add(certificate.clone()).context("using a certificate")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;
    use rustls::RootCertStore;

    use super::{BEGIN, Roots};

    fn certificate() -> String {
        generate_simple_self_signed(["box.example".to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn certificates_in_a_text_are_those_of_a_file() {
        let both = format!("The authority of a house\n{}\n{}", certificate(), certificate());
        assert!(Roots::is_given(&both) && !Roots::is_given("/etc/roots.pem"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &both).unwrap();
        for roots in [Roots::given(&both).unwrap(), Roots::File(file.path().to_owned())] {
            let mut trusted = RootCertStore::empty();
            roots.add_to(&mut trusted).unwrap();
            assert_eq!(trusted.len(), 2);
        }
    }

    #[test]
    fn what_is_no_certificate_is_an_error() {
        let cut = certificate().replace("-----END", "");
        let empty = format!("{BEGIN}\nAAAA\n-----END CERTIFICATE-----\n");
        for text in ["", "/etc/roots.pem", BEGIN, &cut, &empty] {
            assert!(Roots::given(text).is_err(), "{text}");
        }
        let missing = Roots::File("/nowhere/roots.pem".into()).add_to(&mut RootCertStore::empty());
        assert!(format!("{:#}", missing.unwrap_err()).starts_with("in /nowhere/roots.pem: reading"));
    }
}
