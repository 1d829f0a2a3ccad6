//! The addresses by which the internet reaches this server: of its tunnel, of its interfaces, of the router, or as a service
//! outside sees them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use host::clock;
use http_body_util::Full;
use https_client::{HttpsClient, RequestLimits};
use hyper::Request;
use hyper::body::Bytes;
use network::netlink::{Netlink, address_to_publish};
use port_mapping::plan::Standing;
use port_mapping::{MappingState, PortState};
use tokio::sync::{Notify, watch};

use crate::runtime::tunnel::KnownTunnel;

/// From one look at the interfaces to the next.
const LOOK: Duration = Duration::from_secs(30);
/// From one question to the service outside to the next: another address is to be acted on within a minute, and nobody else
/// tells of it.
const ASK: Duration = Duration::from_secs(50);
/// The same at most, while the service does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// The shortest pause, for a service that is slow to answer.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest wait at the start for the router's answer, which makes the service's superfluous.
const ROUTER_LIMIT: Duration = Duration::from_secs(60);
/// The bounds of that question: its answer is one address.
const LIMITS: RequestLimits = RequestLimits { time: Duration::from_secs(20), bytes: 256 };

/// The public addresses, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PublicAddresses {
    /// Of IPv4.
    pub(crate) v4: Option<Ipv4Addr>,
    /// Of IPv6.
    pub(crate) v6: Option<Ipv6Addr>,
}

impl PublicAddresses {
    /// Both in one list.
    pub(crate) fn list(self) -> Vec<IpAddr> {
        let (four, six) = (self.v4.map(IpAddr::from), self.v6.map(IpAddr::from));
        four.into_iter().chain(six).collect()
    }

    /// These, and of the families that are missing those.
    pub(crate) fn or(self, others: Self) -> Self {
        Self { v4: self.v4.or(others.v4), v6: self.v6.or(others.v6) }
    }

    /// The first of each family.
    fn first_of(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        addresses.into_iter().fold(Self::default(), |mut found, address| {
            match address.to_canonical() {
                IpAddr::V4(four) => found.v4 = found.v4.or(Some(four)),
                IpAddr::V6(six) => found.v6 = found.v6.or(Some(six)),
            }
            found
        })
    }
}

/// The addresses of this machine by which clients connect to it: those that it listens on, or else those with which it
/// connects to others.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnAddresses {
    /// The addresses that it listens on; empty if it listens on all.
    pub(crate) bound: Vec<IpAddr>,
    /// Whether addresses of private networks count: in a laboratory they are the internet.
    pub(crate) private_networks: bool,
}

impl OwnAddresses {
    /// The public ones among them; none behind a router that translates.
    ///
    /// Of IPv6 the one that stays is taken, if possible with the suffix of the previous one.
    pub(crate) fn public(&self, previous: Option<Ipv6Addr>) -> PublicAddresses {
        let all = if self.bound.is_empty() { of_interfaces(previous) } else { self.bound.clone() };
        PublicAddresses::first_of(all.into_iter().filter(|address| self.counts(*address)))
    }

    /// The public addresses of the tunnel. They stay while its other end is silent: a name that goes back and forth would
    /// help nobody.
    pub(crate) fn of_tunnel(&self, tunnel: &KnownTunnel) -> PublicAddresses {
        PublicAddresses::first_of(tunnel.addresses().into_iter().filter(|address| self.counts(*address)))
    }

    fn counts(&self, address: IpAddr) -> bool {
        config::is_routed(address) || (self.private_networks && !address.is_loopback())
    }
}

fn of_interfaces(previous: Option<Ipv6Addr>) -> Vec<IpAddr> {
    let (four, six) = (way_out(), stable(previous).map(IpAddr::from));
    four.into_iter().chain(six).collect()
}

/// The IPv4 address with which this machine connects to others. Connecting a datagram socket sends nothing.
fn way_out() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address that is nobody's (RFC 5737).
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// The IPv6 address under which others should find this machine. The one with which it connects to others may change
/// every day (RFC 8981).
fn stable(previous: Option<Ipv6Addr>) -> Option<Ipv6Addr> {
    let found = Netlink::open().and_then(|mut netlink| netlink.addresses()).ok()?;
    address_to_publish(&found, previous)
}

