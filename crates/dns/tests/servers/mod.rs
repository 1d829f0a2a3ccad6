//! Debian's name servers on free ports of this machine: knot, which serves and signs zones from the root on, and unbound,
//! which asks it for others, by TLS too. They end with the test.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dns::{NameServer, RecordKind, Resolver, RootKeys, Servers, Settings};
use host::clock;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use tempfile::TempDir;

/// The longest wait for a server's first answer.
const START_LIMIT: Duration = Duration::from_secs(30);
/// The ports that are tried: each may be taken by another program before the server has it.
const TRIES: usize = 5;
/// The folders in which Debian has servers, which are not in every path.
const PATH: &str = "/usr/sbin:/sbin:/usr/bin:/bin";

/// A running name server with a folder of its own.
pub(crate) struct NameServerProcess {
    process: Child,
    _directory: Option<TempDir>,
    /// For questions by UDP and TCP.
    pub(crate) address: SocketAddr,
    /// For questions by TLS.
    pub(crate) tls_address: SocketAddr,
}

impl Drop for NameServerProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl NameServerProcess {
    /// Starts a program with the configuration that `configure` makes of two free ports, and waits until it answers.
    async fn start(
        directory: &Path,
        program: &str,
        arguments: &[&str],
        configure: impl Fn(u16, u16) -> String,
    ) -> Self {
        for _ in 0..TRIES {
            let (port, tls_port) = (free_port(), free_port());
            let file = directory.join("server.conf");
            fs::write(&file, configure(port, tls_port)).unwrap();
            let process = Command::new(program)
                .args(arguments)
                .arg(&file)
                .env("PATH", PATH)
                .stdout(Stdio::null())
                .stderr(fs::File::create(directory.join("log")).unwrap())
                .spawn()
                .unwrap_or_else(|error| panic!("{program}: {error}; scripts/prepare test installs it"));
            let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let mut server = Self { process, _directory: None, address: at(port), tls_address: at(tls_port) };
            if server.answers().await {
                return server;
            }
        }
        panic!("{program}: {}", fs::read_to_string(directory.join("log")).unwrap_or_default());
    }

    /// True once it answers; false if it has ended, or does not answer in time.
    async fn answers(&mut self) -> bool {
        let deadline = clock::now() + START_LIMIT;
        while clock::now() < deadline {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            let resolver = Resolver::new(plain(self.address)).unwrap();
            if resolver.records("test", RecordKind::Ns).await.is_ok() {
                return true;
            }
        }
        false
    }
}

/// A port that is free for both transports at this moment.
fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = udp.local_addr().unwrap();
        if TcpListener::bind(address).is_ok() {
            return address.port();
        }
    }
}

/// The settings to ask one server by UDP and TCP.
pub(crate) fn plain(address: SocketAddr) -> Settings {
    let servers = Servers::Listed(vec![NameServer { address, tls_name: None }]);
    let tls_roots = RootCertStore::empty();
    Settings { servers, validating: Vec::new(), root_keys: RootKeys::Iana, tls_roots }
}

/// Knot with these zones, each with the text of its file: the root and those that begin with `signed` or `broken` are signed,
/// and the root vouches for those that begin with `signed`, but for `broken` ones with the key of another; those with `hashed` in
/// the name by NSEC3.
pub(crate) async fn knot(zones: &[(&str, &str)]) -> (NameServerProcess, RootKeys) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_owned();
    let bootstrap = place.join("keymgr.conf");
    fs::write(&bootstrap, configuration(&place, zones, 53)).unwrap();
    let generate = |zone: &str| {
        keymgr(&bootstrap, zone, &["generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes"])
    };
    generate(".");
    let mut root = String::from(
        "@ 60 SOA ns.test. root.test. 1 60 60 60 60\n@ 60 NS ns.test.\nns.test. 60 A 127.0.0.1\n",
    );
    for (zone, text) in zones {
        fs::write(place.join(zone), text).unwrap();
        root.push_str(&format!("{zone}. 60 NS ns.test.\n"));
        if is_signed(zone) {
            generate(zone);
            let delegated = if zone.starts_with("broken") { "." } else { zone };
            let signer = keymgr(&bootstrap, delegated, &["ds"]);
            let record = signer.lines().next().and_then(|line| line.split_once(' ')).unwrap().1;
            root.push_str(&format!("{zone}. 60 {record}\n"));
        }
    }
    fs::write(place.join("root"), root).unwrap();
    let key = keymgr(&bootstrap, ".", &["dnskey"]).replace(". DNSKEY", ". 60 IN DNSKEY");
    let configure = |port, _| configuration(&place, zones, port);
    let mut server = NameServerProcess::start(&place, "knotd", &["-c"], configure).await;
    server._directory = Some(directory);
    (server, RootKeys::Records(key))
}

