//! `wireguard.conf`: one `[Interface]` and a few `[Peer]`s, as wg-quick(8) and wg(8) have them and providers hand them out.
//! Strict: a line that cannot be followed is an error, one that is not needed on a box is a remark. Neither quotes a value,
//! which may be a secret or an address.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use ipc::owner::TEXT_LIMIT;
use mail_types::is_host_name;

use super::key::Key;
use super::routing::{Family, Network};

/// The most `[Peer]`s.
const PEERS_LIMIT: usize = 4;
/// The most addresses of the interface.
const ADDRESSES_LIMIT: usize = 8;
/// The most networks of a peer: complements of private networks, which some programs write, have about fifty.
const NETWORKS_LIMIT: usize = 256;
/// Bytes of a packet in the tunnel when none are said, as wg-quick(8) has it on Ethernet.
const DEFAULT_MTU: u32 = 1420;
/// The packet sizes that make sense: what every IPv4 host takes (RFC 791, 3.1), and jumbo frames.
const MTU: Range<u32> = 576..9001;
/// Seconds between two signs of life. The box is behind a router that forgets a connection after a minute or so.
const DEFAULT_KEEPALIVE: u16 = 25;
/// Keys whose values are commands.
const COMMANDS: [&str; 4] = ["preup", "postup", "predown", "postdown"];

/// A checked configuration. It has at least one address, and a peer with an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conf {
    /// The box's own end.
    pub interface: Interface,
    /// The other ends, one as a rule.
    pub peers: Vec<Peer>,
}

/// The box's own end of the tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The private key.
    pub private_key: Key,
    /// The addresses, each with the length of its network's prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The size of a packet in the tunnel, in bytes.
    pub mtu: u32,
    /// The UDP port; the kernel chooses one if none is given.
    pub listen_port: Option<u16>,
}

/// The other end of the tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The public key.
    pub public_key: Key,
    /// A secret that both ends have beside their keys.
    pub preshared_key: Option<Key>,
    /// The other end's UDP port. Without it the other end must call first.
    pub endpoint: Option<Endpoint>,
    /// The networks that are reached through it.
    pub allowed_ips: Vec<Network>,
    /// The time between two signs of life, in seconds; never 0.
    pub keepalive: u16,
}

/// The place where the other end of the tunnel listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An address and a port.
    Address(SocketAddr),
    /// A host name, whose address may change, and a port.
    Name(String, u16),
}

/// A sentence about a line, for the one who wrote it. It quotes no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The number of the line, from 1; none for the text as a whole.
    pub line: Option<usize>,
    /// The sentence.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "wireguard.conf, line {line}: {}", self.text),
            None => write!(f, "wireguard.conf: {}", self.text),
        }
    }
}

impl Conf {
    /// Reads a text. Beside the configuration stand remarks about what is not followed.
    ///
    /// # Errors
    ///
    /// All remarks, when any of them is an error.
    pub fn parse(text: &str) -> Result<(Self, Vec<Remark>), Vec<Remark>> {
        if text.len() > TEXT_LIMIT {
            return Err(vec![whole(&format!("it is longer than {TEXT_LIMIT} bytes."))]);
        }
        let mut reader = Reader::default();
        for line in lines(text) {
            let number = line.number;
            if let Err(text) = reader.read(&line) {
                reader.errors.push(Remark { line: Some(number), text });
            }
        }
        reader.finish()
    }

    /// The address families in which the box has an address in the tunnel. Many texts name all networks of both families
    /// and an address of one: packets of the other would bear an address that the other end does not know.
    pub(crate) fn families(&self) -> Vec<Family> {
        let own = self.interface.addresses.iter().map(|(address, _)| Family::of(*address));
        own.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The box's addresses in the tunnel.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.interface.addresses.iter().map(|(address, _)| *address).collect()
    }

    /// The networks to reach through the tunnel.
    pub(crate) fn networks(&self) -> Vec<Network> {
        let families = self.families();
        let all = self.peers.iter().flat_map(|peer| peer.allowed_ips.iter().copied());
        all.filter(|network| families.contains(&Family::of(network.address))).collect()
    }
}

fn whole(text: &str) -> Remark {
    Remark { line: None, text: text.to_owned() }
}

/// A line with something on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: usize,
    pub(super) content: Content<'a>,
}

/// The two kinds of lines, and all others. Words are in lower case: they are read without regard to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// `[SECTION]`.
    Section(String),
    /// `KEY = VALUE`, and the place of the value in the text.
    Setting {
        key: String,
        value: &'a str,
        place: Range<usize>,
    },
    Nonsense,
}

/// The lines of a text without comments and blanks.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    text.split('\n').enumerate().filter_map(move |(index, line)| {
        let offset = start;
        start += line.len() + 1;
        let line = line.split('#').next().unwrap_or_default();
        // Editors on Windows begin a text with a mark of its encoding.
        let content = line.trim_start_matches('\u{feff}').trim();
        (!content.is_empty())
            .then(|| Line { number: index + 1, content: read_content(line, content, offset) })
    })
}

