//! Carries out the decisions of the machine: the interface, its routes and rules by netlink, the questions to the name
//! servers by UDP. Part of the configuration process's one loop; nothing here waits, but for the kernel.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::conf::Conf;
use ipc::network::{Tunnel, TunnelState};

use super::machine::{Input, Machine, Output};
use super::routing::{Everything, Family, Rule, rules};
use crate::Error;
use crate::dns::{self, ANSWER_LIMIT, Kind, answer, question};
use crate::netlink::{Netlink, Usability, WireGuard};
use crate::udp::connect;

/// The name of the tunnel's interface.
const NAME: &str = "wg0";
/// The time for the answer of a name server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Questions about a name, to one name server after the other, until it counts as not found.
const ATTEMPTS: usize = 6;
/// Datagrams read from a name server per round.
const DATAGRAMS_PER_ROUND: usize = 16;
/// The tunnel is made again after this time when that has failed.
const MAKE_AGAIN: Duration = Duration::from_secs(60);

/// Something to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Status(Tunnel),
    Warning(String),
}

/// A tunnel, made once the machine has an address of the home network.
#[derive(Debug)]
pub(crate) struct Driver {
    conf: Conf,
    machine: Machine,
    /// The interface, once it is made.
    index: Option<u32>,
    make_at: Option<Duration>,
    wireguard: Option<WireGuard>,
    /// The rules that the kernel has; none if they are not known.
    rules: Option<Vec<Rule>>,
    /// The box's addresses outside of the tunnel.
    others: Vec<IpAddr>,
    resolvers: Vec<Ipv4Addr>,
    lookups: VecDeque<Lookup>,
    news: Vec<News>,
}

/// A name that is being looked up.
#[derive(Debug)]
struct Lookup {
    peer: usize,
    name: String,
    attempt: usize,
    /// The question that is open.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    socket: UdpSocket,
    id: u16,
    kind: Kind,
    until: Duration,
}

impl Driver {
    pub(crate) fn new(conf: Conf) -> Self {
        Self {
            machine: Machine::new(&conf),
            conf,
            index: None,
            make_at: None,
            wireguard: None,
            rules: None,
            others: Vec::new(),
            resolvers: Vec::new(),
            lookups: VecDeque::new(),
            news: Vec::new(),
        }
    }

    /// Whether this is one of the tunnel's own addresses.
    pub(crate) fn owns(&self, address: IpAddr) -> bool {
        self.conf.interface.addresses.iter().any(|(own, _)| *own == address)
    }

    /// The name servers of the home network.
    pub(crate) fn set_resolvers(&mut self, resolvers: &[Ipv4Addr]) {
        resolvers.clone_into(&mut self.resolvers);
    }

    /// The machine's addresses that are of use to others, after any change.
    pub(crate) fn handle_addresses(&mut self, netlink: &mut Netlink, now: Duration, found: &[IpAddr]) {
        self.others = found.iter().copied().filter(|address| !self.owns(*address)).collect();
        if !self.others.is_empty() {
            self.drive(netlink, now, Input::Network);
        }
        self.set_rules(netlink);
    }

    /// Takes what has arrived, and does what is due. `random` gives the numbers of questions.
    pub(crate) fn serve(&mut self, netlink: &mut Netlink, now: Duration, random: &mut impl FnMut() -> u64) {
        if self.make_at.is_some_and(|at| at <= now) {
            self.make(netlink, now);
        }
        self.serve_lookup(netlink, now, random);
        self.drive(netlink, now, Input::Tick);
    }

