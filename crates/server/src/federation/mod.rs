//! Mail between servers: `inbound` receives, `outbound` sends and queues, `signing` keeps our keys (RFC 6376),
//! `zone` asks the name servers of our domain.

pub(crate) mod inbound;
pub(crate) mod outbound;
pub(crate) mod signing;
pub(crate) mod zone;

use std::path::PathBuf;

use anyhow::Context;
use config::Config;
use dns::{NameServer, Resolver, RootKeys, Servers, Settings};
use rustls::RootCertStore;

/// The machine's own name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The authorities that certificates of other servers are checked by.
pub(crate) fn roots(config: &Config) -> anyhow::Result<RootCertStore> {
    https_client::roots(config.federation.roots.as_ref()).context("trusting federation.roots")
}

/// The name servers that the owner listed, or the machine's.
pub(crate) fn resolver(config: &Config, roots: RootCertStore) -> anyhow::Result<Resolver> {
    let list = |servers: &[config::NameServer]| -> Vec<NameServer> {
        let server = |server: &config::NameServer| NameServer {
            address: server.address,
            tls_name: server.tls_name.clone(),
        };
        servers.iter().map(server).collect()
    };
    let servers = if config.dns.servers.is_empty() {
        Servers::ResolvConf(PathBuf::from(RESOLV_CONF))
    } else {
        Servers::Listed(list(&config.dns.servers))
    };
    let validating = list(&config.dns.validating);
    let root_keys = config.dns.root_keys.clone().map_or(RootKeys::Iana, RootKeys::Records);
    Resolver::new(Settings { servers, validating, root_keys, tls_roots: roots })
        .context("preparing name lookups")
}
