//! A DHCP client (RFC 2131) for one Ethernet interface: frames and time in, frames and leases out. smoltcp implements the
//! protocol, because it does so without IO; this module adds the carrier, which comes and goes, and the filter that keeps
//! smoltcp's IP stack from answering beside the kernel's. No socket of the operating system here.
//!
//! ```text
//! caller                        Client                      smoltcp
//!   handle(now, Input) ───────▶ filter, queue ──────────▶ interface + DHCP socket
//!   poll() ◀─── Output ◀─────── frames, Bound, Lost ◀────┘
//!   wake_at()                   wants_frames()
//! ```
//!
//! Two stacks have the leased address at once. The kernel's serves everything; smoltcp's needs the address to renew the
//! lease by unicast (RFC 2131, 4.4.5), and with it the server's hardware address, which is why ARP replies, and only
//! replies, are let through to it.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::dhcpv4::{Event, Socket};
use smoltcp::time::Instant;
use smoltcp::wire::{DhcpOption, DhcpPacket, EthernetAddress, IpCidr};

/// The time for which a bound client reads frames after one of its own.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// Frames sent within [`REPLY_TIMEOUT`] after which replies are dropped until it is over: a server that refuses each of
/// its own offers would otherwise keep both sides in a loop without a pause.
const SEND_LIMIT: u32 = 12;
/// Bytes of the longest Ethernet frame, without its check sequence.
const FRAME_LIMIT: usize = 1514;
/// Received frames kept for smoltcp; DHCP needs one or two.
const QUEUE_LIMIT: usize = 16;
/// The code of the Host Name option (RFC 2132, 3.14).
const HOST_NAME: u8 = 12;
/// The code of the NTP Servers option (RFC 2132, 8.3).
const NTP_SERVERS: u8 = 42;
/// The options that are asked for: subnet mask, router, name servers, time servers.
const REQUESTED: &[u8] = &[1, 3, 6, NTP_SERVERS];
/// The most time servers of a lease.
const TIME_SERVERS_LIMIT: usize = 4;
/// Bytes of the longest host name that is sent: a DNS label (RFC 1035, 2.3.4).
const NAME_LIMIT: usize = 63;

/// The part of a lease that is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address assigned to this machine.
    pub address: Ipv4Addr,
    /// The prefix length of its network, from the subnet mask.
    pub prefix: u8,
    /// The default gateway.
    pub router: Option<Ipv4Addr>,
    /// DNS servers, in the server's order of preference.
    pub resolvers: Vec<Ipv4Addr>,
    /// Time servers (option 42, RFC 2132, 8.3), in the server's order of preference; four at most.
    pub time_servers: Vec<Ipv4Addr>,
}

/// An event. All times are durations since one fixed moment, such as boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A received Ethernet frame; one that does not concern DHCP is ignored.
    Frame(&'a [u8]),
    /// The interface has a carrier.
    LinkUp,
    /// The interface has no carrier.
    LinkDown,
    /// The time of [`Client::wake_at`].
    Tick,
}

/// An action for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this Ethernet frame.
    Send(Vec<u8>),
    /// Configure the interface with this lease, in place of the former one.
    Bound(Lease),
    /// Remove the former lease from the interface.
    Lost,
}

/// The options added to each message; a client borrows them.
#[derive(Debug)]
pub struct RequestOptions<'a> {
    options: Vec<DhcpOption<'a>>,
}

impl<'a> RequestOptions<'a> {
    /// The Host Name option; no option when `name` is empty or longer than 63 bytes.
    #[must_use]
    pub fn with_host_name(name: &'a str) -> Self {
        let good = !name.is_empty() && name.len() <= NAME_LIMIT;
        let option = DhcpOption { kind: HOST_NAME, data: name.as_bytes() };
        Self { options: if good { vec![option] } else { Vec::new() } }
    }
}

/// The client of one interface. After each [`Client::handle`], call [`Client::poll`] until it returns `None`.
pub struct Client<'a> {
    interface: Interface,
    sockets: SocketSet<'a>,
    socket: SocketHandle,
    queues: FrameQueues,
    carrier: Carrier,
    outputs: VecDeque<Output>,
    bound: Option<Lease>,
    last_sent: Option<Duration>,
    send_rate: SendRate,
    answer: AnswerToLastFrame,
}

/// Whether the last frame sent has brought a lease. Further replies are nobody's answer: a server that sends them
/// unasked could change the address at will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnswerToLastFrame {
    Awaited,
    Received,
}

/// Frames sent in the current window of [`REPLY_TIMEOUT`].
#[derive(Clone, Copy, Debug, Default)]
struct SendRate {
    since: Duration,
    frames: u32,
}

impl SendRate {
    fn count(&mut self, now: Duration) {
        if now.saturating_sub(self.since) >= REPLY_TIMEOUT {
            *self = Self { since: now, frames: 0 };
        }
        self.frames = self.frames.saturating_add(1);
    }