    /// The news since the last call.
    pub(crate) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// The time of the next [`Driver::serve`].
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        // Without name servers a lookup waits for them.
        let lookup = self.lookups.front().filter(|_| !self.resolvers.is_empty());
        let question = lookup.map(|lookup| lookup.open.as_ref().map_or(Duration::ZERO, |open| open.until));
        self.machine.wake_at().into_iter().chain(question).chain(self.make_at).min()
    }

    /// The socket that a name server's answer comes by.
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.lookups.front()?.open.as_ref().map(|open| open.socket.as_fd())
    }

    fn drive(&mut self, netlink: &mut Netlink, now: Duration, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.machine.handle(now, input);
            while let Some(output) = self.machine.poll() {
                match output {
                    Output::Make => self.make(netlink, now),
                    Output::Resolve { peer, name } => {
                        self.lookups.push_back(Lookup { peer, name, attempt: 0, open: None });
                    }
                    Output::SetEndpoint { peer, endpoint } => self.set_endpoint(peer, endpoint),
                    Output::Look => inputs.extend(self.look()),
                    Output::StateChanged => self.set_rules(netlink),
                    Output::Report(status) => self.news.push(News::Status(status)),
                    Output::Warn(text) => self.warn(text.to_owned()),
                }
            }
        }
    }

    /// Makes the tunnel, or takes over the one of a former process.
    fn make(&mut self, netlink: &mut Netlink, now: Duration) {
        self.make_at = None;
        if let Err(error) = self.try_make(netlink) {
            self.make_at = Some(now + MAKE_AGAIN);
            self.warn(explain(&error));
        }
        self.set_rules(netlink);
    }

    fn try_make(&mut self, netlink: &mut Netlink) -> Result<(), Error> {
        netlink.set_wireguard_link(NAME, self.conf.interface.mtu)?;
        let index = index_of(netlink)?.ok_or(Error::Malformed { doing: "find the tunnel's interface" })?;
        let wireguard = match &mut self.wireguard {
            Some(wireguard) => wireguard,
            none => none.insert(WireGuard::open()?),
        };
        let strangers: Vec<_> = wireguard.peers(index)?.into_iter().map(|(key, _)| key).collect();
        let is_stranger = |key| self.conf.peers.iter().all(|peer| peer.public_key != key);
        let strangers: Vec<_> = strangers.into_iter().filter(|key| is_stranger(*key)).collect();
        wireguard.configure(index, &self.conf, &strangers)?;
        self.set_addresses(netlink, index)?;
        self.set_routes(netlink, index)?;
        self.index = Some(index);
        Ok(())
    }

    fn set_addresses(&self, netlink: &mut Netlink, index: u32) -> Result<(), Error> {
        let wanted = &self.conf.interface.addresses;
        for found in netlink.addresses()? {
            let is_wanted = wanted.contains(&(found.address, found.prefix));
            if found.index == index && found.usability == Usability::Global && !is_wanted {
                netlink.delete_address(index, found.address, found.prefix)?;
            }
        }
        wanted.iter().try_for_each(|(address, prefix)| netlink.add_address(index, *address, *prefix))
    }

    fn set_routes(&self, netlink: &mut Netlink, index: u32) -> Result<(), Error> {
        let wanted = self.conf.networks();
        for family in self.conf.families() {
            for network in netlink.tunnel_routes(index, family)? {
                if !wanted.contains(&network) {
                    netlink.delete_tunnel_route(index, network)?;
                }
            }
        }
        wanted.into_iter().try_for_each(|network| netlink.set_tunnel_route(index, network))
    }

    /// Brings the kernel's rules in line with the addresses and the state.
    fn set_rules(&mut self, netlink: &mut Netlink) {
        if self.index.is_none() {
            return;
        }
        let everything = match self.machine.state() {
            TunnelState::Answers => Everything::ThroughTunnel,
            TunnelState::Calling | TunnelState::Silent => Everything::ByRouter,
        };
        let own = self.conf.addresses();
        let families = self.conf.families();
        let wanted = rules(&families, &own, &self.others, everything);
        if self.rules.as_ref() == Some(&wanted) {
            return;
        }
        match replace_rules(netlink, &families, &wanted) {
            Ok(()) => self.rules = Some(wanted),
            Err(error) => {
                self.rules = None;
                self.warn(error.to_string());
            }
        }
    }

    fn look(&mut self) -> Option<Input> {
        let (index, wireguard) = (self.index?, self.wireguard.as_mut()?);
        match wireguard.peers(index) {
            Ok(peers) => Some(Input::Peers(peers.into_iter().map(|(_, status)| status).collect())),
            Err(error) => {
                self.warn(error.to_string());
                None
            }
        }
    }

    fn set_endpoint(&mut self, peer: usize, endpoint: SocketAddr) {
        if let (Some(index), Some(wireguard), Some(peer)) =
            (self.index, self.wireguard.as_mut(), self.conf.peers.get(peer))
            && let Err(error) = wireguard.set_endpoint(index, peer, endpoint)
        {
            self.warn(error.to_string());
        }
    }

    fn serve_lookup(&mut self, netlink: &mut Netlink, now: Duration, random: &mut impl FnMut() -> u64) {
        let Some(lookup) = self.lookups.front_mut().filter(|_| !self.resolvers.is_empty()) else { return };
        let answer = match lookup.serve(now, &self.resolvers, random) {
            Progress::Waits => return,
            Progress::Found(address) => Input::Found { peer: lookup.peer, address },
            Progress::NotFound => Input::NotFound { peer: lookup.peer },
        };
        self.lookups.pop_front();
        self.drive(netlink, now, answer);
    }

    fn warn(&mut self, text: String) {
        self.news.push(News::Warning(text));
    }
}

