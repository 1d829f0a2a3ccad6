//! The interface configuration: each Ethernet interface that exists or appears gets a DHCP client (RFC 2131), and each
//! lease is written into the kernel's address and routing tables. The use of the addresses, and of the name servers and
//! time servers, is the caller's business.
//!
//! ```text
//! netlink notification ─▶ refresh: links, addresses ─▶ LinkUp, LinkDown ─┐
//! frame on an interface ─────────────────────────────────────────▶ Frame ├▶ dhcp::Client
//! timeout ────────────────────────────────────────────────────────▶ Tick ┘        │
//! kernel tables, Report::Addresses and others ◀── Send, Bound, Lost ◀────────────┘
//! ```
//!
//! With a WireGuard tunnel ([`crate::wireguard`]) the same loop makes it once there is an address, and watches it.
//!
//! The kernel's tables outlive this process. What they hold for an interface when its client is created counts as
//! configured by it, and gives way to the first lease, or to its absence.
//!
//! Needs `CAP_NET_ADMIN` (netlink) and `CAP_NET_RAW` (packet sockets), nothing else of root's, and no file.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use host::clock::{poll_timeout, uptime};
use ipc::network::Tunnel;
use rustix::event::{PollFd, PollFlags, poll};

use crate::Error;
use crate::dhcp::{Client, Input, Lease, Output, RequestOptions};
use crate::netlink::{ChangeSubscription, Link, LinkKind, Netlink, Usability};
use crate::packet_socket::PacketSocket;
use crate::wireguard::{self, Conf, Driver, News};

/// The shortest wait between two rounds: a client that is always due cannot keep the processor busy.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);
/// The longest wait between two rounds; at its end the kernel's tables are read even without a notification.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Frames read from one interface per round, so that a busy interface does not starve the others.
const FRAMES_PER_ROUND: usize = 64;
/// The time for which an interface keeps the configuration of a former process while no server answers. The end of that
/// lease is not known; half of the usual shortest lease, an hour, is left of it on average.
const INHERITED_LIFETIME: Duration = Duration::from_secs(1800);
/// The UDP port of DHCP clients (RFC 2131, 4.1).
const CLIENT_PORT: u16 = 68;

/// The parameters of [`run_configuration`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The host name sent to the DHCP server (option 12, RFC 2132, 3.14).
    pub name: String,
    /// The tunnel to make, if there is to be one.
    pub tunnel: Option<Conf>,
}

/// An event for the caller of [`run_configuration`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The complete list of the machine's globally usable addresses after it has changed: IPv4 first, but for those in the
    /// tunnel, which come last.
    Addresses(Vec<IpAddr>),
    /// The complete list of the name servers of all leases, at the start and after it has changed.
    Resolvers(Vec<Ipv4Addr>),
    /// The complete list of the time servers of all leases, at the start and after it has changed.
    TimeServers(Vec<Ipv4Addr>),
    /// The state of the tunnel, after it has changed and after each handshake.
    Tunnel(Tunnel),
    /// The text of an error that is not final: the operation is tried again.
    Warning(String),
}

/// Runs the interface configuration in the calling thread.
///
/// `random` supplies the seeds of the DHCP transaction IDs and must be unpredictable. `report` is called with each event;
/// its error means that the receiver is gone, and ends the loop.
///
/// # Errors
///
/// [`Error::Report`] when `report` fails; another error when netlink or poll cannot be used at all. All other failures
/// are reported as [`Report::Warning`].
pub fn run_configuration(
    settings: &Settings,
    random: impl FnMut() -> u64,
    report: impl FnMut(Report) -> io::Result<()>,
) -> Result<Infallible, Error> {
    let options = RequestOptions::with_host_name(&settings.name);
    let changes = ChangeSubscription::open()?;
    let mut configurator = Configurator {
        netlink: Netlink::open()?,
        options: &options,
        random,
        report,
        interfaces: BTreeMap::new(),
        addresses: None,
        resolvers: None,
        time_servers: None,
        tunnel: settings.tunnel.clone().map(Driver::new),
    };
    // The clients read from packet sockets, which the kernel's UDP does not know of: without a socket on the port it
    // would answer each DHCP reply with "port unreachable" (ICMP). A refused bind costs no more than that.
    let _port = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, CLIENT_PORT));
    let report_failed = |source| Error::Report { source };
    if settings.tunnel.is_none()
        && let Err(error) = wireguard::remove(&mut configurator.netlink)
    {
        configurator.warn(&error).map_err(report_failed)?;
    }
    configurator.refresh().map_err(report_failed)?;
    loop {
        if wait(&changes, &mut configurator.interfaces, configurator.tunnel.as_ref())? {
            // Drained before the tables are read: a change between the two is found by the next wait.
            changes.drain();
            configurator.refresh().map_err(report_failed)?;
        }
        configurator.serve_clients().map_err(report_failed)?;
        configurator.serve_tunnel().map_err(report_failed)?;
    }
}