    fn is_exceeded(self, now: Duration) -> bool {
        self.frames >= SEND_LIMIT && now.saturating_sub(self.since) < REPLY_TIMEOUT
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Up,
    Down,
}

impl<'a> Client<'a> {
    /// A client for an interface without a carrier. `seed` determines its transaction IDs.
    #[must_use]
    pub fn new(mac: [u8; 6], options: &'a RequestOptions<'a>, seed: u64, now: Duration) -> Self {
        let mut queues =
            FrameQueues { mac, received: VecDeque::new(), sent: VecDeque::new(), time_servers: Vec::new() };
        let mut config = Config::new(EthernetAddress(mac).into());
        config.random_seed = seed;
        let interface = Interface::new(config, &mut queues, instant(now));
        let mut dhcp = Socket::new();
        dhcp.set_outgoing_options(&options.options);
        dhcp.set_parameter_request_list(REQUESTED);
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(dhcp);
        Self {
            interface,
            sockets,
            socket,
            queues,
            carrier: Carrier::Down,
            outputs: VecDeque::new(),
            bound: None,
            last_sent: None,
            send_rate: SendRate::default(),
            answer: AnswerToLastFrame::Awaited,
        }
    }

    /// Processes an event.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        match input {
            Input::Frame(frame) => {
                let has_room = self.queues.received.len() < QUEUE_LIMIT;
                let awaited = self.bound.is_none() || self.answer == AnswerToLastFrame::Awaited;
                if has_room && awaited && !self.send_rate.is_exceeded(now) && self.queues.accepts(frame) {
                    self.queues.received.push_back(frame.to_owned());
                }
            }
            // The cable may be in another network now: a new carrier starts with DISCOVER, not with the old lease.
            Input::LinkUp if self.carrier == Carrier::Down => {
                self.carrier = Carrier::Up;
                self.socket().reset();
            }
            Input::LinkDown if self.carrier == Carrier::Up => {
                self.carrier = Carrier::Down;
                self.socket().reset();
                // Without a carrier `run` is not called: the reset socket's event is taken here.
                self.take_event();
                self.queues.received.clear();
            }
            Input::LinkUp | Input::LinkDown | Input::Tick => {}
        }
        if self.carrier == Carrier::Up {
            self.run(now);
        }
    }

    /// The next action, if there is one.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The time at which to call [`Client::handle`] with [`Input::Tick`], unless an earlier event moves it.
    pub fn wake_at(&mut self, now: Duration) -> Option<Duration> {
        if self.carrier == Carrier::Down {
            return None;
        }
        let wake = self.interface.poll_at(instant(now), &self.sockets)?;
        let wake = Duration::from_micros(wake.total_micros().try_into().unwrap_or(0));
        // A wake-up when reading ends, so that the caller closes its socket then and not at the renewal hours later.
        let quiet = self.quiet_from().filter(|quiet| *quiet > now);
        Some(quiet.map_or(wake, |quiet| quiet.min(wake)))
    }

    /// Whether the client reads frames now. A bound client reads only for ten seconds after a frame of its own, so that
    /// the interface's other traffic is not copied here.
    #[must_use]
    pub fn wants_frames(&self, now: Duration) -> bool {
        self.carrier == Carrier::Up && self.quiet_from().is_none_or(|quiet| now < quiet)
    }

    /// The lease in force.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.bound.as_ref()
    }

    /// The time at which a bound client stops reading.
    fn quiet_from(&self) -> Option<Duration> {
        self.bound.as_ref()?;
        Some(self.last_sent.unwrap_or_default() + REPLY_TIMEOUT)
    }

    fn socket(&mut self) -> &mut Socket<'a> {
        self.sockets.get_mut(self.socket)
    }

    fn run(&mut self, now: Duration) {
        // Until nothing moves any more: a received OFFER makes smoltcp ready to send its REQUEST in the next round.
        loop {
            let _ = self.interface.poll(instant(now), &mut self.queues, &mut self.sockets);
            let changed = self.take_event();
            let mut sent = false;
            while let Some(frame) = self.queues.sent.pop_front() {
                self.outputs.push_back(Output::Send(frame));
                self.last_sent = Some(now);
                self.send_rate.count(now);
                self.answer = AnswerToLastFrame::Awaited;
                sent = true;
            }
            if !changed && !sent && self.queues.received.is_empty() {
                return;
            }
        }
    }

    /// Carries a change of the DHCP socket over to smoltcp's interface, which needs address and route to renew by
    /// unicast, and to the caller. A renewal without a change is not passed on.
    fn take_event(&mut self) -> bool {
        let time_servers = self.queues.time_servers.clone();
        let lease = match self.socket().poll() {
            None => return false,
            Some(Event::Deconfigured) => None,
            Some(Event::Configured(config)) => Some(Lease {
                address: config.address.address(),
                prefix: config.address.prefix_len(),
                router: config.router,
                resolvers: config.dns_servers.iter().copied().collect(),
                time_servers,
            }),
        };
        self.answer = AnswerToLastFrame::Received;
        let offered = lease.is_some();
        let lease = lease.filter(is_usable);
        if offered && lease.is_none() {
            // Asks anew, with DISCOVER, as often as the limit of frames lets it.
            self.socket().reset();
            let _ = self.socket().poll();
        }
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
            .field("carrier", &self.carrier)
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

fn instant(time: Duration) -> Instant {
    Instant::from_micros(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}

/// smoltcp's network device: two queues of frames.
struct FrameQueues {
    mac: [u8; 6],
    received: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
    /// Of the last reply to this client that smoltcp has got: it keeps no other options than its own.
    time_servers: Vec<Ipv4Addr>,
}

impl FrameQueues {
    /// Whether a frame is for smoltcp: a DHCP reply or an ARP reply. The kernel alone must answer all else: smoltcp's
    /// stack would reset connections that the kernel is about to accept.
    fn accepts(&self, frame: &[u8]) -> bool {
        const IPV4: [u8; 2] = [0x08, 0x00];
        const ARP: [u8; 2] = [0x08, 0x06];
        const BROADCAST: [u8; 6] = [0xff; 6];
        let Some((destination, rest)) = frame.split_first_chunk::<6>() else { return false };
        if *destination != self.mac && *destination != BROADCAST {
            return false;
        }
        match rest.get(6..8).and_then(|kind| <[u8; 2]>::try_from(kind).ok()) {
            Some(ARP) => is_arp_reply(frame.get(14..).unwrap_or_default()),
            Some(IPV4) => is_dhcp_reply(frame.get(14..).unwrap_or_default()),
            _ => false,
        }
    }
}

fn is_arp_reply(packet: &[u8]) -> bool {
    packet.get(6..8) == Some(&[0, 2])
}

/// Whether a host can have the address of a lease (RFC 1122 section 3.2.1.3), in a network of a possible size.
fn is_usable(lease: &Lease) -> bool {
    let &Lease { address, prefix, .. } = lease;
    let hosts = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    let number = address.to_bits() & hosts;
    let in_between = prefix >= 31 || number != 0 && number != hosts;
    (8..=32).contains(&prefix) && in_between && is_host_address(address)
}

/// Whether a single host can have this address.
fn is_host_address(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first < 240 && !address.is_loopback() && !address.is_multicast()
}

/// Whether an IPv4 packet is UDP from port 67 of a host to port 68, and no fragment. smoltcp renews by unicast to the source
/// of the reply, and panics if that is no host.
fn is_dhcp_reply(packet: &[u8]) -> bool {
    const UDP: u8 = 17;
    const PORTS: [u8; 4] = [0, 67, 0, 68];
    let Some(header) = packet.first().map(|first| usize::from(first & 0x0f) * 4) else { return false };
    let whole = packet.get(6..8).is_some_and(|part| part.first().is_some_and(|bits| bits & 0x3f == 0));
    let later_fragment = packet.get(7) != Some(&0);
    let source = packet.get(12..16).and_then(|source| <[u8; 4]>::try_from(source).ok()).map(Ipv4Addr::from);
    whole
        && !later_fragment
        && packet.get(9) == Some(&UDP)
        && packet.get(header..header + 4) == Some(&PORTS)
        && source.is_some_and(is_host_address)
}

/// The time servers in a DHCP reply to the client with this hardware address; none of any other packet.
fn time_servers(packet: &[u8], mac: [u8; 6]) -> Option<Vec<Ipv4Addr>> {
    const UDP_HEADER: usize = 8;
    let header =
        packet.first().filter(|_| is_dhcp_reply(packet)).map(|first| usize::from(first & 0x0f) * 4)?;
    let message = DhcpPacket::new_checked(packet.get(header + UDP_HEADER..)?).ok()?;
    if message.client_hardware_address() != EthernetAddress(mac) {
        return None;
    }
    let addresses = message.options().find(|option| option.kind == NTP_SERVERS).map(|option| option.data);
    let (addresses, _) = addresses.unwrap_or_default().as_chunks::<4>();
    let usable =
        addresses.iter().map(|octets| Ipv4Addr::from(*octets)).filter(|address| is_host_address(*address));
    Some(usable.take(TIME_SERVERS_LIMIT).collect())
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

impl Device for FrameQueues {
    type RxToken<'a>
        = Received
    where
        Self: 'a;
    type TxToken<'a>
        = Sent<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sent<'_>)> {
        let frame = self.received.pop_front()?;
        if let Some(servers) = time_servers(frame.get(14..).unwrap_or_default(), self.mac) {
            self.time_servers = servers;
        }
        Some((Received(frame), Sent(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent<'_>> {
        Some(Sent(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_LIMIT;
        // The UDP checksum of received frames is not verified. Quirk of virtual interfaces (veth, virtio): the sender
        // leaves it to hardware that does not exist, and a packet socket sees it unfinished. Ethernet's own check
        // sequence has to do.
        capabilities.checksum.udp = Checksum::Tx;
        capabilities
    }
}

#[cfg(test)]
mod tests;
