//! Name servers that take signed updates: knot and BIND with the same zones and keys, each on a free port of this machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::internet::Service;

/// The program of a name server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Knot's `knotd`.
    Knot,
    /// BIND's `named`.
    Bind,
}

/// The zone that the keys may change.
pub const OPEN_ZONE: &str = "home.test";
/// A zone that they may not change.
pub const CLOSED_ZONE: &str = "closed.test";
/// The names of the keys, which are those of their algorithms, and their secrets in Base64.
pub const KEYS: [(&str, &str); 3] = [
    ("hmac-sha256", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
    ("hmac-sha384", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9AQUJDREVGR0hJSktMTU5P"),
    (
        "hmac-sha512",
        "UFFSU1RVVldYWVpbXF1eX2BhYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ent8fX5/gIGCg4SFhoeIiYqLjI2Ojw==",
    ),
];
/// The ports that are tried: each may be taken by another program before the server has it.
const TRIES: usize = 5;
/// The longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A running name server.
#[derive(Debug)]
pub struct UpdatedZones {
    service: Service,
    _folder: TempDir,
    /// Its address.
    pub address: SocketAddr,
}

impl UpdatedZones {
    /// Starts a server, and waits until it answers for its zones. These records are in the open zone already.
    pub fn start(program: Program, records: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for zone in [OPEN_ZONE, CLOSED_ZONE] {
            let records = if zone == OPEN_ZONE { records } else { "" };
            let text =
                format!("@ 60 SOA ns.{zone}. root.{zone}. 1 60 60 60 60\n@ 60 NS ns\nns 60 A 127.0.0.1\n");
            fs::write(folder.path().join(zone), format!("$ORIGIN {zone}.\n{text}{records}"))?;
        }
        for _ in 0..TRIES {
            let address = free_address()?;
            let mut service = program.start(folder.path(), address.port())?;
            let loaded = || [OPEN_ZONE, CLOSED_ZONE].iter().all(|zone| is_loaded(address, zone));
            if service.wait_until("its zones are loaded", loaded).is_ok() {
                return Ok(Self { service, _folder: folder, address });
            }
        }
        bail!("{program:?}: {}", fs::read_to_string(folder.path().join("log")).unwrap_or_default())
    }

    /// Ends it.
    pub fn stop(&mut self) -> Result<()> {
        self.service.stop()
    }
}

impl Program {
    fn start(self, folder: &Path, port: u16) -> Result<Service> {
        let place = folder.display().to_string();
        let configuration = folder.join("server.conf");
        let mut command = match self {
            Self::Knot => {
                fs::write(&configuration, knot(&place, port)?)?;
                Command::new("knotd")
            }
            Self::Bind => {
                fs::write(&configuration, bind(&place, port))?;
                let mut command = Command::new("named");
                command.arg("-g");
                command
            }
        };
        command.arg("-c").arg(configuration);
        Service::start(&format!("{self:?}"), command, &folder.join("log"))
    }
}

fn knot(place: &str, port: u16) -> Result<String> {
    let user = String::from_utf8(Command::new("id").arg("-un").output()?.stdout)?;
    let keys: String = KEYS
        .iter()
        .map(|(name, secret)| format!("  - id: {name}\n    algorithm: {name}\n    secret: {secret}\n"))
        .collect();
    let names = KEYS.map(|(name, _)| name).join(", ");
    Ok(format!(
        "server:\n  rundir: {place}\n  user: {user}  listen: 127.0.0.1@{port}\nkey:\n{keys}\
         acl:\n  - id: updates\n    key: [{names}]\n    action: update\n\
         database:\n  storage: {place}\nlog:\n  - target: stderr\n    any: info\n\
         template:\n  - id: default\n    storage: {place}\n    zonefile-sync: -1\n\
         zone:\n  - domain: {OPEN_ZONE}\n    file: {OPEN_ZONE}\n    acl: updates\n\
         \x20 - domain: {CLOSED_ZONE}\n    file: {CLOSED_ZONE}\n"
    ))
}

fn bind(place: &str, port: u16) -> String {
    let keys: String = KEYS
        .iter()
        .map(|(name, secret)| format!("key \"{name}\" {{ algorithm {name}; secret \"{secret}\"; }};\n"))
        .collect();
    let names: String = KEYS.iter().map(|(name, _)| format!("key \"{name}\"; ")).collect();
    format!(
        "options {{ directory \"{place}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
         pid-file none; session-keyfile none; recursion no; dnssec-validation no; notify no; }};\ncontrols {{ }};\n{keys}\
         zone \"{OPEN_ZONE}\" {{ type primary; file \"{OPEN_ZONE}\"; allow-update {{ {names} }}; }};\n\
         zone \"{CLOSED_ZONE}\" {{ type primary; file \"{CLOSED_ZONE}\"; }};\n"
    )
}

/// Whether a server answers for a zone: it accepts connections before it has read its files.
fn is_loaded(address: SocketAddr, zone: &str) -> bool {
    answer_head(address, zone).is_ok_and(|head| head[2] & AUTHORITATIVE != 0 && head[3] & CODE == 0)
}

/// The bit of a header's third byte that says that the server is authoritative, and those of the fourth with the code.
const AUTHORITATIVE: u8 = 4;
const CODE: u8 = 15;

/// The first bytes of the answer to a question for the SOA record of a zone.
fn answer_head(address: SocketAddr, zone: &str) -> Result<[u8; 4]> {
    let mut name = Vec::new();
    for label in zone.split('.') {
        name.push(u8::try_from(label.len())?);
        name.extend(label.bytes());
    }
    let question = [&[0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &name, &[0, 0, 6, 0, 1]].concat();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.write_all(&[&u16::try_from(question.len())?.to_be_bytes()[..], &question].concat())?;
    let mut answer = [0; 6];
    stream.read_exact(&mut answer)?;
    let [_, _, head @ ..] = answer;
    Ok(head)
}

/// An address whose port is free for both transports at this moment.
fn free_address() -> Result<SocketAddr> {
    for _ in 0..1000 {
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free")
}
