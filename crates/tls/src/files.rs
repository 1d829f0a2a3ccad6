//! A certificate in two PEM files, which somebody else renews: what is new in them serves the next handshake. A pair
//! that cannot be used is reported, and the certificate in use stays.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rustls::server::ProducesTickets;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::provider::provider;
use crate::settings::{CertificateSummary, TlsSettings};

/// The certificate from two PEM files.
pub fn from_files(
    certificate: &Path,
    key: &Path,
    tickets: Arc<dyn ProducesTickets>,
) -> anyhow::Result<TlsSettings> {
    let certified = read_files(certificate, key)?;
    let names = vec![certificate.display().to_string()];
    TlsSettings::new(certified, tickets, CertificateSummary { self_signed: false, names, expires: None })
}

/// What the two files hold, if it can be used.
pub fn read_files(certificate: &Path, key: &Path) -> anyhow::Result<CertifiedKey> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("reading the certificate {}", certificate.display()))?;
    let private =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("reading the key {}", key.display()))?;
    CertifiedKey::from_der(chain, private, &provider())
        .with_context(|| format!("{} and {} do not belong together", certificate.display(), key.display()))
}

/// How hard to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Only if the files are others than those in use.
    IfChanged,
    /// Somebody says that they are.
    InAnyCase,
}

/// The two files, and what they were when they were last good.
pub struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    good: Option<[Stamp; 2]>,
}

/// What tells a file from its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl CertificateFiles {
    /// Two files of which nothing is known yet.
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self { certificate, key, good: None }
    }

    /// Takes what is new in the files into use. It may block.
    pub fn look(&mut self, tls: &TlsSettings, look: Look) {
        // Before they are read: whatever changes meanwhile is seen the next time.
        let stamps = self.stamps().ok();
        if look == Look::IfChanged && stamps.is_some() && stamps == self.good {
            return;
        }
        // A renewal writes two files one after the other, so a pair that does not fit is tried again next time.
        match read_files(&self.certificate, &self.key) {
            Ok(certified) => {
                if tls.replace(certified) {
                    tracing::info!("the certificate was loaded anew");
                }
                tls.set_trouble(None);
                self.good = stamps;
            }
            Err(error) => {
                let trouble = format!("The new certificate cannot be used, the old one stays: {error:#}.");
                if tls.trouble().as_ref() != Some(&trouble) {
                    tracing::error!(error = format!("{error:#}"), "the new certificate cannot be used");
                }
                tls.set_trouble(Some(trouble));
            }
        }
    }

    fn stamps(&self) -> std::io::Result<[Stamp; 2]> {
        let stamp = |path| {
            let file = std::fs::metadata(path)?;
            let modified = (file.mtime(), file.mtime_nsec());
            Ok::<_, std::io::Error>(Stamp { inode: file.ino(), length: file.len(), modified })
        };
        Ok([stamp(&self.certificate)?, stamp(&self.key)?])
    }
}
