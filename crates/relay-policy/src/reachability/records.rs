//! The records to publish for a relay's domain. Chatmail relays need an address and a DKIM key; the others are for
//! classic mail servers, or for the convenience of programs.

use std::net::IpAddr;

use ipc::reachability::{DomainRecord, Need};

/// The facts that the records are made from.
#[derive(Clone, Debug, Default)]
pub struct DomainFacts {
    /// The mail domain, a host name.
    pub domain: String,
    /// The addresses by which everybody reaches this server, as far as they are known.
    pub addresses: Vec<IpAddr>,
    /// The keys of our signatures.
    pub keys: Vec<PublicKeyRecord>,
    /// The ID of our MTA-STS policy (RFC 8461 section 3.1); none where we offer no policy.
    pub policy_id: Option<String>,
    /// Whether a certificate is asked of an authority, for the host of the policy, too.
    pub wants_certificate: bool,
    /// The authority that alone may issue certificates for the domain, as its CAA records name it (RFC 8659 section 4.2),
    /// and the account there (RFC 8657 section 3).
    pub authority: Option<(String, String)>,
    /// The SHA-256 of the public key of the certificate from the authority, which stays over renewals.
    pub key_digest: Option<[u8; 32]>,
    /// The port of IMAP over TLS, if it is offered.
    pub imaps: Option<u16>,
    /// The port of submission over TLS, if it is offered.
    pub submissions: Option<u16>,
    /// Whether a provider relays some of our mail.
    pub has_smarthost: bool,
}

/// A public key to publish (RFC 6376 section 3.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyRecord {
    /// The name of the record.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The use of the key.
    pub role: KeyRole,
}

/// The use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// Signs.
    Current,
    /// Is going to sign as soon as its record is seen.
    Next,
    /// Has signed mail that may still be under way; its record is needed for so many days more.
    Retired {
        /// Days, rounded up.
        days_left: u64,
    },
}

/// All records, the indispensable ones first.
#[must_use]
pub fn domain_records(facts: &DomainFacts) -> Vec<DomainRecord> {
    let mut records = addresses(facts);
    records.extend(facts.keys.iter().map(|key| key_record(&facts.domain, key)));
    records.extend(for_classic_servers(facts));
    records.extend(for_programs(facts));
    records
}

fn record(
    domain: &str,
    name: &str,
    kind: &str,
    value: impl Into<String>,
    (need, why): (Need, &str),
) -> DomainRecord {
    let relative = match name.strip_suffix(domain).map(|labels| labels.trim_end_matches('.')) {
        Some("") => "@".to_owned(),
        Some(labels) => labels.to_owned(),
        None => name.to_owned(),
    };
    DomainRecord {
        name: name.to_owned(),
        relative,
        kind: kind.to_owned(),
        value: value.into(),
        is_known: true,
        need,
        why: why.to_owned(),
        published: None,
    }
}

fn addresses(facts: &DomainFacts) -> Vec<DomainRecord> {
    let domain = &facts.domain;
    let of_kind = |kind: &str, placeholder: &str, need, why: &str| {
        let known: Vec<DomainRecord> = facts
            .addresses
            .iter()
            .filter(|address| address.is_ipv4() == (kind == "A"))
            .map(|address| record(domain, domain, kind, address.to_string(), (need, why)))
            .collect();
        if known.is_empty() {
            let unknown = record(domain, domain, kind, placeholder, (need, why));
            vec![DomainRecord { is_known: false, ..unknown }]
        } else {
            known
        }
    };
    let why = "Apps and other servers find the box by it.";
    let four = of_kind("A", "the IPv4 address of your router", Need::Indispensable, why);
    let why = "The same by IPv6. Leave it out if your connection has no IPv6.";
    let six = of_kind("AAAA", "the IPv6 address of this box", Need::Recommended, why);
    four.into_iter().chain(six).collect()
}

fn key_record(domain: &str, key: &PublicKeyRecord) -> DomainRecord {
    let (need, why) = match key.role {
        KeyRole::Current => {
            let why = "The key of this server's signatures. Chatmail relays take no mail without it.";
            (Need::Indispensable, why.to_owned())
        }
        KeyRole::Next => {
            let why =
                "The next key. Publish it beside the present one: the server changes over when it sees it.";
            (Need::Recommended, why.to_owned())
        }
        KeyRole::Retired { days_left } => {
            let why = format!(
                "The key before. Keep its record for {days_left} days more, while mail that it has signed may be \
                 under way; then remove it."
            );
            (Need::Recommended, why)
        }
    };
    record(domain, &key.name, "TXT", key.text.clone(), (need, &why))
}

fn for_classic_servers(facts: &DomainFacts) -> Vec<DomainRecord> {
    let domain = &facts.domain;
    let recommended = |why| (Need::Recommended, why);
    let why =
        "Says that this name takes the mail of the domain. Without any MX record the name itself counts.";
    let mut records = vec![record(domain, domain, "MX", format!("10 {domain}."), recommended(why))];
    let why = if facts.has_smarthost {
        "SPF: the addresses that send for the domain. Add the \"include:\" that your mail provider names."
    } else {
        "SPF: the addresses that send for the domain. Classic mail servers ask for it."
    };
    records.push(record(domain, domain, "TXT", "v=spf1 a ~all", recommended(why)));
    let dmarc = format!("_dmarc.{domain}");
    let why = "DMARC: forged mail in the name of the domain is to be refused.";
    records.push(record(domain, &dmarc, "TXT", "v=DMARC1;p=reject;adkim=s;aspf=s", recommended(why)));
    if let Some(id) = &facts.policy_id {
        let why = "MTA-STS: other servers write only to a server with a valid certificate.";
        let text = format!("v=STSv1; id={id}");
        records.push(record(domain, &format!("_mta-sts.{domain}"), "TXT", text, recommended(why)));
    }
    if facts.policy_id.is_some() || facts.wants_certificate {
        let why = "The place of the MTA-STS policy; the certificate needs this name, too.";
        let alias = format!("mta-sts.{domain}");
        records.push(record(domain, &alias, "CNAME", format!("{domain}."), recommended(why)));
    }
    records
}

