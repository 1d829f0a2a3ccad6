//! `[metrics]`: the listeners for OpenMetrics.

use std::net::SocketAddr;

use crate::finding::Severity;
use crate::model::Metrics;
use crate::reader::Reader;
use crate::values::socket_addresses;

pub(crate) fn metrics(table: &mut Reader) -> Metrics {
    let listen = table.take_with("listen", Vec::new(), socket_addresses);
    if listen.iter().any(|address: &SocketAddr| !address.ip().is_loopback()) {
        let problem = "Whoever reaches this address can read how many accounts and messages there are.";
        let advice = "Use an address of this machine alone, as 127.0.0.1, unless the network is trusted.";
        table.report("listen", Severity::Warning, problem, advice);
    }
    Metrics { listen }
}