fn read_content<'a>(line: &'a str, content: &'a str, offset: usize) -> Content<'a> {
    if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Content::Section(name.trim().to_ascii_lowercase());
    }
    let (Some((key, _)), Some((before, after))) = (content.split_once('='), line.split_once('=')) else {
        return Content::Nonsense;
    };
    let begin = offset + before.len() + 1 + (after.len() - after.trim_start().len());
    let value = after.trim();
    Content::Setting { key: key.trim().to_ascii_lowercase(), value, place: begin..begin + value.len() }
}

/// The section that the reader is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    None,
    Interface,
    Peer,
    /// One that is not known; that was said.
    Unknown,
}

/// The values read so far.
#[derive(Debug, Default)]
struct Reader {
    section: Section,
    private_key: Option<Key>,
    addresses: Vec<(IpAddr, u8)>,
    mtu: Option<u32>,
    listen_port: Option<u16>,
    peers: Vec<PeerDraft>,
    remarks: Vec<Remark>,
    errors: Vec<Remark>,
}

/// A `[Peer]` that may lack its key.
#[derive(Debug, Default)]
struct PeerDraft {
    line: usize,
    public_key: Option<Key>,
    preshared_key: Option<Key>,
    endpoint: Option<Endpoint>,
    allowed_ips: Vec<Network>,
    keepalive: Option<u16>,
}

type Outcome = Result<(), String>;

impl Reader {
    fn read(&mut self, line: &Line<'_>) -> Outcome {
        match &line.content {
            Content::Section(name) => self.begin_section(name, line.number),
            Content::Setting { key, value, .. } => match self.section {
                Section::Interface => self.read_interface(key, value, line.number),
                Section::Peer => self.read_peer(key, value, line.number),
                Section::None => Err("nothing may stand before [Interface] or [Peer].".to_owned()),
                Section::Unknown => Ok(()),
            },
            Content::Nonsense => Err("this is neither [SECTION] nor KEY = VALUE.".to_owned()),
        }
    }

    fn begin_section(&mut self, name: &str, line: usize) -> Outcome {
        self.section = Section::Unknown;
        match name {
            "interface" => self.section = Section::Interface,
            "peer" if self.peers.len() == PEERS_LIMIT => {
                return Err(format!("there are more than {PEERS_LIMIT} [Peer] sections."));
            }
            "peer" => {
                self.section = Section::Peer;
                self.peers.push(PeerDraft { line, ..PeerDraft::default() });
            }
            _ => return Err("the sections are [Interface] and [Peer].".to_owned()),
        }
        Ok(())
    }

    fn read_interface(&mut self, key: &str, value: &str, line: usize) -> Outcome {
        match key {
            "privatekey" => once(&mut self.private_key, read_key(value)?),
            "address" => add(&mut self.addresses, value, ADDRESSES_LIMIT, |text| {
                let (address, prefix) = read_network(text)?;
                let usable = !address.is_unspecified() && !address.is_loopback() && !address.is_multicast();
                usable.then_some((address, prefix))
            }),
            "mtu" => {
                let mtu = value.parse().ok().filter(|mtu| MTU.contains(mtu));
                once(&mut self.mtu, mtu.ok_or("MTU is a number of bytes, from 576 to 9000.")?)
            }
            "listenport" => {
                let port = value.parse().ok().filter(|port| *port != 0);
                once(&mut self.listen_port, port.ok_or("ListenPort is a number from 1 to 65535.")?)
            }
            "dns" => self.remark(line, "DNS is not used: the box asks the name servers of the home network."),
            "table" => self.remark(line, "Table is not used: the box chooses the table of the routes."),
            "fwmark" => self.remark(line, "FwMark is not used: the box chooses the mark."),
            "saveconfig" => self.remark(line, "SaveConfig is not used: the box does not change this file."),
            key if COMMANDS.contains(&key) => {
                Err("a box runs no commands: PreUp, PostUp, PreDown and PostDown must be removed.".to_owned())
            }
            _ => Err("[Interface] has no such key.".to_owned()),
        }
    }

