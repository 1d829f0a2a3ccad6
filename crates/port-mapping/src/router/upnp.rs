//! UPnP's Internet Gateway Device, version 1 and 2, for IPv4: the mappings of `WANIPConnection` and `WANPPPConnection`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{
    AddPortError, GatewayIpVersion, GetExternalIpError, GetGenericPortMappingEntryError, PortMappingProtocol,
    RequestError, SearchOptions,
};
use tokio::time::{sleep, timeout};

use crate::words::{Answer, Granted, Method, Refusal, Sign, Transport, WantedPort};

/// The time for a search. Devices wait up to three seconds before they answer (the search says so: `MX`).
const SEARCH_LIMIT: Duration = Duration::from_secs(4);
/// The time after which the group is asked once more.
const SECOND_SEARCH: Duration = Duration::from_millis(700);
/// The time for one call.
const CALL_LIMIT: Duration = Duration::from_secs(3);
/// Entries of the router's table that are looked at.
const TABLE_LIMIT: u32 = 64;
/// The port of UPnP's discovery (SSDP), and its IPv4 group.
const DISCOVERY: (Ipv4Addr, u16) = (Ipv4Addr::new(239, 255, 255, 250), 1900);
/// The name of the mapping in the router's pages.
pub(super) const DESCRIPTION: &str = "Hearth";
/// The lifetime of a mapping that never ends: it is looked at once a day.
const ENDLESS: Duration = Duration::from_secs(86_400);

/// A router that speaks UPnP.
#[derive(Debug)]
pub(super) struct Upnp {
    gateway: Gateway<Tokio>,
    own: Ipv4Addr,
    mapped: BTreeMap<WantedPort, Place>,
}

/// A mapping of ours in the router's table.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Its last index.
    index: u32,
    /// Its lifetime in seconds when it was made, as the table said; 0 for ever.
    lease: u32,
}

/// A row of the table for a port.
#[derive(Clone, Copy, Debug)]
struct Row {
    index: u32,
    /// The device that the port leads to, if it is told by an address.
    holder: Option<IpAddr>,
    is_ours: bool,
    /// Seconds left; 0 for ever.
    lease: u32,
}

/// A place of the table.
enum At {
    Wanted(Row),
    Other,
    End,
}

/// The router does not show its table, or not all of it.
struct Unreadable;

/// A router's word about its external address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outside {
    /// It has this one.
    Address(IpAddr),
    /// It has none on the internet.
    None,
    /// It says nothing.
    Unknown,
}

/// The device that has an external port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// Another device, with its address where the table has one.
    Other(Option<IpAddr>),
    /// None, or this one.
    Nobody,
    /// The router shows no table.
    Unknown,
}

impl Upnp {
    /// Looks for the router: by a group, as UPnP has it, and at its own address. Other devices of the home that say they
    /// are routers are not believed.
    pub(super) async fn find(own: Ipv4Addr, router: Ipv4Addr) -> Option<Self> {
        // A datagram may be lost, and the library sends each once.
        let again = async {
            sleep(SECOND_SEARCH).await;
            search(own, router, DISCOVERY.into()).await
        };
        let gateway = tokio::select! {
            Some(found) = search(own, router, DISCOVERY.into()) => Some(found),
            Some(found) = again => Some(found),
            Some(found) = search(own, router, (router, DISCOVERY.1).into()) => Some(found),
            else => None,
        };
        Some(Self { gateway: gateway?, own, mapped: BTreeMap::new() })
    }

    /// The external address.
    pub(super) async fn external_address(&self) -> Outside {
        match timeout(CALL_LIMIT, self.gateway.get_external_ip()).await {
            Ok(Ok(address)) if address.is_unspecified() => Outside::None,
            Ok(Ok(address)) => Outside::Address(address),
            // ActionFailed, and an empty text in the place of an address.
            Ok(Err(GetExternalIpError::RequestError(
                RequestError::ErrorCode(501, _) | RequestError::InvalidResponse(_),
            ))) => Outside::None,
            Ok(Err(_)) | Err(_) => Outside::Unknown,
        }
    }

