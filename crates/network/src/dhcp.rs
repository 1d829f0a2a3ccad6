//! A DHCP client for one Ethernet interface: frames and time in, frames and leases out. smoltcp knows the protocol;
//! this joins its socket to a cable that can be pulled. No socket of the operating system here.
//!
//! ```text
//! caller                        Client                      smoltcp
//!   handle(now, Input) ───────▶ filter, queue ──────────▶ interface + DHCP socket
//!   poll() ◀─── Output ◀─────── frames, Bound, Lost ◀────┘
//!   wake_at()                   wants_frames()
//! ```

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::dhcpv4::{Event, Socket};
use smoltcp::time::Instant;
use smoltcp::wire::{DhcpOption, EthernetAddress, IpCidr};

/// After a frame was sent, answers are listened for this long.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// A router that refuses what it has just offered is not argued with: after so many frames of ours in
/// [`ANSWER_TIME`] its answers are passed over until that time is over.
const ARGUMENT: u32 = 12;
/// Ethernet's frame without its checksum.
const FRAME: usize = 1514;
/// Frames waiting to be understood; DHCP needs one or two.
const QUEUE: usize = 16;
/// The option that tells the router our name (RFC 2132, 3.14).
const HOST_NAME: u8 = 12;
/// A name longer than a DNS label is not sent.
const NAME_LIMIT: usize = 63;

/// What the router granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Our address.
    pub address: Ipv4Addr,
    /// The length of its network's prefix.
    pub prefix: u8,
    /// The way to the world.
    pub router: Option<Ipv4Addr>,
    /// Who resolves names.
    pub resolvers: Vec<Ipv4Addr>,
}

/// Something that happened. All times are since any one moment, such as the start of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A frame came in; those that do not concern DHCP are passed over.
    Frame(&'a [u8]),
    /// The cable is in.
    LinkUp,
    /// The cable is out.
    LinkDown,
    /// The time that [`Client::wake_at`] gave has come.
    Tick,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this frame.
    Send(Vec<u8>),
    /// This is the configuration from now on.
    Bound(Lease),
    /// There is no configuration any more.
    Lost,
}

/// What is sent along with every request; it outlives the client that uses it.
#[derive(Debug)]
pub struct Announcement<'a> {
    options: Vec<DhcpOption<'a>>,
}

impl<'a> Announcement<'a> {
    /// Tells the router the box's name, if it is one.
    #[must_use]
    pub fn of_name(name: &'a str) -> Self {
        let good = !name.is_empty() && name.len() <= NAME_LIMIT;
        let option = DhcpOption { kind: HOST_NAME, data: name.as_bytes() };
        Self { options: if good { vec![option] } else { Vec::new() } }
    }
}

/// The client. Call [`Client::handle`] when something happens, then [`Client::poll`] until it gives nothing.
pub struct Client<'a> {
    interface: Interface,
    sockets: SocketSet<'a>,
    socket: SocketHandle,
    wire: Wire,
    cable: Cable,
    outputs: VecDeque<Output>,
    bound: Option<Lease>,
    last_sent: Option<Duration>,
    talk: Talk,
}

/// How much was said lately.
#[derive(Clone, Copy, Debug, Default)]
struct Talk {
    since: Duration,
    frames: u32,
}

impl Talk {
    fn count(&mut self, now: Duration) {
        if now.saturating_sub(self.since) >= ANSWER_TIME {
            *self = Self { since: now, frames: 0 };
        }
        self.frames = self.frames.saturating_add(1);
    }

