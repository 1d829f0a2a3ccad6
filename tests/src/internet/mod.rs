//! An internet in a box: other people's mail servers, each with a name and an address of its own, beside a name server
//! and an authority that all of them trust.
//!
//! Everything is in one network namespace (`scripts/namespace`), whose loopback interface has an address for each host:
//! servers listen on the standard ports of their own, and find one another by MX and A records.

mod authority;
pub mod awkward;
pub mod classic;
pub mod dkim_tool;
mod dovecot;
pub mod hearth;
mod https;
pub mod letters;
mod listener;
mod names;
mod opendkim;
mod postfix;
pub mod reference;
mod service;
mod tls;

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Result;
use tempfile::TempDir;

pub use authority::{Authority, CertificateKind, Files};
pub use names::{
    AUTHORITATIVE, DYNAMIC_KEY, DYNAMIC_SECRET, DYNAMIC_ZONE, DynamicZone, NameServer, resolver_at,
};
pub use service::Service;
pub(crate) use tls::server_config;

use crate::namespace::{alone_among, ip, report};

/// The name server's address; the other hosts' have the same first three numbers.
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The lines of a log that are shown when something is wrong.
const TAIL: usize = 40;

/// A name server, an authority, and the folders of the hosts.
pub struct Internet {
    folder: TempDir,
    names: NameServer,
    authority: Authority,
    last_host: AtomicU8,
}

/// A place for a mail server: its name, its address, and a folder for its files.
#[derive(Clone, Debug)]
pub struct Host {
    /// The mail domain, which is also the host's name.
    pub domain: String,
    /// The address on which it listens, and from which it comes.
    pub address: Ipv4Addr,
    /// The folder for its configuration and state, which any user may enter.
    pub folder: PathBuf,
    /// Its certificate from the authority.
    pub certificate: Files,
}

/// Runs a test's body in an internet of its own ([`crate::namespace::alone`]).
///
/// Servers run as users of their own, so an ordinary user's namespace, which has one user, is not enough: there the
/// test is left out.
pub fn play(test: &str, body: impl FnOnce(&Internet) -> Result<()>) {
    let server = NAME_SERVER.to_string();
    alone_among(test, &[("HEARTH_NAME_SERVER", &server)], || {
        if std::fs::read_to_string("/proc/self/uid_map")?.split_whitespace().nth(2) == Some("1") {
            report(&format!("{test}: NOT RUN: its servers need several users; run it as root"));
            return Ok(());
        }
        let internet = Internet::start()?;
        body(&internet).inspect_err(|_| internet.show_logs())
    });
}

impl Internet {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        open_to_all(folder.path())?;
        let names = NameServer::start(NAME_SERVER, &folder.path().join("names"))?;
        let authority = Authority::new(&folder.path().join("authority"))?;
        Ok(Self { folder, names, authority, last_host: AtomicU8::new(NAME_SERVER.octets()[3]) })
    }

    /// Shows the ends of the servers' logs, which lie in `HOST/SERVER/log`.
    fn show_logs(&self) {
        let below = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
        for server in below(self.folder.path()).flat_map(|host| below(&host.path())) {
            if let Ok(log) = std::fs::read_to_string(server.path().join("log")) {
                report(&format!("{}:\n{}\n", server.path().display(), tail(&log)));
            }
        }
    }

    /// The records of all zones.
    #[must_use]
    pub fn names(&self) -> &NameServer {
        &self.names
    }

    /// The authority that every server here trusts.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// A host for this domain, found by an MX and an A record.
    pub fn host(&self, domain: &str) -> Result<Host> {
        let host = self.host_without_names(domain)?;
        self.names.add(&format!("{domain}. A {}\n{domain}. MX 10 {domain}.", host.address))?;
        Ok(host)
    }

    /// The same, but for nobody to find.
    pub fn host_without_names(&self, domain: &str) -> Result<Host> {
        let number = self.last_host.fetch_add(1, Ordering::SeqCst) + 1;
        let [a, b, c, _] = NAME_SERVER.octets();
        self.host_at(domain, Ipv4Addr::new(a, b, c, number))
    }

    /// The same at an address of the test's choice.
    pub fn host_at(&self, domain: &str, address: Ipv4Addr) -> Result<Host> {
        let folder = self.folder.path().join(domain);
        std::fs::create_dir_all(&folder)?;
        open_to_all(&folder)?;
        let certificate = self.authority.issue(
            CertificateKind::Trusted,
            &[domain, &format!("mta-sts.{domain}")],
            &folder,
        )?;
        ip(&["addr", "add", &format!("{address}/32"), "dev", "lo"])?;
        Ok(Host { domain: domain.to_owned(), address, folder, certificate })
    }
}

/// The last lines of a text.
fn tail(text: &str) -> String {
    // A daemon's log begins with a code to scan.
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains(['█', '▀', '▄'])).collect();
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
}

/// Lets the users of the servers reach what is theirs below this folder.
fn open_to_all(folder: &Path) -> Result<()> {
    Ok(std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?)
}
