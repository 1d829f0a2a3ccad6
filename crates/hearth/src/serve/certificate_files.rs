//! A certificate in files is renewed by somebody else: the files are looked at again and again, and after SIGHUP, and
//! what is new in them serves the next handshake. A pair that cannot be used is told, and the old one stays.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::Tls;
use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;

use super::blocking;
use super::server::Server;
use super::tls::{self, TlsSettings};

/// How often the files are looked at; two `stat` calls.
const INTERVAL: Duration = Duration::from_secs(60);

/// Runs for ever. With a certificate of our own a hang-up means nothing, but it must not end the server either.
pub(super) async fn run(server: Arc<Server>, mut hang_up: Signal) {
    let mut files = match &server.config.tls {
        Tls::Files { certificate, key } => Some(CertificateFiles::new(certificate.clone(), key.clone())),
        Tls::SelfSigned { .. } => None,
    };
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let look = tokio::select! {
            _ = interval.tick() => Look::IfChanged,
            _ = hang_up.recv() => Look::InAnyCase,
        };
        let (Some(mut looked_at), tls) = (files.take(), server.tls.clone()) else { continue };
        let looked = blocking::run(move || {
            looked_at.look(&tls, look);
            looked_at
        });
        files = looked.await.ok();
    }
}

/// How hard to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Only if the files are others than those in use.
    IfChanged,
    /// Somebody says that they are.
    InAnyCase,
}

/// The two files, and what they were when they were last good.
pub(super) struct CertificateFiles {
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
    pub(super) fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self { certificate, key, good: None }
    }

    /// Takes what is new in the files into use. It may block.
    pub(super) fn look(&mut self, tls: &TlsSettings, look: Look) {
        // Before they are read: whatever changes meanwhile is seen the next time.
        let stamps = self.stamps().ok();
        if look == Look::IfChanged && stamps.is_some() && stamps == self.good {
            return;
        }
        // A renewal writes two files one after the other, so a pair that does not fit is tried again next time.
        match tls::read_files(&self.certificate, &self.key) {
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
