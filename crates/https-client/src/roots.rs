//! The root certificates that the client trusts.

use std::path::Path;

use anyhow::Context;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The root certificates of the machine, and those in a PEM file. A machine without any is no error: only the file's are
/// trusted then.
///
/// # Errors
///
/// When the file cannot be read, or has no certificate or a bad one.
pub fn roots(further: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // Every system has some roots that rustls cannot parse; the rest is enough.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = further {
        let certificates = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("reading the certificates in {}", file.display()))?;
        anyhow::ensure!(!certificates.is_empty(), "there is no certificate in {}", file.display());
        for certificate in certificates {
            roots.add(certificate).with_context(|| format!("using a certificate in {}", file.display()))?;
        }
    }
    Ok(roots)
}