fn for_programs(facts: &DomainFacts) -> Vec<DomainRecord> {
    let domain = &facts.domain;
    let services = [("_imaps._tcp", facts.imaps), ("_submissions._tcp", facts.submissions)];
    let mut records: Vec<DomainRecord> = services
        .into_iter()
        .filter_map(|(service, port)| {
            let why =
                "Mail programs find the server's port by it (RFC 6186). Delta Chat does not ask for it.";
            let (name, value) = (format!("{service}.{domain}"), format!("0 1 {} {domain}.", port?));
            Some(record(domain, &name, "SRV", value, (Need::Optional, why)))
        })
        .collect();
    if let Some(digest) = &facts.key_digest {
        let why = "DANE: classic mail servers that check signatures of the DNS know the server's key by it (RFC 7672).";
        let hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("_25._tcp.{domain}");
        records.push(record(domain, &name, "TLSA", format!("3 1 1 {hexadecimal}"), (Need::Optional, why)));
    }
    records.extend(authorization(facts));
    records
}

/// The record that lets one authority only issue certificates.
fn authorization(facts: &DomainFacts) -> Option<DomainRecord> {
    let domain = &facts.domain;
    let why = "Nobody but your certificate authority issues certificates for the domain (RFC 8659).";
    let caa = |value: &str| record(domain, domain, "CAA", value, (Need::Optional, why));
    match &facts.authority {
        Some((name, account)) => Some(caa(&format!("0 issue \"{name};accounturi={account}\""))),
        None if facts.policy_id.is_some() => {
            let unknown = caa("0 issue \"NAME OF YOUR CERTIFICATE AUTHORITY\"");
            Some(DomainRecord { is_known: false, ..unknown })
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use ipc::reachability::Need;

    use super::{DomainFacts, KeyRole, PublicKeyRecord, domain_records};

    fn facts() -> DomainFacts {
        let key = |selector: &str, role| PublicKeyRecord {
            name: format!("{selector}._domainkey.chat.example"),
            text: "v=DKIM1;k=rsa;p=AAAA".into(),
            role,
        };
        DomainFacts {
            domain: "chat.example".into(),
            keys: vec![key("hearth", KeyRole::Current), key("old", KeyRole::Retired { days_left: 3 })],
            imaps: Some(993),
            ..DomainFacts::default()
        }
    }

    #[test]
    fn what_the_server_knows_of_its_certificate_is_published() {
        let facts = DomainFacts {
            wants_certificate: true,
            authority: Some(("ca.example".into(), "https://ca.example/acct/1".into())),
            key_digest: Some([0xab; 32]),
            ..facts()
        };
        let rows = rows(&facts).join("\n");
        assert!(rows.contains("mta-sts CNAME chat.example."), "{rows}");
        assert!(rows.contains("0 issue \"ca.example;accounturi=https://ca.example/acct/1\""), "{rows}");
        assert!(rows.contains(&format!("3 1 1 {}", "ab".repeat(32))), "{rows}");
    }

    fn rows(facts: &DomainFacts) -> Vec<String> {
        domain_records(facts)
            .iter()
            .map(|record| format!("{} {} {}", record.relative, record.kind, record.value))
            .collect()
    }

    #[test]
    fn a_box_behind_a_router_leaves_the_addresses_to_its_owner() {
        assert_eq!(
            rows(&facts()),
            [
                "@ A the IPv4 address of your router",
                "@ AAAA the IPv6 address of this box",
                "hearth._domainkey TXT v=DKIM1;k=rsa;p=AAAA",
                "old._domainkey TXT v=DKIM1;k=rsa;p=AAAA",
                "@ MX 10 chat.example.",
                "@ TXT v=spf1 a ~all",
                "_dmarc TXT v=DMARC1;p=reject;adkim=s;aspf=s",
                "_imaps._tcp SRV 0 1 993 chat.example.",
            ]
        );
        let records = domain_records(&facts());
        let indispensable = records.iter().filter(|record| record.need == Need::Indispensable);
        assert_eq!(indispensable.map(|record| record.kind.as_str()).collect::<Vec<_>>(), ["A", "TXT"]);
        assert!(records[3].why.contains("3 days more"), "{:?}", records[3]);
    }

    #[test]
    fn known_addresses_and_a_policy_are_listed() {
        let facts = DomainFacts {
            addresses: vec!["8.8.4.4".parse().unwrap(), "2606:4700::1".parse().unwrap()],
            policy_id: Some("0a1b".into()),
            ..facts()
        };
        let rows = rows(&facts);
        for row in [
            "@ A 8.8.4.4",
            "@ AAAA 2606:4700::1",
            "_mta-sts TXT v=STSv1; id=0a1b",
            "mta-sts CNAME chat.example.",
        ] {
            assert!(rows.iter().any(|found| found == row), "{row} in {rows:?}");
        }
    }
}
