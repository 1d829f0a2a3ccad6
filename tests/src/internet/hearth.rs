//! Hearth as one of the servers of an internet.

use std::ops::{Deref, DerefMut};

use anyhow::Result;

use super::{Host, Internet};
use crate::product::Daemon;

/// A running daemon with a name, an address and a certificate from the authority.
pub struct Hearth {
    /// Its name and address.
    pub host: Host,
    daemon: Daemon,
}

impl Hearth {
    /// Starts one for this domain, where anybody may join; its key is in the zone.
    pub fn start(internet: &Internet, domain: &str) -> Result<Self> {
        Self::start_with(internet, domain, "")
    }

    /// The same with more in its configuration.
    pub fn start_with(internet: &Internet, domain: &str, more: &str) -> Result<Self> {
        let host = internet.host(domain)?;
        let (certificate, key) = (host.certificate.certificate.display(), host.certificate.key.display());
        let names = internet.names().address();
        let more = format!(
            "[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n[dns]\nservers = [\"{names}:53\"]\n{more}\n"
        );
        let daemon = Daemon::start_on(host.address, domain, &more)?;
        Ok(Self { host, daemon })
    }
}

impl Deref for Hearth {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl DerefMut for Hearth {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.daemon
    }
}
