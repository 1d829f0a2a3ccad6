//! The addresses by which the internet reaches this server: of its interfaces, of the router, or as a service outside sees
//! them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dns_update::{InterfaceAddress, Permanence, address_to_publish};
use host::clock;
use http_body_util::Full;
use https_client::{HttpsClient, RequestLimits};
use hyper::Request;
use hyper::body::Bytes;
use network::netlink::{Netlink, Usability};
use port_mapping::MappingState;
use tokio::sync::{Notify, watch};

/// From one look at the interfaces to the next.
const LOOK: Duration = Duration::from_secs(30);
/// From one question to the service outside to the next, while nothing changes.
const ASK: Duration = Duration::from_secs(600);
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
    let candidate = |found: &network::netlink::InterfaceAddress| match found.address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => {
            let is_lasting = found.usability == Usability::Global;
            let permanence = if is_lasting { Permanence::Unknown } else { Permanence::Temporary };
            Some(InterfaceAddress { address, preferred: None, permanence })
        }
    };
    address_to_publish(&found.iter().filter_map(candidate).collect::<Vec<_>>(), previous)
}

/// The task that follows the addresses.
pub(crate) struct AddressTask {
    /// The router's answers, if it is asked to forward ports.
    pub(crate) router: Option<watch::Receiver<MappingState>>,
    /// The service outside that may be asked, and the client that asks it.
    pub(crate) service: Option<(String, HttpsClient)>,
    pub(crate) addresses: watch::Sender<PublicAddresses>,
    pub(crate) own: OwnAddresses,
    /// Wakes those to whom another address may open a way.
    pub(crate) changed: Arc<Notify>,
}

/// The router's external address, as it tells it.
fn external(router: &mut watch::Receiver<MappingState>) -> Option<Ipv4Addr> {
    match router.borrow_and_update().external_v4()? {
        IpAddr::V4(four) => Some(four),
        IpAddr::V6(_) => None,
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
        let mut heard: Option<(Instant, Option<Ipv4Addr>)> = None;
        loop {
            let previous = self.addresses.borrow().v6;
            let mut found = self.own.public(previous);
            // Behind a router its address is the public one, whatever a laboratory counts.
            let router = self.router.as_mut().and_then(external);
            found.v4 = router.filter(|address| self.own.counts((*address).into())).or(found.v4);
            if found.v4.is_none() && self.service.is_some() {
                let now = clock::now();
                let is_fresh = heard.is_some_and(|(at, _)| now.saturating_duration_since(at) < ASK);
                if !is_fresh {
                    heard = Some((now, self.ask().await));
                }
                found.v4 = heard.and_then(|(_, address)| address);
            }
            if self.addresses.send_if_modified(|known| std::mem::replace(known, found) != found) {
                tracing::info!("the public address has changed");
                self.changed.notify_one();
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = answer(self.router.as_mut()) => {}
            }
        }
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
