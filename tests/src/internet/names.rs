//! The name servers: knot with all records of all domains in one zone, the root's, so that other names do not exist;
//! and unbound, as the resolver that everybody asks. It keeps nothing, so that a change is seen at once.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use dns::{NameServer as Asked, RecordKind, Resolver, RootKeys, Servers, Settings};
use rustls::RootCertStore;

use super::Service;
use crate::namespace::ip;

/// The zone whose records a server may change by itself (RFC 2136), with this key.
pub const DYNAMIC_ZONE: &str = "dyn.test";
/// Another one, in which a server is one of the internet by its name.
pub const PUBLIC_ZONE: &str = "dyn.example.org";
/// The name of the key.
pub const DYNAMIC_KEY: &str = "owner";
/// The key in base64.
pub const DYNAMIC_SECRET: &str = "aGVhcnRoLWxhYm9yYXRvcnkta2V5LW9mLTMyLWJ5dGU=";
/// The address of knot itself, as the server of the dynamic zone.
pub const AUTHORITATIVE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);
/// The port of knot, which has the records. The usual one is the resolver's.
const RECORDS_PORT: u16 = 5300;
/// The policy of a signed zone, and the beginning of the root's configuration with it.
const SIGNING: &str = "policy:\n  - id: own\n    manual: on\n    single-type-signing: on\n";
const SIGNED_ROOT: &str = "  - domain: .\n    dnssec-signing: on\n    dnssec-policy: own\n";
/// The start of the root zone (RFC 1035 section 5).
const ROOT: &str = "$ORIGIN .\n$TTL 1\n. SOA ns.test. admin.test. SERIAL 3600 600 86400 1\n. NS ns.test.\n";

/// A resolver and the server that it asks.
pub struct NameServer {
    address: Ipv4Addr,
    records: PathBuf,
    zone: Mutex<Zone>,
    dynamic_serial: Arc<AtomicU32>,
    _services: [Service; 2],
}

#[derive(Default)]
struct Zone {
    serial: u32,
    records: Vec<String>,
}

impl NameServer {
    /// Starts them; the resolver has port 53 of this address.
    pub(super) fn start(address: Ipv4Addr, folder: &Path) -> Result<Self> {
        let zone = Zone { serial: 1, records: vec![format!("ns.test. A {address}")] };
        let records = folder.join("knot");
        let services =
            [start_knot(address, &records, &zone)?, start_unbound(address, &folder.join("unbound"))?];
        Ok(Self {
            address,
            records,
            zone: Mutex::new(zone),
            dynamic_serial: Arc::new(AtomicU32::new(1)),
            _services: services,
        })
    }

    /// The resolver's address; its port is the usual one.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The address and port of knot, which answers for the root zone.
    #[must_use]
    pub fn records_address(&self) -> SocketAddr {
        (self.address, RECORDS_PORT).into()
    }

    /// Signs the root zone from now on (RFC 4035), and gives its key: a DNSKEY record in a zone file's notation.
    pub fn sign(&self) -> Result<String> {
        let configuration = self.records.join("knot.conf");
        keymgr(&configuration, &["generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes"])?;
        let signed = std::fs::read_to_string(&configuration)?.replace("  - domain: .\n", SIGNED_ROOT);
        std::fs::write(&configuration, SIGNING.to_owned() + &signed)?;
        control(&self.records, &["reload"])?;
        control(&self.records, &["zone-sign", "."])?;
        Ok(keymgr(&configuration, &["dnskey"])?.replace(". DNSKEY", ". 60 IN DNSKEY"))
    }