    fn is_argument(self, now: Duration) -> bool {
        self.frames >= ARGUMENT && now.saturating_sub(self.since) < ANSWER_TIME
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cable {
    In,
    Out,
}

impl<'a> Client<'a> {
    /// A client whose cable is still out. `seed` makes its transaction numbers.
    #[must_use]
    pub fn new(mac: [u8; 6], announcement: &'a Announcement<'a>, seed: u64, now: Duration) -> Self {
        let mut wire = Wire { mac, received: VecDeque::new(), sent: VecDeque::new() };
        let mut config = Config::new(EthernetAddress(mac).into());
        config.random_seed = seed;
        let interface = Interface::new(config, &mut wire, instant(now));
        let mut dhcp = Socket::new();
        dhcp.set_outgoing_options(&announcement.options);
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(dhcp);
        let (cable, outputs) = (Cable::Out, VecDeque::new());
        Self {
            interface,
            sockets,
            socket,
            wire,
            cable,
            outputs,
            bound: None,
            last_sent: None,
            talk: Talk::default(),
        }
    }

    /// Takes notice of what happened.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        match input {
            Input::Frame(frame) => {
                let hear = !self.talk.is_argument(now) && self.wire.received.len() < QUEUE;
                if hear && self.wire.concerns_us(frame) {
                    self.wire.received.push_back(frame.to_owned());
                }
            }
            Input::LinkUp if self.cable == Cable::Out => {
                self.cable = Cable::In;
                self.socket().reset();
            }
            Input::LinkDown if self.cable == Cable::In => {
                self.cable = Cable::Out;
                self.socket().reset();
                self.take_event();
                self.wire.received.clear();
            }
            Input::LinkUp | Input::LinkDown | Input::Tick => {}
        }
        if self.cable == Cable::In {
            self.run(now);
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Client::handle`] with [`Input::Tick`] if nothing happens before.
    pub fn wake_at(&mut self, now: Duration) -> Option<Duration> {
        if self.cable == Cable::Out {
            return None;
        }
        let wake = self.interface.poll_at(instant(now), &self.sockets)?;
        let wake = Duration::from_micros(wake.total_micros().try_into().unwrap_or(0));
        // While an answer is awaited, listening ends at its own time.
        let quiet = self.quiet_from().filter(|quiet| *quiet > now);
        Some(quiet.map_or(wake, |quiet| quiet.min(wake)))
    }

    /// Whether frames are of use now. A bound client listens only while it talks, so that the rest of the network's
    /// traffic does not have to be looked at.
    #[must_use]
    pub fn wants_frames(&self, now: Duration) -> bool {
        self.cable == Cable::In && self.quiet_from().is_none_or(|quiet| now < quiet)
    }

    /// What is configured at the moment.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.bound.as_ref()
    }

    fn quiet_from(&self) -> Option<Duration> {
        self.bound.as_ref()?;
        Some(self.last_sent.unwrap_or_default() + ANSWER_TIME)
    }

    fn socket(&mut self) -> &mut Socket<'a> {
        self.sockets.get_mut(self.socket)
    }

    fn run(&mut self, now: Duration) {
        // Each round may make the next one possible: an offer is followed by a request.
        loop {
            let _ = self.interface.poll(instant(now), &mut self.wire, &mut self.sockets);
            let changed = self.take_event();
            let mut sent = false;
            while let Some(frame) = self.wire.sent.pop_front() {
                self.outputs.push_back(Output::Send(frame));
                self.last_sent = Some(now);
                self.talk.count(now);
                sent = true;
            }
            if !changed && !sent && self.wire.received.is_empty() {
                return;
            }
        }
    }

    /// Carries a change of the DHCP socket over to smoltcp's own interface and to the caller.
    fn take_event(&mut self) -> bool {
        let lease = match self.socket().poll() {
            None => return false,
            Some(Event::Deconfigured) => None,
            Some(Event::Configured(config)) => Some(Lease {
                address: config.address.address(),
                prefix: config.address.prefix_len(),
                router: config.router,
                resolvers: config.dns_servers.iter().copied().collect(),
            }),
        };
        let cidr = lease.as_ref().map(|lease| IpCidr::new(lease.address.into(), lease.prefix));
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            // There is room for one: the list has just been emptied.
            addresses.extend(cidr);
        });
        let routes = self.interface.routes_mut();
        routes.remove_default_ipv4_route();
        if let Some(router) = lease.as_ref().and_then(|lease| lease.router) {
            // The table is empty, so it cannot be full.
            let _ = routes.add_default_ipv4_route(router);
        }
        if lease != self.bound {
            self.bound.clone_from(&lease);
            self.outputs.push_back(lease.map_or(Output::Lost, Output::Bound));
        }
        true
    }
}

impl std::fmt::Debug for Client<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("cable", &self.cable)
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

fn instant(time: Duration) -> Instant {
    Instant::from_micros(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}

/// The cable as smoltcp sees it: two queues.
struct Wire {
    mac: [u8; 6],
    received: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
}

impl Wire {
    /// Whether smoltcp should see a frame. The kernel answers everything else, and must be the only one to do so:
    /// smoltcp would refuse connections that the kernel is about to accept.
    fn concerns_us(&self, frame: &[u8]) -> bool {
        const IPV4: [u8; 2] = [0x08, 0x00];
        const ARP: [u8; 2] = [0x08, 0x06];
        const BROADCAST: [u8; 6] = [0xff; 6];
        let Some((destination, rest)) = frame.split_first_chunk::<6>() else { return false };
        if *destination != self.mac && *destination != BROADCAST {
            return false;
        }
        match rest.get(6..8).and_then(|kind| <[u8; 2]>::try_from(kind).ok()) {
            Some(ARP) => is_arp_reply(frame.get(14..).unwrap_or_default()),
            Some(IPV4) => is_dhcp_answer(frame.get(14..).unwrap_or_default()),
            _ => false,
        }
    }
}

fn is_arp_reply(packet: &[u8]) -> bool {
    packet.get(6..8) == Some(&[0, 2])
}

/// UDP from port 67 to port 68, not in fragments.
fn is_dhcp_answer(packet: &[u8]) -> bool {
    const UDP: u8 = 17;
    const PORTS: [u8; 4] = [0, 67, 0, 68];
    let Some(header) = packet.first().map(|first| usize::from(first & 0x0f) * 4) else { return false };
    let whole = packet.get(6..8).is_some_and(|part| part.first().is_some_and(|bits| bits & 0x3f == 0));
    let later_fragment = packet.get(7) != Some(&0);
    whole && !later_fragment && packet.get(9) == Some(&UDP) && packet.get(header..header + 4) == Some(&PORTS)
}

struct Received(Vec<u8>);
struct Sent<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl Device for Wire {
    type RxToken<'a>
        = Received
    where
        Self: 'a;
    type TxToken<'a>
        = Sent<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sent<'_>)> {
        Some((Received(self.received.pop_front()?), Sent(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent<'_>> {
        Some(Sent(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME;
        // A quirk of virtual cables: the sender leaves the checksum of UDP to hardware that does not exist, and a
        // socket for whole frames sees it undone. Ethernet's own checksum has to do.
        capabilities.checksum.udp = Checksum::Tx;
        capabilities
    }
}

#[cfg(test)]
mod tests;
