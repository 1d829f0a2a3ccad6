//! The DNS records of the mail domain: the list, and the comparison with what is published.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dns::RecordKind;
use host::clock;
use ipc::control::Response;
use ipc::reachability::{DomainRecord, DomainRecords};
use mail_types::Domain;
use relay_policy::reachability::{Context, DomainFacts, Seen, domain_records, judge};
use ring::digest::{SHA256, digest};

use super::Reachability;
use crate::connections::service::Service;
use crate::federation::zone::Zone;

/// The length of a policy's ID in characters; RFC 8461 section 3.1 allows 32.
const ID_LENGTH: usize = 16;

impl Reachability {
    /// The answer to `hearth dns`.
    pub(crate) async fn domain(&self, check: bool) -> Response {
        match self.try_domain(check).await {
            Ok(records) => Response::Dns(records),
            Err(error) => Response::Refused(format!("The records cannot be listed: {error:#}.")),
        }
    }

    async fn try_domain(&self, check: bool) -> anyhow::Result<DomainRecords> {
        let domain = match &self.config.domain {
            Domain::Name(name) => name.clone(),
            Domain::Ipv4(_) | Domain::Ipv6(_) => {
                anyhow::bail!("the mail domain is an address, for which nothing is to be published")
            }
        };
        let facts = self.facts(&domain).await?;
        let mut records = domain_records(&facts);
        let mut notes = Vec::new();
        if !config::is_public(&self.config.domain) {
            notes.push(format!("{domain} is no name of the internet: nobody else can find it."));
        }
        if check {
            match Zone::find(&self.resolver, &domain, self.peers.names).await {
                Ok(zone) => compare(&zone, &domain, &facts.addresses, &mut records).await,
                Err(reason) => notes.push(format!("What is published is not known: {reason}.")),
            }
        }
        Ok(DomainRecords { domain, records, notes })
    }

    /// The facts that the domain's records are made from; none for an address.
    pub(crate) async fn facts_of_domain(&self) -> anyhow::Result<DomainFacts> {
        match &self.config.domain {
            Domain::Name(name) => self.facts(name).await,
            Domain::Ipv4(_) | Domain::Ipv6(_) => anyhow::bail!("the mail domain is an address"),
        }
    }

    async fn facts(&self, domain: &str) -> anyhow::Result<DomainFacts> {
        let signer = self.signer().await?;
        let port = |service: Service| self.observed.ports.get(&service).and_then(|all| all.first());
        let port = |service: Service| port(service).map(|address| address.port());
        let pairing = &self.config.pairing;
        // The web offers the policy with such a certificate only.
        let policy = self.observed.tls.is_vouched_for().then(|| web::mta_sts_policy(domain));
        Ok(DomainFacts {
            domain: domain.to_owned(),
            addresses: self.observed.naming.addresses().list(),
            wants_certificate: self.observed.naming.wants_certificate(),
            authority: self.observed.naming.authority(),
            key_digest: self.observed.naming.key_digest(),
            keys: signer.records(clock::wall()),
            policy_id: policy.map(|policy| id(&policy)),
            imaps: port(Service::Imaps).map(|port| pairing.imap_port.unwrap_or(port)),
            submissions: port(Service::Submissions).map(|port| pairing.smtp_port.unwrap_or(port)),
            has_smarthost: self.config.federation.smarthost.is_some(),
        })
    }
}

/// The same policy has the same ID, over restarts and restored backups; another policy has another.
fn id(policy: &str) -> String {
    let hexadecimal: String =
        digest(&SHA256, policy.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hexadecimal.chars().take(ID_LENGTH).collect()
}

async fn compare(zone: &Zone, domain: &str, own: &[IpAddr], records: &mut [DomainRecord]) {
    let mut addresses = Vec::new();
    for kind in [RecordKind::A, RecordKind::Aaaa] {
        if let Seen::Records(found) = zone.records(domain, kind).await {
            addresses.extend(found.iter().filter_map(|text| text.parse::<IpAddr>().ok()));
        }
    }
    let context = Context { own, addresses: &addresses };
    // Several records have one name and kind: TXT of the domain itself, for example.
    let mut known: BTreeMap<(String, String), Seen> = BTreeMap::new();
    for record in records {
        let key = (record.name.clone(), record.kind.clone());
        let seen = match known.get(&key) {
            Some(seen) => seen.clone(),
            None => {
                let seen = look(zone, record).await;
                known.insert(key, seen.clone());
                seen
            }
        };
        record.published = Some(judge(record, &seen, &context));
    }
}

async fn look(zone: &Zone, record: &DomainRecord) -> Seen {
    let kind = match record.kind.as_str() {
        "A" => RecordKind::A,
        "AAAA" => RecordKind::Aaaa,
        "CAA" => RecordKind::Caa,
        "CNAME" => RecordKind::Cname,
        "MX" => RecordKind::Mx,
        "SRV" => RecordKind::Srv,
        "TLSA" => RecordKind::Tlsa,
        _ => RecordKind::Txt,
    };
    let seen = zone.records(&record.name, kind).await;
    if kind == RecordKind::Cname && seen == Seen::Records(Vec::new()) {
        // An address serves as well as an alias.
        return zone.records(&record.name, RecordKind::A).await;
    }
    seen
}
