//! Hearth as one of the servers of an internet.

use std::ops::{Deref, DerefMut};
use std::path::Path;

use anyhow::{Context, Result};

use super::opendkim::public_record;
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
        Self::start_at(internet, internet.host(domain)?, more)
    }

    /// Starts one that has proven answers (RFC 4035) of the name servers, whose root zone has this key.
    pub fn start_proving(internet: &Internet, domain: &str, root_key: &str) -> Result<Self> {
        let names = internet.names().records_address();
        let dns = format!("validating = [\"{names}\"]\nroot_keys = \"\"\"{root_key}\"\"\"\n");
        Self::start_configured(internet, internet.host(domain)?, &dns, "")
    }

    /// The same at a host, under its name.
    pub fn start_at(internet: &Internet, host: Host, more: &str) -> Result<Self> {
        Self::start_configured(internet, host, "", more)
    }

    fn start_configured(internet: &Internet, host: Host, dns: &str, more: &str) -> Result<Self> {
        let domain = host.domain.as_str();
        let (certificate, key) = (host.certificate.certificate.display(), host.certificate.key.display());
        let names = internet.names().address();
        let roots = internet.authority().roots().display();
        let more = format!(
            "[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n[dns]\nservers = [\"{names}:53\"]\n{dns}\
             [federation]\noutbound = \"all\"\nprivate_networks = true\nroots = \"{roots}\"\n{more}\n"
        );
        let daemon = Daemon::start_on(host.address, domain, &more)?;
        // The daemon's own folder goes with it; its log is of interest after that.
        let folder = host.folder.join("hearth");
        std::fs::create_dir_all(&folder)?;
        std::fs::hard_link(daemon.log_file(), folder.join("log"))?;
        internet.names().add(&key_record(domain, &daemon.state())?)?;
        Ok(Self { host, daemon })
    }

    /// Starts one that has no name of the internet yet, at this host, with this in its configuration.
    pub fn start_unnamed(internet: &Internet, host: Host, more: &str) -> Result<Self> {
        let names = internet.names().address();
        let more = format!("[dns]\nservers = [\"{names}:53\"]\n{more}\n");
        let daemon = Daemon::start_on(host.address, "hearth-1a2b.local", &more)?;
        let folder = host.folder.join("hearth");
        std::fs::create_dir_all(&folder)?;
        std::fs::hard_link(daemon.log_file(), folder.join("log"))?;
        Ok(Self { host, daemon })
    }

    /// Switches it off and on. Whatever it has queued is due then.
    pub fn restart(&mut self) -> Result<()> {
        self.daemon.stop()?;
        self.daemon.switch_on()
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

/// The record of the daemon's DKIM key, which is read from the store's journal: a setting in JSON.
fn key_record(domain: &str, state: &Path) -> Result<String> {
    let start = b"{\"selector\":\"hearth\",\"der\":[";
    let mut record = None;
    for file in std::fs::read_dir(state.join("store"))?.flatten() {
        let journal = std::fs::read(file.path()).unwrap_or_default();
        let found = journal.windows(start.len()).position(|window| window == start);
        let list =
            found.and_then(|place| journal.get(place + start.len()..)?.split(|byte| *byte == b']').next());
        if let Some(list) = list {
            let bytes: Vec<u8> =
                std::str::from_utf8(list)?.split(',').map(str::parse).collect::<Result<_, _>>()?;
            record = Some(bytes);
        }
    }
    let der = record.context("the DKIM key in the journal")?;
    public_record("hearth", domain, &der, "DER")
}