/// An Ethernet interface and its DHCP client.
struct Interface<'a> {
    link: Link,
    client: Client<'a>,
    /// Open while [`Client::wants_frames`], so that a bound interface costs no wake-up per frame.
    socket: Option<PacketSocket>,
    /// The interface's part of the kernel's tables.
    configured: Configured,
    /// The time of the client's creation.
    since: Duration,
}

/// The addresses of an interface, with their prefix lengths, and the gateways of its default routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Configured {
    addresses: Vec<(Ipv4Addr, u8)>,
    routers: Vec<Ipv4Addr>,
}

impl Configured {
    fn of(lease: &Lease) -> Self {
        Self { addresses: vec![(lease.address, lease.prefix)], routers: lease.router.into_iter().collect() }
    }

    /// The part that `wanted` lacks.
    fn without(&self, wanted: &Self) -> Self {
        let addresses = self.addresses.iter().filter(|address| !wanted.addresses.contains(address));
        let routers = self.routers.iter().filter(|router| !wanted.routers.contains(router));
        Self { addresses: addresses.copied().collect(), routers: routers.copied().collect() }
    }

    fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.routers.is_empty()
    }
}

/// The state of the loop. Its methods return an error only when a report cannot be delivered.
struct Configurator<'a, N, R> {
    netlink: Netlink,
    options: &'a RequestOptions<'a>,
    random: N,
    report: R,
    /// By the kernel's interface index.
    interfaces: BTreeMap<u32, Interface<'a>>,
    /// The last list reported.
    addresses: Option<Vec<IpAddr>>,
    /// The last list reported.
    resolvers: Option<Vec<Ipv4Addr>>,
    /// The last list reported.
    time_servers: Option<Vec<Ipv4Addr>>,
    tunnel: Option<Driver>,
}

/// Waits for a frame, a netlink notification, a name server's answer or a timeout; true when the kernel's tables should be
/// read again.
fn wait(
    changes: &ChangeSubscription,
    interfaces: &mut BTreeMap<u32, Interface<'_>>,
    tunnel: Option<&Driver>,
) -> Result<bool, Error> {
    let now = uptime();
    let clients = interfaces.values_mut().filter_map(|interface| interface.client.wake_at(now));
    let wake = clients.chain(tunnel.and_then(Driver::wake_at)).min();
    let limit = wake.map_or(LONGEST_WAIT, |wake| wake.saturating_sub(now)).clamp(SHORTEST_WAIT, LONGEST_WAIT);
    let mut fds = vec![PollFd::new(changes, PollFlags::IN)];
    let sockets = interfaces.values().filter_map(|interface| interface.socket.as_ref());
    fds.extend(sockets.map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)));
    let socket = tunnel.and_then(Driver::socket);
    fds.extend(socket.map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)));
    match poll(&mut fds, Some(&poll_timeout(limit))) {
        Ok(0) => Ok(limit == LONGEST_WAIT),
        Ok(_) => Ok(fds.first().is_some_and(|fd| !fd.revents().is_empty())),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(Error::Socket { doing: "wait for the network", source: error.into() }),
    }
}

