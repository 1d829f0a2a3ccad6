//! The ways by which others find and reach this server: the control socket's and the web's questions about DNS records and
//! about the network. The judgement is `relay_policy::reachability`; here is the looking.

mod connect;
mod domain;
mod keys;
mod network;

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
}
