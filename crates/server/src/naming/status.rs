//! The state of the server's name, in words.

use std::net::IpAddr;

use host::clock;
use ipc::control::NamingStatus;
use ipc::reachability::Finding;
use tls::CertificateSummary;

use super::Naming;

/// Seconds of a day.
const DAY: u64 = 86_400;

impl Naming {
    /// The state of everything that makes the name good.
    pub(crate) fn status(&self) -> NamingStatus {
        let news = self.certificate.borrow().news.clone();
        let certificate =
            if news.is_empty() { certificate(&self.tls.summary(), clock::wall().0) } else { news.join(" ") };
        NamingStatus {
            domain: self.config.domain.to_string(),
            certificate,
            records: self.records.as_ref().map(|records| records.borrow().news.join(" ")),
            ports: ports(&self.forwarding()),
            addresses: addresses(&self.addresses().list()),
        }
    }
}

fn ports(findings: &[Finding]) -> Option<String> {
    let told = findings.iter().map(|finding| match &finding.advice {
        Some(advice) => format!("{} {advice}", finding.sentence),
        None => finding.sentence.clone(),
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
    let kind = if summary.self_signed { "self-signed" } else { "from a file" };
    let validity = match summary.expires.map(|end| end.0) {
        Some(end) if end > now => format!("valid for {} more days", (end - now) / DAY),
        Some(end) => format!("expired {} days ago", (now - end) / DAY),
        None => "of unknown validity".to_owned(),
    };
    format!("{kind}, {validity}: {}", summary.names.join(", "))
}