    /// Maps a port, or sees that it still is; `None` if the router does not answer.
    pub(super) async fn map(
        &mut self,
        port: WantedPort,
        lifetime: Duration,
        is_renewal: bool,
    ) -> Option<Answer> {
        let mut sign = Sign::None;
        if let Some(place) = self.mapped.get(&port).copied().filter(|_| is_renewal) {
            match self.row(port).await {
                // Some routers write each change to a memory that wears out.
                Ok(Some(row)) if row.is_ours && is_fresh(row.lease, place.lease) => {
                    self.mapped.insert(port, Place { index: row.index, ..place });
                    return Some(granted(row.lease, Sign::Kept));
                }
                Ok(Some(row)) if row.is_ours => sign = Sign::Kept,
                Ok(_) => sign = Sign::Lost,
                Err(Unreadable) => {}
            }
        }
        self.mapped.entry(port).or_default();
        let refusal = match self.add(port, lifetime).await? {
            Ok(seconds) => {
                // The router may have given another lifetime.
                let row = self.row(port).await.ok().flatten().filter(|row| row.is_ours);
                let lease = row.map_or(seconds, |row| row.lease);
                self.mapped.insert(port, Place { index: row.map_or(0, |row| row.index), lease });
                return Some(granted(lease, sign));
            }
            Err(refusal) => refusal,
        };
        self.mapped.remove(&port);
        Some(Answer::Refused { refusal, address: None })
    }

    /// Removes a mapping that this value has made.
    pub(super) async fn unmap(&mut self, port: WantedPort) {
        if self.mapped.remove(&port).is_some() {
            let removed = self.gateway.remove_port(protocol(port), port.external.get());
            let _ = timeout(CALL_LIMIT, removed).await;
        }
    }

    /// The device that has a port, by the router's table.
    pub(super) async fn holder(&self, port: WantedPort) -> Holder {
        match self.row(port).await {
            Ok(Some(row)) if row.is_ours => Holder::Nobody,
            Ok(Some(row)) => Holder::Other(row.holder),
            Ok(None) => Holder::Nobody,
            Err(Unreadable) => Holder::Unknown,
        }
    }

    /// The lifetime in seconds that was taken, or why none was; `None` without an answer.
    async fn add(&self, port: WantedPort, lifetime: Duration) -> Option<Result<u32, Refusal>> {
        let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
        let error = match self.add_once(port, seconds).await {
            Ok(()) => return Some(Ok(seconds)),
            Err(error) => error,
        };
        let again = match error {
            Some(AddPortError::OnlyPermanentLeasesSupported) => self.add_once(port, 0).await.map(|()| 0),
            Some(AddPortError::PortInUse) => match self.row(port).await.ok().flatten() {
                // Ours, from before a restart, and not to be written over.
                Some(row) if row.is_ours => {
                    let removed = self.gateway.remove_port(protocol(port), port.external.get());
                    let _ = timeout(CALL_LIMIT, removed).await;
                    self.add_once(port, seconds).await.map(|()| seconds)
                }
                row => return Some(Err(Refusal::Held { by: row.and_then(|row| row.holder) })),
            },
            error => Err(error),
        };
        match again {
            Ok(seconds) => Some(Ok(seconds)),
            Err(error) => Some(Err(refusal(&error?)?)),
        }
    }

    /// One call of AddPortMapping; an error of `None` means that no answer came in time.
    async fn add_once(&self, port: WantedPort, seconds: u32) -> Result<(), Option<AddPortError>> {
        let own = SocketAddr::from((self.own, port.internal.get()));
        let added = self.gateway.add_port(protocol(port), port.external.get(), own, seconds, DESCRIPTION);
        timeout(CALL_LIMIT, added).await.map_err(|_over| None)?.map_err(Some)
    }