/// The task that follows the addresses.
pub(crate) struct AddressTask {
    /// The router's answers, if it is asked to forward ports.
    pub(crate) router: Option<watch::Receiver<MappingState>>,
    /// The service outside that may be asked, and the client that asks it.
    pub(crate) service: Option<(String, HttpsClient)>,
    /// The tunnel, whose public addresses go before all others.
    pub(crate) tunnel: KnownTunnel,
    pub(crate) addresses: watch::Sender<PublicAddresses>,
    pub(crate) own: OwnAddresses,
    /// Wakes those to whom another address, or a port that the router forwards now, may open a way.
    pub(crate) changed: Arc<Notify>,
}

/// The knowledge that a router gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    /// Its external address.
    external: Option<Ipv4Addr>,
    /// The number of ports that it forwards among those at which an authority looks (RFC 8555 section 8.3, RFC 8737).
    open: usize,
    /// Whether it has answered about each port, or there is none.
    is_final: bool,
}

impl Told {
    fn by(router: Option<&mut watch::Receiver<MappingState>>) -> Self {
        let Some(router) = router else { return Self { external: None, open: 0, is_final: true } };
        let state = router.borrow_and_update();
        let external = match state.external_v4() {
            Some(IpAddr::V4(four)) => Some(four),
            Some(IpAddr::V6(_)) | None => None,
        };
        let ports = || state.routers.iter().flat_map(|router| &router.ports);
        let is_looked_at = |port: &&PortState| [80, 443].contains(&port.port.external.get());
        let is_mapped = |port: &&PortState| matches!(port.standing, Standing::Mapped { .. });
        let open = ports().filter(is_looked_at).filter(is_mapped).count();
        let waits = ports().any(|port| matches!(port.standing, Standing::Waiting));
        Self { external, open, is_final: !state.routers.is_empty() && !waits }
    }
}

/// The service outside, and its last answers.
struct Outside {
    heard: Option<Ipv4Addr>,
    next: Instant,
    pause: Duration,
}

impl Outside {
    fn new(now: Instant) -> Self {
        Self { heard: None, next: now, pause: ASK }
    }

    /// Takes an answer. While there is none, the last one holds: it is more likely to be right than no address at all.
    fn take(&mut self, now: Instant, answer: Option<Ipv4Addr>) {
        self.pause = if answer.is_some() { ASK } else { (self.pause * 2).min(LONGEST_PAUSE) };
        self.heard = answer.or(self.heard);
        self.next = now + self.pause;
    }
}

/// Waits for the router's next answer; for ever if none is asked.
async fn answer(router: Option<&mut watch::Receiver<MappingState>>) {
    let Some(router) = router else { return std::future::pending().await };
    if router.changed().await.is_err() {
        std::future::pending().await
    }
}