/// Removes what a former process has left behind, when there is no tunnel any more.
///
/// # Errors
///
/// When the kernel refuses.
pub(crate) fn remove(netlink: &mut Netlink) -> Result<(), Error> {
    let Some(index) = index_of(netlink)? else { return Ok(()) };
    replace_rules(netlink, &[Family::V4, Family::V6], &[])?;
    netlink.delete_link(index)
}

fn index_of(netlink: &mut Netlink) -> Result<Option<u32>, Error> {
    Ok(netlink.links()?.into_iter().find(|link| link.name == NAME).map(|link| link.index))
}

fn replace_rules(netlink: &mut Netlink, families: &[Family], wanted: &[Rule]) -> Result<(), Error> {
    let mut present = Vec::new();
    for family in families {
        present.extend(netlink.rules(*family)?);
    }
    // Added first: a packet on its way finds the old rule or the new one.
    for rule in wanted.iter().filter(|rule| !present.contains(rule)) {
        netlink.add_rule(*rule)?;
    }
    for rule in present.iter().filter(|rule| !wanted.contains(rule)) {
        netlink.delete_rule(*rule)?;
    }
    Ok(())
}

fn explain(error: &Error) -> String {
    match error {
        Error::Refused { source, .. }
            if matches!(source.raw_os_error(), Some(NO_SUCH_KIND | NO_SUCH_FAMILY)) =>
        {
            "the kernel has no WireGuard: its module is not loaded".to_owned()
        }
        error => error.to_string(),
    }
}

/// `EOPNOTSUPP`: no kind of interface.
const NO_SUCH_KIND: i32 = 95;
/// `ENOENT`: no family of generic netlink.
const NO_SUCH_FAMILY: i32 = 2;

/// The state of a lookup.
enum Progress {
    Waits,
    Found(IpAddr),
    NotFound,
}

impl Lookup {
    /// Reads the answer, if it is there, and asks the next question if it is time. Each name server is asked for IPv4
    /// addresses and then for IPv6 addresses.
    fn serve(&mut self, now: Duration, resolvers: &[Ipv4Addr], random: &mut impl FnMut() -> u64) -> Progress {
        loop {
            if let Some(open) = &self.open {
                match open.receive(&self.name) {
                    Some(found) => {
                        if let Some(address) = found.first() {
                            return Progress::Found(*address);
                        }
                    }
                    None if now < open.until => return Progress::Waits,
                    None => {}
                }
                self.attempt += 1;
                self.open = None;
            }
            let resolver = resolvers.iter().cycle().nth(self.attempt / 2).filter(|_| self.attempt < ATTEMPTS);
            let Some(resolver) = resolver else { return Progress::NotFound };
            let id = u16::try_from(random() & 0xffff).unwrap_or_default();
            let kind = if self.attempt.is_multiple_of(2) { Kind::A } else { Kind::Aaaa };
            let Some(question) = question(id, &self.name, kind) else { return Progress::NotFound };
            // A refused socket is as good as a name server that does not answer.
            match ask(*resolver, &question) {
                Ok(socket) => self.open = Some(Open { socket, id, kind, until: now + ANSWER_TIMEOUT }),
                Err(_) => self.attempt += 1,
            }
        }
    }
}

impl Open {
    /// The addresses in the answer, if it is there. Anything else that arrives is dropped.
    fn receive(&self, name: &str) -> Option<Vec<IpAddr>> {
        let mut buffer = [0; ANSWER_LIMIT];
        for _ in 0..DATAGRAMS_PER_ROUND {
            let length = match self.socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                // Nobody listens on the port there.
                Err(_) => return Some(Vec::new()),
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            if let Some(mut found) = answer(bytes, self.id, name, self.kind) {
                found.retain(|address| is_host(*address));
                return Some(found);
            }
        }
        None
    }
}

/// Asks by a socket of its own, whose port is another one each time. The question goes by the router: names are looked up
/// only while nobody answers, and then nothing else goes through the tunnel.
fn ask(resolver: Ipv4Addr, question: &[u8]) -> io::Result<UdpSocket> {
    let socket = connect(SocketAddr::new(resolver.into(), dns::PORT))?;
    socket.send(question)?;
    Ok(socket)
}

fn is_host(address: IpAddr) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address.is_loopback())
}

#[cfg(test)]
mod tests;
