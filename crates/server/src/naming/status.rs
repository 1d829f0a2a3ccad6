//! The state of the server's name, in words.

use std::net::IpAddr;

use host::clock;
use ipc::control::{NamingStatus, TunnelStatus};
use ipc::network::TunnelState;
use ipc::reachability::{Finding, FindingState};
use mail_types::Domain;
use tls::CertificateSummary;

use super::Naming;

/// Seconds of a day.
const DAY: u64 = 86_400;
/// The state of records that the owner writes.
const BY_HAND: &str = "You write them yourself where you have the domain; `hearth dns` lists them and says which are missing. \
                       A provider with a token (`hearth name set --help`) lets this server do it.";

impl Naming {
    /// The state of everything that makes the name good.
    pub(crate) fn status(&self) -> NamingStatus {
        let news = self.certificate.borrow().news.clone();
        let certificate =
            if news.is_empty() { certificate(&self.tls.summary(), clock::wall().0) } else { news.join(" ") };
        NamingStatus {
            domain: self.config.domain.to_string(),
            certificate,
            records: self.records_in_words(),
            tunnel: self.tunnel.status(clock::now()).map(|status| status.in_words()),
            ports: ports(&self.forwarding()),
            addresses: addresses(&self.addresses().list()),
        }
    }

    fn records_in_words(&self) -> Option<String> {
        match (&self.records, &self.config.domain) {
            (Some(records), _) => Some(records.borrow().news.join(" ")).filter(|news| !news.is_empty()),
            (None, Domain::Name(_)) if self.is_found_by_others() => Some(BY_HAND.to_owned()),
            // An address has no records.
            (None, _) => None,
        }
    }
}

/// The finding about the tunnel.
pub(super) fn of_tunnel(tunnel: &TunnelStatus) -> Finding {
    let state = match tunnel.state {
        TunnelState::Calling => FindingState::Unknown,
        TunnelState::Answers => FindingState::Good,
        TunnelState::Silent => FindingState::Bad,
    };
    Finding { subject: "Tunnel".to_owned(), state, sentence: tunnel.in_words(), advice: None }
}

fn ports(findings: &[Finding]) -> Option<String> {
    let told = findings.iter().map(|Finding { subject, sentence, advice, .. }| {
        // The heading says it once; the findings about IPv6, a second router or a port say what they are about.
        let about = if subject == "Router" { String::new() } else { format!("{subject}: ") };
        let advice = advice.as_ref().map(|advice| format!(" {advice}")).unwrap_or_default();
        format!("{about}{sentence}{advice}")
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join(" "))
}

fn addresses(known: &[IpAddr]) -> Option<String> {
    let list: Vec<String> = known.iter().map(ToString::to_string).collect();
    (!list.is_empty()).then(|| list.join(", "))
}

/// A certificate that no authority is asked for.
fn certificate(summary: &CertificateSummary, now: u64) -> String {
    let validity = match summary.expires.map(|end| end.0) {
        Some(end) if end > now => format!("valid for {} more days", (end - now) / DAY),
        Some(end) => format!("expired {} days ago", (now - end) / DAY),
        None => "of unknown validity".to_owned(),
    };
    format!("{}, {validity}: {}", summary.source(), summary.names.join(", "))
}
