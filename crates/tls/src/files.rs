//! A certificate in two PEM files, which another program renews: a renewed pair serves the next handshake. A pair that
//! cannot be used is reported, and the certificate in use stays.

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

/// The settings with the certificate from two PEM files.
///
/// # Errors
///
/// As [`read_files`], and when rustls refuses the settings.
pub fn from_files(
    certificate: &Path,
    key: &Path,
    tickets: Arc<dyn ProducesTickets>,
) -> anyhow::Result<TlsSettings> {
    let certified = read_files(certificate, key)?;
    let names = vec![certificate.display().to_string()];
    TlsSettings::new(
        certified,
        tickets,
        CertificateSummary { self_signed: false, names, issuer: None, expires: None },
    )
}

/// The certificate chain and the private key in two PEM files.
///
/// # Errors
///
/// When a file cannot be read or is not PEM, or the key is not the certificate's.
pub fn read_files(certificate: &Path, key: &Path) -> anyhow::Result<CertifiedKey> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("reading the certificate {}", certificate.display()))?;
    let private =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("reading the key {}", key.display()))?;
    CertifiedKey::from_der(chain, private, &provider())
        .with_context(|| format!("{} and {} do not belong together", certificate.display(), key.display()))
}

/// The condition for reading the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Inode, length or modification time differ from those of the files in use.
    IfChanged,
    /// None.
    Always,
}

/// Two PEM files, and their state when they were last read without an error.
pub struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    good: Option<[Stamp; 2]>,
}

/// The attributes that tell a file from its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl CertificateFiles {
    /// Two files that have not been read yet.
    #[must_use]
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self { certificate, key, good: None }
    }

    /// Reads the files and puts a new certificate into use; an error becomes the settings' trouble. Blocks on file IO.
    pub fn reload(&mut self, tls: &TlsSettings, reload: Reload) {
        // The stamps are taken before the files are read: a change in between is seen the next time.
        let stamps = self.stamps().ok();
        if reload == Reload::IfChanged && stamps.is_some() && stamps == self.good {
            return;
        }
        // A renewal writes two files one after the other: a pair that does not fit sets no stamps, and is read again the
        // next time.
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
