//! The ways by which others find and reach this server: the control socket's and the web's questions about DNS records and
//! about the network. The judgement is `relay_policy::reachability`; here is the looking.

mod connect;
mod domain;
mod keys;
mod network;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use config::Config;
use dns::Resolver;
use ipc::reachability::Finding;
use rustls::RootCertStore;
use tls::OutgoingTls;
use tokio::sync::OnceCell;

use crate::federation::outbound::Peers;
use crate::federation::signing::Signer;
use crate::operation::observed::Observed;
use crate::runtime::blocking;

/// See the file's head.
pub(crate) struct Reachability {
    config: Config,
    observed: Arc<Observed>,
    resolver: Resolver,
    /// None when this machine trusts no authority.
    tls: Option<OutgoingTls>,
    peers: Peers,
    signer: OnceCell<Arc<Signer>>,
    last: tokio::sync::Mutex<Option<Looked>>,
}

/// The findings of a look at the network.
struct Looked {
    at: Instant,
    findings: Vec<Finding>,
}

impl Reachability {
    /// Looks at nothing yet. Without a signer the keys are opened, or made, when they are asked for.
    pub(crate) fn new(
        config: Config,
        observed: Arc<Observed>,
        resolver: Resolver,
        (roots, peers): (RootCertStore, Peers),
        signer: Option<Arc<Signer>>,
    ) -> Self {
        let tls = OutgoingTls::new(roots).ok();
        let signer = OnceCell::new_with(signer);
        Self { config, observed, resolver, tls, peers, signer, last: tokio::sync::Mutex::default() }
    }

    async fn signer(&self) -> anyhow::Result<&Arc<Signer>> {
        let open = async || {
            let (store, domain) = (self.observed.store.clone(), self.config.domain.clone());
            anyhow::Ok(Arc::new(blocking::run(move || Signer::open(&store, &domain)).await??))
        };
        self.signer.get_or_try_init(open).await
    }

    /// The addresses of this machine by which everybody can connect to it; none behind a router that translates.
    fn public_addresses() -> Vec<IpAddr> {
        // Addresses that are nobody's (RFC 5737, RFC 3849).
        let four = way_out(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into());
        let six =
            way_out(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into());
        [four, six].into_iter().flatten().filter(|address| config::is_routed(*address)).collect()
    }
}

/// The address with which this machine connects to others. Connecting a datagram socket sends nothing.
fn way_out(any: IpAddr, nobody: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(nobody, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