fn is_signed(zone: &str) -> bool {
    zone.starts_with("signed") || zone.starts_with("broken")
}

fn configuration(place: &Path, zones: &[(&str, &str)], port: u16) -> String {
    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap();
    let place = place.display();
    let mut text = format!(
        "server:\n  rundir: {place}\n  user: {user}  listen: 127.0.0.1@{port}\ndatabase:\n  storage: {place}\n\
         log:\n  - target: stderr\n    any: warning\n\
         policy:\n  - id: own\n    manual: on\n    single-type-signing: on\n\
         \x20 - id: hashed\n    manual: on\n    single-type-signing: on\n    nsec3: on\n\
         template:\n  - id: default\n    storage: {place}\n    zonefile-sync: -1\n    journal-content: none\n\
         zone:\n  - domain: .\n    file: root\n    dnssec-signing: on\n    dnssec-policy: own\n"
    );
    for (zone, _) in zones {
        text.push_str(&format!("  - domain: {zone}.\n    file: {zone}\n"));
        if is_signed(zone) {
            let policy = if zone.contains("hashed") { "hashed" } else { "own" };
            text.push_str(&format!("    dnssec-signing: on\n    dnssec-policy: {policy}\n"));
        }
    }
    text
}

fn keymgr(configuration: &Path, zone: &str, arguments: &[&str]) -> String {
    let output = Command::new("keymgr")
        .arg("-c")
        .arg(configuration)
        .arg(zone)
        .args(arguments)
        .env("PATH", PATH)
        .output()
        .unwrap_or_else(|error| panic!("keymgr: {error}; scripts/prepare test installs it"));
    assert!(output.status.success(), "keymgr: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The name in the certificate of [`unbound`].
pub(crate) const TLS_NAME: &str = "resolver.test";

/// Unbound, which asks another server for everything and answers by TLS too; and the authority of its certificate.
pub(crate) async fn unbound(upstream: SocketAddr) -> (NameServerProcess, RootCertStore) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_owned();
    let roots = certify(&place);
    let show = place.display();
    let configure = |port, tls_port| {
        format!(
            "server:\n chroot: \"\"\n username: \"\"\n directory: \"{show}\"\n pidfile: \"\"\n use-syslog: no\n\
             interface: 127.0.0.1@{port}\n interface: 127.0.0.1@{tls_port}\n tls-port: {tls_port}\n\
             tls-service-key: {show}/key\n tls-service-pem: {show}/certificate\n\
             module-config: \"iterator\"\n do-not-query-localhost: no\n local-zone: \"test.\" nodefault\n\
             remote-control:\n control-enable: no\n\
             forward-zone:\n name: \".\"\n forward-addr: {}@{}\n",
            upstream.ip(),
            upstream.port()
        )
    };
    let mut server = NameServerProcess::start(&place, "unbound", &["-d", "-c"], configure).await;
    server._directory = Some(directory);
    (server, roots)
}

/// Writes a certificate with [`TLS_NAME`] and its key, and returns its authority.
fn certify(place: &Path) -> RootCertStore {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.self_signed(&key).unwrap().der().clone()).unwrap();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![TLS_NAME.to_owned()]).unwrap();
    fs::write(place.join("certificate"), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    fs::write(place.join("key"), key.serialize_pem()).unwrap();
    roots
}
