//! `[metrics]`: numbers for whoever watches the server.

use std::net::SocketAddr;

use super::finding::Severity;
use super::reader::Reader;

/// Numbers for whoever watches the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Where they can be read, by plain HTTP; nowhere when empty.
    pub listen: Vec<SocketAddr>,
}

pub(super) fn metrics(table: &mut Reader) -> Metrics {
    let listen = table.take_with("listen", Vec::new(), super::socket_addresses);
    if listen.iter().any(|address: &SocketAddr| !address.ip().is_loopback()) {
        let problem = "Whoever reaches this address can read how many accounts and messages there are.";
        let advice = "Use an address of this machine alone, as 127.0.0.1, unless the network is trusted.";
        table.report("listen", Severity::Warning, problem, advice);
    }
    Metrics { listen }
}