    /// The data of a name's records, as the resolver gives it ([`Resolver::records`]); none if there is no such name.
    pub fn records(&self, name: &str, kind: RecordKind) -> Result<Vec<String>> {
        let resolver = resolver_at((self.address, 53).into())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(resolver.records(name, kind)) {
            Ok(records) => Ok(records),
            Err(error) if error.is_temporary() => Err(error.into()),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Adds records, a line each, with full names: `NAME. [TTL] [IN] TYPE DATA`.
    pub fn add(&self, records: &str) -> Result<()> {
        self.change(|all| all.extend(records.lines().map(str::to_owned)))
    }

    /// Removes all records of a domain and of the names below it: it does not exist any more.
    pub fn remove(&self, domain: &str) -> Result<()> {
        let below = format!(".{domain}.");
        let is_of_it = |record: &str| {
            record
                .split(' ')
                .next()
                .is_some_and(|name| name.trim_end_matches('.') == domain || name.ends_with(&below))
        };
        self.change(|all| all.retain(|record| !is_of_it(record)))
    }

    /// The dynamic zone, for a provider that is told by other ways than RFC 2136.
    #[must_use]
    pub fn dynamic_zone(&self) -> DynamicZone {
        DynamicZone { folder: self.records.clone(), serial: Arc::clone(&self.dynamic_serial) }
    }

    fn change(&self, change: impl FnOnce(&mut Vec<String>)) -> Result<()> {
        let mut zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut zone.records);
        zone.serial += 1;
        zone.write(&self.records)?;
        control(&self.records, &["zone-reload", "."])
    }
}

/// The records of the dynamic zone, to be replaced as a whole.
#[derive(Clone, Debug)]
pub struct DynamicZone {
    folder: PathBuf,
    serial: Arc<AtomicU32>,
}

impl DynamicZone {
    /// Puts these records, lines with full names, in the place of all others.
    pub fn replace(&self, records: &[String]) -> Result<()> {
        let serial = self.serial.fetch_add(1, Ordering::SeqCst) + 1;
        let text = start_of_dynamic_zone(DYNAMIC_ZONE, serial) + &records.join("\n") + "\n";
        std::fs::write(self.folder.join("dynamic.zone"), text)?;
        control(&self.folder, &["zone-reload", DYNAMIC_ZONE])
    }
}

impl Zone {
    fn write(&self, folder: &Path) -> Result<()> {
        let start = ROOT.replace("SERIAL", &self.serial.to_string());
        Ok(std::fs::write(folder.join("root.zone"), start + &self.records.join("\n") + "\n")?)
    }
}

/// The dynamic zone without a record of a server.
fn start_of_dynamic_zone(zone: &str, serial: u32) -> String {
    format!(
        "$ORIGIN {zone}.\n$TTL 1\n@ SOA ns admin {serial} 3600 600 86400 1\n@ NS ns\nns A {AUTHORITATIVE}\n"
    )
}

fn start_knot(address: Ipv4Addr, folder: &Path, zone: &Zone) -> Result<Service> {
    std::fs::create_dir_all(folder)?;
    zone.write(folder)?;
    std::fs::write(folder.join("dynamic.zone"), start_of_dynamic_zone(DYNAMIC_ZONE, 1))?;
    std::fs::write(folder.join("public.zone"), start_of_dynamic_zone(PUBLIC_ZONE, 1))?;
    ip(&["addr", "add", &format!("{AUTHORITATIVE}/32"), "dev", "lo"])?;
    let configuration = folder.join("knot.conf");
    std::fs::write(&configuration, configure_knot(address, &folder.display().to_string()))?;
    let mut command = Command::new("knotd");
    command.arg("-c").arg(configuration);
    let mut service = Service::start("knotd", command, &folder.join("log"))?;
    service.wait_for((address, RECORDS_PORT).into())?;
    service.wait_until("its zone is loaded", || control(folder, &["zone-status", "."]).is_ok())?;
    Ok(service)
}

fn start_unbound(address: Ipv4Addr, folder: &Path) -> Result<Service> {
    std::fs::create_dir_all(folder)?;
    let configuration = folder.join("unbound.conf");
    std::fs::write(&configuration, configure_unbound(address))?;
    let mut command = Command::new("unbound");
    command.arg("-d").arg("-c").arg(configuration);
    let mut service = Service::start("unbound", command, &folder.join("log"))?;
    service.wait_for((address, 53).into())?;
    Ok(service)
}

/// The zone is read from its file as a whole, and the file is never written to.
fn configure_knot(address: Ipv4Addr, folder: &str) -> String {
    format!(
        r#"server:
    rundir: "{folder}"
    listen: {address}@{RECORDS_PORT}
    listen: {AUTHORITATIVE}@53
    user: root:root
log:
  - target: stderr
    any: info
database:
    storage: "{folder}"
key:
  - id: {DYNAMIC_KEY}
    algorithm: hmac-sha256
    secret: {DYNAMIC_SECRET}
acl:
  - id: owners
    key: {DYNAMIC_KEY}
    action: update
zone:
  - domain: {DYNAMIC_ZONE}
    file: "{folder}/dynamic.zone"
    zonefile-sync: -1
    acl: owners
  - domain: {PUBLIC_ZONE}
    file: "{folder}/public.zone"
    zonefile-sync: -1
    acl: owners
  - domain: .
    file: "{folder}/root.zone"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
"#
    )
}

fn configure_unbound(address: Ipv4Addr) -> String {
    format!(
        r#"server:
    interface: {address}
    access-control: 0.0.0.0/0 allow
    do-ip6: no
    chroot: ""
    username: ""
    directory: ""
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
    num-threads: 1
    cache-max-ttl: 0
    cache-max-negative-ttl: 0
    do-not-query-localhost: no
    local-zone: "test." nodefault
remote-control:
    control-enable: no
stub-zone:
    name: "."
    stub-addr: {address}@{RECORDS_PORT}
"#
    )
}

/// Runs knot's program for keys on the root zone, and gives what it prints.
fn keymgr(configuration: &Path, arguments: &[&str]) -> Result<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut keymgr = Command::new("keymgr");
    keymgr.env("PATH", format!("{path}:/usr/sbin:/sbin")).arg("-c").arg(configuration).arg(".");
    let output = keymgr.args(arguments).output().context("running keymgr")?;
    ensure!(output.status.success(), "keymgr {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The product's resolver, which asks only this name server.
pub fn resolver_at(address: SocketAddr) -> Result<Resolver> {
    let server = Asked { address, tls_name: None };
    Resolver::new(Settings {
        servers: Servers::Listed(vec![server]),
        validating: Vec::new(),
        root_keys: RootKeys::Iana,
        tls_roots: RootCertStore::empty(),
    })
}

/// Tells knot what to do, and waits until it is done.
fn control(folder: &Path, command: &[&str]) -> Result<()> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut knotc = Command::new("knotc");
    knotc.env("PATH", format!("{path}:/usr/sbin:/sbin")).arg("-s").arg(folder.join("knot.sock"));
    let output = knotc.arg("-b").args(command).output().context("running knotc")?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "knotc {command:?}: {said}");
    Ok(())
}