impl AddressTask {
    /// Runs until it is cancelled.
    pub(crate) async fn run(mut self) {
        let begun = clock::now();
        let (mut outside, mut open) = (Outside::new(begun), 0);
        let mut tunnel = self.tunnel.subscribe();
        loop {
            let told = Told::by(self.router.as_mut());
            let (found, next) = self.find(told, &mut outside, begun).await;
            // Asked for last: init may have told of the tunnel meanwhile.
            let found = self.own.of_tunnel(&self.tunnel).or(found);
            let has_moved = self.addresses.send_if_modified(|known| std::mem::replace(known, found) != found);
            if has_moved {
                tracing::info!("the public address has changed");
            }
            if has_moved || told.open > open {
                self.changed.notify_one();
            }
            open = told.open;
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = answer(self.router.as_mut()) => {}
                () = tunnel.next() => {}
            }
        }
    }

    /// One look beside the tunnel, and the time until the next.
    async fn find(&self, told: Told, outside: &mut Outside, begun: Instant) -> (PublicAddresses, Duration) {
        let mut found = self.own.public(self.addresses.borrow().v6);
        // Behind a router its address is the public one, whatever a laboratory counts.
        found.v4 = told.external.filter(|address| self.own.counts((*address).into())).or(found.v4);
        let now = clock::now();
        let is_awaited = !told.is_final && now.saturating_duration_since(begun) < ROUTER_LIMIT;
        let is_known = found.v4.or(self.own.of_tunnel(&self.tunnel).v4).is_some();
        if is_known || self.service.is_none() || is_awaited {
            return (found, LOOK);
        }
        if outside.next <= now {
            outside.take(now, self.ask().await);
        }
        found.v4 = outside.heard;
        (found, outside.next.saturating_duration_since(clock::now()).clamp(SHORTEST, LOOK))
    }

    async fn ask(&self) -> Option<Ipv4Addr> {
        let (url, client) = self.service.as_ref()?;
        let request = Request::get(url).body(Full::<Bytes>::default()).ok()?;
        let answer = match client.send(request, LIMITS).await {
            Ok(answer) if answer.status().is_success() => answer.into_body(),
            Ok(answer) => {
                tracing::debug!(status = answer.status().as_u16(), "the address service gives no address");
                return None;
            }
            Err(error) => {
                tracing::debug!(error = format!("{error:#}"), "the address service cannot be asked");
                return None;
            }
        };
        let address = std::str::from_utf8(&answer).ok()?.trim().parse().ok();
        address.filter(|address: &Ipv4Addr| self.own.counts((*address).into()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use host::clock;
    use ipc::network::{Tunnel, TunnelState};

    use super::{AddressTask, KnownTunnel, MappingState, OwnAddresses, PublicAddresses};
    use super::{Arc, Notify, watch};

    fn parsed<const N: usize>(addresses: [&str; N]) -> Vec<IpAddr> {
        addresses.map(|address| address.parse().unwrap()).into()
    }

    fn tunnel(state: TunnelState, addresses: Vec<IpAddr>) -> Tunnel {
        Tunnel { state, addresses, handshake: None, received: 0, sent: 0 }
    }

    /// The published addresses of a machine with these of its own, after this tunnel was told.
    async fn published(own: Vec<IpAddr>, told: Tunnel) -> Vec<IpAddr> {
        let known = KnownTunnel::default();
        let (addresses, mut published) = watch::channel(PublicAddresses::default());
        let task = AddressTask {
            router: None::<watch::Receiver<MappingState>>,
            service: None,
            tunnel: known.clone(),
            addresses,
            own: OwnAddresses { bound: own.clone(), private_networks: false },
            changed: Arc::new(Notify::new()),
        };
        let task = tokio::spawn(task.run());
        published.wait_for(|found| found.list() == own).await.unwrap();
        known.set(told, clock::now());
        published.changed().await.unwrap();
        let found = published.borrow().list();
        task.abort();
        found
    }

    #[tokio::test]
    async fn the_tunnels_public_addresses_go_before_all_others() {
        let home = || parsed(["9.9.9.9", "2620:fe::fe"]);
        for (inside, expected) in [
            (vec!["1.1.1.1", "2606:4700::1111"], parsed(["1.1.1.1", "2606:4700::1111"])),
            (vec!["1.1.1.1"], parsed(["1.1.1.1", "2620:fe::fe"])),
        ] {
            let inside = inside.into_iter().map(|address| address.parse().unwrap()).collect::<Vec<_>>();
            for state in [TunnelState::Calling, TunnelState::Answers, TunnelState::Silent] {
                assert_eq!(published(home(), tunnel(state, inside.clone())).await, expected, "{state:?}");
            }
        }
        // One that is nobody's outside changes nothing; the other family's does.
        let inside = parsed(["10.8.0.2", "2606:4700::1111"]);
        let found = published(home(), tunnel(TunnelState::Answers, inside)).await;
        assert_eq!(found, parsed(["9.9.9.9", "2606:4700::1111"]));
    }
}
