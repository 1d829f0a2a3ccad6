//! The proof that a host must give before it gets mail for a domain. TLS is mandatory in every case.

use mail_types::{Domain, Tlsa};

use crate::mta_sts::{Policy, PolicyMode};

/// The proof that a host must give in the TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostProof {
    /// None: any certificate will do. For domains that no authority certifies: those that begin with `_`, and addresses.
    AnyCertificate,
    /// A certificate by a known authority, with the host's name (RFC 8461 section 4.2).
    Authority,
    /// One that fits these records of the host (RFC 7672 section 3.1), of which there is at least one.
    Dane(Vec<Tlsa>),
}

/// The domain's policy does not let this host take its mail (RFC 8461 section 5). Another host may; if none does, the trouble
/// is temporary, since a policy changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the domain's MTA-STS policy does not name this host")]
pub struct HostNotInPolicy;

/// The name that has the TLSA records of a mail host (RFC 7672 section 2.2.3).
#[must_use]
pub fn tlsa_name(host: &str) -> String {
    format!("_25._tcp.{}", host.trim_end_matches('.'))
}

/// The proof that a mail host of a domain must give. `tlsa` are the proven records at [`tlsa_name`], none if they are not
/// known: an authority's certificate is needed then, and whoever suppresses them has not won yet. The policy is the domain's,
/// if it has one; it never takes the place of DANE (RFC 8461 section 2).
///
/// # Errors
///
/// When an enforced policy excludes the host.
pub fn host_proof(
    domain: &Domain,
    host: &str,
    tlsa: &[Tlsa],
    policy: Option<&Policy>,
) -> Result<HostProof, HostNotInPolicy> {
    if is_uncertified(domain) {
        return Ok(HostProof::AnyCertificate);
    }
    if policy.is_some_and(|policy| policy.mode() == PolicyMode::Enforce && !policy.allows(host)) {
        return Err(HostNotInPolicy);
    }
    Ok(if tlsa.is_empty() { HostProof::Authority } else { HostProof::Dane(tlsa.to_vec()) })
}

/// True for a domain that no authority gives certificates to: one that begins with `_`, or an address literal. Chatmail relays
/// take any certificate of its servers, and none asks for its policy or TLSA records.
#[must_use]
pub fn is_uncertified(domain: &Domain) -> bool {
    match domain {
        Domain::Name(name) => name.starts_with('_'),
        Domain::Ipv4(_) | Domain::Ipv6(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use mail_types::Tlsa;

    use super::{HostNotInPolicy, HostProof, host_proof, tlsa_name};
    use crate::mta_sts::Policy;

    fn policy(mode: &str) -> Policy {
        let body = format!("version: STSv1\nmode: {mode}\nmx: mx.a.test\nmx: *.b.test\nmax_age: 1");
        Policy::parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn leniency_is_for_domains_without_authorities_only() {
        let tlsa = [Tlsa::new(3, 1, 1, vec![7; 32]).unwrap()];
        for (domain, lenient) in [
            ("_box.test", true),
            ("[192.0.2.1]", true),
            ("[IPv6:2001:db8::1]", true),
            ("a.test", false),
            ("a._b.test", false),
            ("192.0.2.1", false),
        ] {
            let domain = domain.parse().unwrap();
            let expected = if lenient { HostProof::AnyCertificate } else { HostProof::Authority };
            // A host's own name makes no difference: its owner is not the domain's.
            for host in ["mx.a.test", "_mx.a.test"] {
                assert_eq!(host_proof(&domain, host, &[], None), Ok(expected.clone()), "{domain} {host}");
            }
            let dane = HostProof::Dane(tlsa.to_vec());
            let expected = if lenient { HostProof::AnyCertificate } else { dane };
            assert_eq!(host_proof(&domain, "mx.a.test", &tlsa, None), Ok(expected));
        }
    }

    #[test]
    fn tlsa_records_are_those_of_port_25() {
        assert_eq!(tlsa_name("mx.a.test"), "_25._tcp.mx.a.test");
        assert_eq!(tlsa_name("mx.a.test."), "_25._tcp.mx.a.test");
    }

    #[test]
    fn an_enforced_policy_holds_beside_dane() {
        let domain = "a.test".parse().unwrap();
        let tlsa = [Tlsa::new(3, 1, 1, vec![7; 32]).unwrap()];
        for (mode, host, expected) in [
            ("enforce", "mx.a.test", Ok(HostProof::Authority)),
            ("enforce", "x.b.test", Ok(HostProof::Authority)),
            ("enforce", "mx.evil.test", Err(HostNotInPolicy)),
            ("testing", "mx.evil.test", Ok(HostProof::Authority)),
            ("none", "mx.evil.test", Ok(HostProof::Authority)),
        ] {
            let policy = policy(mode);
            assert_eq!(host_proof(&domain, host, &[], Some(&policy)), expected, "{mode} {host}");
            let with_dane = expected.map(|_| HostProof::Dane(tlsa.to_vec()));
            assert_eq!(host_proof(&domain, host, &tlsa, Some(&policy)), with_dane, "{mode} {host}");
        }
    }
}
