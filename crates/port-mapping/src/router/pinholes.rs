//! UPnP's IPv6 firewall control (`WANIPv6FirewallControl:1`): holes for this machine's own address.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use igd_next::aio::Ipv6FirewallGateway;
use igd_next::aio::tokio::{Tokio, search_ipv6_firewall_gateway};
use igd_next::{PinholeError, SearchOptions};
use tokio::time::timeout;

use super::upnp::{call_refusal, protocol};
use crate::words::{Answer, Granted, Method, Refusal, Sign, WantedPort};

/// The time for a search.
const SEARCH_LIMIT: Duration = Duration::from_secs(4);
/// The time for one call.
const CALL_LIMIT: Duration = Duration::from_secs(3);
/// The longest lifetime of a hole.
const LONGEST: u32 = 86_400;

/// A router whose firewall can be asked.
#[derive(Debug)]
pub(super) struct Pinholes {
    gateway: Ipv6FirewallGateway<Tokio>,
    own: Ipv6Addr,
    /// The identifiers of the holes.
    holes: BTreeMap<WantedPort, u16>,
}

impl Pinholes {
    /// Looks for the router on an interface. It answers from an address of its choice, so that it cannot be compared with
    /// the default route's; one that is not the router opens nothing.
    pub(super) async fn find(own: Ipv6Addr, interface: u32) -> Option<Self> {
        let mut options = SearchOptions::ipv6(interface);
        // From the address that the holes are for.
        options.bind_addr = SocketAddrV6::new(own, 0, 0, 0).into();
        options.timeout = Some(SEARCH_LIMIT);
        let found = timeout(SEARCH_LIMIT, search_ipv6_firewall_gateway(options)).await;
        Some(Self { gateway: found.ok()?.ok()?, own, holes: BTreeMap::new() })
    }

    /// Opens a hole, or keeps it open; `None` if the router does not answer.
    pub(super) async fn map(&mut self, port: WantedPort, lifetime: Duration) -> Option<Answer> {
        let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX).clamp(1, LONGEST);
        let mut sign = Sign::None;
        if let Some(hole) = self.holes.get(&port) {
            match timeout(CALL_LIMIT, self.gateway.update_pinhole(*hole, seconds)).await {
                Ok(Ok(())) => return Some(self.granted(seconds, Sign::Kept)),
                Ok(Err(_)) => sign = Sign::Lost,
                Err(_over) => return None,
            }
        }
        let client = SocketAddrV6::new(self.own, port.internal.get(), 0, 0);
        let added = self.gateway.add_pinhole(protocol(port), client, seconds);
        match timeout(CALL_LIMIT, added).await.ok()? {
            Ok(hole) => {
                self.holes.insert(port, hole);
                Some(self.granted(seconds, sign))
            }
            // Then everything passes.
            Err(PinholeError::FirewallDisabled) => Some(self.granted(seconds, Sign::None)),
            Err(error) => {
                self.holes.remove(&port);
                Some(Answer::Refused { refusal: refusal(&error)?, address: None })
            }
        }
    }

    /// Closes a hole that this value has opened.
    pub(super) async fn unmap(&mut self, port: WantedPort) {
        if let Some(hole) = self.holes.remove(&port) {
            let _ = timeout(CALL_LIMIT, self.gateway.remove_pinhole(hole)).await;
        }
    }

    fn granted(&self, seconds: u32, sign: Sign) -> Answer {
        let (address, lifetime) = (Some(self.own.into()), Duration::from_secs(seconds.into()));
        Answer::Granted(Granted { method: Method::Upnp, address, lifetime, sign })
    }
}

/// The reason of an error; `None` if the router did not answer.
fn refusal(error: &PinholeError) -> Option<Refusal> {
    match error {
        PinholeError::ActionNotAuthorized | PinholeError::InboundPinholeNotAllowed => Some(Refusal::Policy),
        PinholeError::PinholeSpaceExhausted => Some(Refusal::NoResources),
        PinholeError::RequestError(error) => call_refusal(error),
        _ => Some(Refusal::Failed),
    }
}