impl<N: FnMut() -> u64, R: FnMut(Report) -> io::Result<()>> Configurator<'_, N, R> {
    /// Brings `interfaces` and the reported addresses in line with the kernel's tables.
    fn refresh(&mut self) -> io::Result<()> {
        match self.netlink.links() {
            Ok(links) => self.refresh_links(links)?,
            Err(error) => self.warn(&error)?,
        }
        self.report_servers()?;
        self.refresh_addresses()
    }

    fn refresh_links(&mut self, links: Vec<Link>) -> io::Result<()> {
        // Indexes and names are reused when an adapter is replaced: the same interface has all three.
        self.interfaces.retain(|index, known| {
            links.iter().any(|link| {
                link.index == *index && link.mac == known.link.mac && link.name == known.link.name
            })
        });
        for link in links {
            if link.kind == LinkKind::Other {
                continue;
            }
            // The change of the interface is notified in turn, with its carrier.
            if !link.is_up
                && let Err(error) = self.netlink.set_up(link.index)
            {
                self.warn(&error)?;
            }
            if link.kind == LinkKind::Ethernet {
                self.refresh_carrier(link)?;
            }
        }
        Ok(())
    }

    fn refresh_carrier(&mut self, link: Link) -> io::Result<()> {
        let Some(mac) = link.mac else { return Ok(()) };
        let now = uptime();
        let input = if link.has_carrier { Input::LinkUp } else { Input::LinkDown };
        let index = link.index;
        if !self.interfaces.contains_key(&index) {
            let client = Client::new(mac, self.options, (self.random)(), now);
            let configured = self.inherited(index)?;
            self.interfaces.insert(index, Interface { link, client, socket: None, configured, since: now });
        }
        self.drive_client(index, now, input)
    }

    /// The configuration of an interface that a former process left behind.
    fn inherited(&mut self, index: u32) -> io::Result<Configured> {
        let mut configured = Configured::default();
        match self.netlink.addresses() {
            Ok(found) => {
                let found = found.iter().filter(|found| found.index == index);
                let usable = found.filter(|found| found.usability == Usability::Global);
                configured.addresses = usable
                    .filter_map(|found| match found.address {
                        IpAddr::V4(address) => Some((address, found.prefix)),
                        IpAddr::V6(_) => None,
                    })
                    .collect();
            }
            Err(error) => self.warn(&error)?,
        }
        match self.netlink.default_routes() {
            Ok(found) => {
                let found = found.iter().filter(|route| route.index == index);
                configured.routers = found.map(|route| route.gateway).collect();
            }
            Err(error) => self.warn(&error)?,
        }
        Ok(configured)
    }

    fn refresh_addresses(&mut self) -> io::Result<()> {
        let found = match self.netlink.addresses() {
            Ok(found) => found,
            Err(error) => return self.warn(&error),
        };
        let usable = found
            .into_iter()
            .filter(|found| found.usability == Usability::Global && !found.address.is_loopback());
        let mut found: Vec<IpAddr> = usable.map(|found| found.address).collect();
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.handle_addresses(&mut self.netlink, uptime(), &found);
        }
        // Who takes the first address that fits wants one of the home network.
        found.sort_by_key(|address| {
            (self.tunnel.as_ref().is_some_and(|tunnel| tunnel.owns(*address)), *address)
        });
        found.dedup();
        if self.addresses.as_ref() == Some(&found) {
            return Ok(());
        }
        self.addresses = Some(found.clone());
        (self.report)(Report::Addresses(found))
    }

    /// Gives each client the frames that have arrived and a chance to act on its timeout.
    fn serve_clients(&mut self) -> io::Result<()> {
        let indexes: Vec<u32> = self.interfaces.keys().copied().collect();
        for index in indexes {
            let now = uptime();
            for frame in self.received_frames(index) {
                self.drive_client(index, now, Input::Frame(&frame))?;
            }
            self.drive_client(index, now, Input::Tick)?;
            self.open_or_close(index, now)?;
        }
        Ok(())
    }

    fn serve_tunnel(&mut self) -> io::Result<()> {
        let Some(tunnel) = &mut self.tunnel else { return Ok(()) };
        tunnel.serve(&mut self.netlink, uptime(), &mut self.random);
        tunnel.take_news().into_iter().try_for_each(|news| {
            (self.report)(match news {
                News::Status(status) => Report::Tunnel(status),
                News::Warning(text) => Report::Warning(text),
            })
        })
    }

    fn received_frames(&mut self, index: u32) -> Vec<Vec<u8>> {
        let mut received = Vec::new();
        let Some(interface) = self.interfaces.get_mut(&index) else { return received };
        while let (true, Some(socket)) = (received.len() < FRAMES_PER_ROUND, &interface.socket) {
            match socket.receive() {
                Ok(Some(frame)) => received.push(frame),
                Ok(None) => break,
                // The interface is down or gone; the notification that follows tells which.
                Err(_) => interface.socket = None,
            }
        }
        received
    }

    /// Hands one input to a client and carries out its outputs.
    fn drive_client(&mut self, index: u32, now: Duration, input: Input<'_>) -> io::Result<()> {
        let Some(interface) = self.interfaces.get_mut(&index) else { return Ok(()) };
        interface.client.handle(now, input);
        let mut outputs: Vec<Output> = std::iter::from_fn(|| interface.client.poll()).collect();
        // A client that had no lease does not lose one.
        let is_over = input == Input::LinkDown || now.saturating_sub(interface.since) >= INHERITED_LIFETIME;
        if is_over && interface.client.lease().is_none() && !interface.configured.is_empty() {
            outputs.push(Output::Lost);
        }
        for output in outputs {
            let done = match output {
                Output::Send(frame) => self.send(index, &frame),
                Output::Bound(lease) => self.configure(index, Some(&lease)),
                Output::Lost => self.configure(index, None),
            };
            if let Err(error) = done {
                self.warn(&error)?;
            }
        }
        self.report_servers()
    }

    fn send(&mut self, index: u32, frame: &[u8]) -> Result<(), Error> {
        self.ensure_open(index)?;
        let Some(interface) = self.interfaces.get_mut(&index) else { return Ok(()) };
        let sent = interface.socket.as_ref().map_or(Ok(()), |socket| socket.send(frame));
        if sent.is_err() {
            interface.socket = None;
        }
        sent
    }

    fn ensure_open(&mut self, index: u32) -> Result<(), Error> {
        if let Some(interface) = self.interfaces.get_mut(&index)
            && interface.socket.is_none()
        {
            interface.socket = Some(PacketSocket::open(&interface.link.name)?);
        }
        Ok(())
    }

    fn open_or_close(&mut self, index: u32, now: Duration) -> io::Result<()> {
        let Some(interface) = self.interfaces.get_mut(&index) else { return Ok(()) };
        if !interface.client.wants_frames(now) {
            interface.socket = None;
        } else if let Err(error) = self.ensure_open(index) {
            self.warn(&error)?;
        }
        Ok(())
    }

    /// Hands a lease over to the kernel: from here on the kernel answers ARP and routes for the address, and the
    /// client only keeps the lease alive.
    fn configure(&mut self, index: u32, lease: Option<&Lease>) -> Result<(), Error> {
        let Some(interface) = self.interfaces.get_mut(&index) else { return Ok(()) };
        let wanted = lease.map(Configured::of).unwrap_or_default();
        // What stays is not removed and added again: that would cut the connections bound to an address.
        let obsolete = std::mem::replace(&mut interface.configured, wanted.clone()).without(&wanted);
        // Either may be gone already with the interface, and a failed removal must not keep the new lease out: hence
        // both results are ignored.
        for router in obsolete.routers {
            let _ = self.netlink.delete_default_route(index, router);
        }
        for (address, prefix) in obsolete.addresses {
            let _ = self.netlink.delete_address(index, address.into(), prefix);
        }
        if let Some(new) = lease {
            // Address before route, which takes its source address from it. Both requests replace what is there: a lease
            // that a former process left behind is no obstacle.
            self.netlink.add_address(index, new.address.into(), new.prefix)?;
            if let Some(router) = new.router {
                self.netlink.set_default_route(index, router)?;
            }
        }
        Ok(())
    }

    /// Reports the name servers and the time servers of all leases, if they have changed.
    fn report_servers(&mut self) -> io::Result<()> {
        let resolvers = self.of_leases(|lease| &lease.resolvers);
        if self.resolvers.as_ref() != Some(&resolvers) {
            self.resolvers = Some(resolvers.clone());
            if let Some(tunnel) = &mut self.tunnel {
                tunnel.set_resolvers(&resolvers);
            }
            (self.report)(Report::Resolvers(resolvers))?;
        }
        let time_servers = self.of_leases(|lease| &lease.time_servers);
        if self.time_servers.as_ref() != Some(&time_servers) {
            self.time_servers = Some(time_servers.clone());
            (self.report)(Report::TimeServers(time_servers))?;
        }
        Ok(())
    }

    fn of_leases(&self, list: impl Fn(&Lease) -> &Vec<Ipv4Addr>) -> Vec<Ipv4Addr> {
        let leases = self.interfaces.values().filter_map(|interface| interface.client.lease());
        let mut addresses: Vec<Ipv4Addr> = leases.flat_map(|lease| list(lease).iter().copied()).collect();
        addresses.dedup();
        addresses
    }

    fn warn(&mut self, error: &Error) -> io::Result<()> {
        (self.report)(Report::Warning(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::{Configured, Lease};

    #[test]
    fn only_what_the_new_lease_lacks_is_obsolete() {
        let [a, b, router, other] = [7, 8, 1, 2].map(|last| Ipv4Addr::new(192, 168, 1, last));
        let lease = Lease {
            address: a,
            prefix: 24,
            router: Some(router),
            resolvers: Vec::new(),
            time_servers: Vec::new(),
        };
        let wanted = Configured::of(&lease);
        let former = Configured { addresses: vec![(a, 16), (a, 24), (b, 24)], routers: vec![router, other] };
        assert_eq!(
            former.without(&wanted),
            Configured { addresses: vec![(a, 16), (b, 24)], routers: vec![other] }
        );
        assert_eq!(former.without(&Configured::default()), former, "no lease at all");
        assert!(wanted.without(&wanted).is_empty());
    }
}