    fn read_peer(&mut self, key: &str, value: &str, line: usize) -> Outcome {
        let mut remark = None;
        let Some(peer) = self.peers.last_mut() else { return Ok(()) };
        match key {
            "publickey" => once(&mut peer.public_key, read_key(value)?)?,
            "presharedkey" => once(&mut peer.preshared_key, read_key(value)?)?,
            "endpoint" => {
                let endpoint = Endpoint::parse(value);
                once(
                    &mut peer.endpoint,
                    endpoint.ok_or("Endpoint is HOST:PORT, or [ADDRESS]:PORT for IPv6.")?,
                )?;
            }
            "allowedips" => add(&mut peer.allowed_ips, value, NETWORKS_LIMIT, |text| {
                read_network(text).and_then(|(address, prefix)| Network::of(address, prefix))
            })?,
            "persistentkeepalive" => {
                let seconds = if value.eq_ignore_ascii_case("off") { Ok(0) } else { value.parse() };
                match seconds.map_err(|_| "PersistentKeepalive is a number of seconds.")? {
                    0 => {
                        remark =
                            Some("the keepalive stays on: without it the router would forget the tunnel.");
                    }
                    seconds => once(&mut peer.keepalive, seconds)?,
                }
            }
            _ => return Err("[Peer] has no such key.".to_owned()),
        }
        remark.map_or(Ok(()), |text| self.remark(line, text))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the reading of a setting that needs no more than a remark")]
    fn remark(&mut self, line: usize, text: &str) -> Outcome {
        self.remarks.push(Remark { line: Some(line), text: text.to_owned() });
        Ok(())
    }

    fn finish(mut self) -> Result<(Conf, Vec<Remark>), Vec<Remark>> {
        let mut peers: Vec<Peer> = Vec::new();
        for draft in std::mem::take(&mut self.peers) {
            let line = draft.line;
            match draft.finish() {
                Ok(peer) if peers.iter().all(|other| other.public_key != peer.public_key) => peers.push(peer),
                Ok(_) => self.complain(line, "this [Peer] has the PublicKey of another one."),
                Err(text) => self.complain(line, text),
            }
        }
        if self.addresses.is_empty() {
            self.errors.push(whole("[Interface] has no Address."));
        }
        // With errors above, the peer that is missing here may be the one that is wrong there.
        if self.errors.is_empty() && peers.iter().all(|peer| peer.endpoint.is_none()) {
            self.errors.push(whole("no [Peer] has an Endpoint: the box would not know where to call."));
        }
        let Some(private_key) = self.private_key else {
            self.errors.push(whole("[Interface] has no PrivateKey."));
            return Err(self.errors);
        };
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let interface = Interface {
            private_key,
            addresses: self.addresses,
            mtu: self.mtu.unwrap_or(DEFAULT_MTU),
            listen_port: self.listen_port,
        };
        Ok((Conf { interface, peers }, self.remarks))
    }

    fn complain(&mut self, line: usize, text: &str) {
        self.errors.push(Remark { line: Some(line), text: text.to_owned() });
    }
}

impl PeerDraft {
    fn finish(self) -> Result<Peer, &'static str> {
        Ok(Peer {
            public_key: self.public_key.ok_or("this [Peer] has no PublicKey.")?,
            preshared_key: self.preshared_key,
            endpoint: self.endpoint,
            allowed_ips: if self.allowed_ips.is_empty() {
                return Err("this [Peer] has no AllowedIPs: 0.0.0.0/0, ::/0 means the whole internet.");
            } else {
                self.allowed_ips
            },
            keepalive: self.keepalive.unwrap_or(DEFAULT_KEEPALIVE),
        })
    }
}

impl Endpoint {
    fn parse(text: &str) -> Option<Self> {
        let has_port = |address: &SocketAddr| address.port() != 0;
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Some(address).filter(has_port).map(Self::Address);
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let host = host.strip_suffix('.').unwrap_or(host);
        // A name of digits only would be an address that was mistyped.
        let is_name = is_host_name(host)
            && host
                .rsplit('.')
                .next()
                .is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
        is_name.then(|| Self::Name(host.to_ascii_lowercase(), port))
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Outcome {
    match place {
        Some(_) => Err("this key stands here twice.".to_owned()),
        None => {
            *place = Some(value);
            Ok(())
        }
    }
}

fn read_key(value: &str) -> Result<Key, String> {
    if value.contains('*') {
        return Err("the key is masked and no longer kept: write it here again.".to_owned());
    }
    Key::parse(value).ok_or_else(|| "a key has 44 characters, such as `wg genkey` prints.".to_owned())
}

/// Adds the entries of a list with commas.
fn add<T>(list: &mut Vec<T>, value: &str, limit: usize, read: impl Fn(&str) -> Option<T>) -> Outcome {
    for entry in value.split(',') {
        if list.len() == limit {
            return Err(format!("there are more than {limit} entries."));
        }
        let entry = read(entry.trim());
        list.push(entry.ok_or("this is no list of addresses such as 10.8.0.2/24, 2001:db8::2/64.")?);
    }
    Ok(())
}

/// `ADDRESS/PREFIX`, or an address alone.
fn read_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, rest)| (address, Some(rest)));
    let address: IpAddr = address.trim().parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Some(longest), |prefix| prefix.trim().parse().ok())?;
    (prefix <= longest).then_some((address, prefix))
}

#[cfg(test)]
mod tests;