    /// The table's row for a port: at its last place, or anywhere.
    async fn row(&self, port: WantedPort) -> Result<Option<Row>, Unreadable> {
        let last = self.mapped.get(&port).map_or(0, |place| place.index);
        if let Ok(At::Wanted(row)) = self.row_at(last, port).await {
            return Ok(Some(row));
        }
        for index in (0..TABLE_LIMIT).filter(|index| *index != last) {
            match self.row_at(index, port).await? {
                At::Wanted(row) => return Ok(Some(row)),
                At::Other => {}
                At::End => return Ok(None),
            }
        }
        Err(Unreadable)
    }

    async fn row_at(&self, index: u32, port: WantedPort) -> Result<At, Unreadable> {
        let row = timeout(CALL_LIMIT, self.gateway.get_generic_port_mapping_entry(index)).await;
        let row = match row.map_err(|_over| Unreadable)? {
            Ok(row) => row,
            Err(GetGenericPortMappingEntryError::SpecifiedArrayIndexInvalid) => return Ok(At::End),
            Err(_) => return Err(Unreadable),
        };
        if (row.protocol, row.external_port) != (protocol(port), port.external.get()) {
            return Ok(At::Other);
        }
        let holder: Option<IpAddr> = row.internal_client.parse().ok();
        let is_ours = holder == Some(self.own.into()) && row.internal_port == port.internal.get();
        Ok(At::Wanted(Row { index, holder, is_ours, lease: row.lease_duration }))
    }
}

/// The router, if one answers a search that is sent to this address.
async fn search(own: Ipv4Addr, router: Ipv4Addr, to: SocketAddr) -> Option<Gateway<Tokio>> {
    let mut options = SearchOptions::default();
    options.bind_addr = (own, 0).into();
    options.broadcast_address = to;
    options.timeout = Some(SEARCH_LIMIT);
    options.gateway_ip_version = GatewayIpVersion::V4;
    let found = timeout(SEARCH_LIMIT, search_gateway(options)).await.ok()?.ok()?;
    Some(found).filter(|gateway| gateway.addr.ip() == IpAddr::from(router))
}

pub(super) fn protocol(port: WantedPort) -> PortMappingProtocol {
    match port.transport {
        Transport::Tcp => PortMappingProtocol::TCP,
        Transport::Udp => PortMappingProtocol::UDP,
    }
}

/// Whether more than half of a lifetime is left.
fn is_fresh(left: u32, whole: u32) -> bool {
    left == 0 || left > whole / 2
}

fn granted(lease: u32, sign: Sign) -> Answer {
    let lifetime = if lease == 0 { ENDLESS } else { Duration::from_secs(lease.into()) };
    Answer::Granted(Granted { method: Method::Upnp, address: None, lifetime, sign })
}

/// The reason of an error; `None` if the router did not answer.
fn refusal(error: &AddPortError) -> Option<Refusal> {
    Some(match error {
        AddPortError::ActionNotAuthorized => Refusal::Policy,
        AddPortError::PortInUse => Refusal::Held { by: None },
        AddPortError::RequestError(error) => call_refusal(error)?,
        _ => Refusal::Failed,
    })
}

/// The reason of an error that belongs to no action; `None` if the router did not answer.
pub(super) fn call_refusal(error: &RequestError) -> Option<Refusal> {
    match error {
        RequestError::ErrorCode(606, _) => Some(Refusal::Policy),
        // NoPortMapsAvailable.
        RequestError::ErrorCode(728, _) => Some(Refusal::NoResources),
        // ConflictWithOtherMechanisms.
        RequestError::ErrorCode(729, _) => Some(Refusal::Held { by: None }),
        RequestError::IoError(_) | RequestError::HyperError(_) | RequestError::HyperClientError(_) => None,
        _ => Some(Refusal::Failed),
    }
}
