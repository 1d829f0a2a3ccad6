//! Dynamic updates (RFC 2136) of the product's records at two name servers that people run: knot and BIND.

use std::net::SocketAddr;

use anyhow::Result;
use dns::LookupError;
use dns_update::{
    Applied, Changes, DnsProvider, ProviderSettings, Rdata, RecordKind, RecordName, RecordSets,
    TsigAlgorithm, UpdateError,
};
use hearth_tests::internet::resolver_at;
use hearth_tests::updated_zones::{CLOSED_ZONE, KEYS, OPEN_ZONE, Program, UpdatedZones};
use host::clock;
use https_client::HttpsClient;
use mail_types::{Secret, UnixTime};
use rustls::RootCertStore;

const PROGRAMS: [Program; 2] = [Program::Knot, Program::Bind];
/// The owner's name, one label below the zone.
const OWNER: &str = "box.home.test";

fn name(text: &str) -> RecordName {
    text.parse().unwrap()
}

/// A provider with these settings; the key is one of the server's by its name, the secret its own or another.
fn provider(
    address: SocketAddr,
    (owner, zone): (&str, Option<&str>),
    (key, algorithm, secret): (&str, &str, &str),
) -> DnsProvider {
    let algorithm: TsigAlgorithm = algorithm.parse().unwrap();
    let key = (key, algorithm, &Secret::new(secret));
    let settings = ProviderSettings::rfc2136(name(owner), &address.to_string(), zone.map(name), key).unwrap();
    DnsProvider::new(settings, HttpsClient::new(RootCertStore::empty()).unwrap())
}

/// The usual provider: the first key, and the zone is to be found.
fn usual(server: &UpdatedZones) -> DnsProvider {
    provider(server.address, (OWNER, None), (KEYS[0].0, KEYS[0].0, KEYS[0].1))
}

fn with_addresses(owner: &str, addresses: &[&str]) -> RecordSets {
    let mut sets = RecordSets::default();
    let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    sets.set_addresses(&name(owner), &addresses);
    sets
}

/// All records of a box, with the name, type and data as another program reads them.
fn records() -> Vec<(String, RecordKind, dns::RecordKind, String)> {
    let key = format!("v=DKIM1;k=rsa;s=email;t=s;p={}", "A".repeat(392));
    let authority = "0 issue \"letsencrypt.org; accounturi=https://acme.test/acct/1\"";
    [
        ("", RecordKind::A, dns::RecordKind::A, "192.0.2.7"),
        ("", RecordKind::Aaaa, dns::RecordKind::Aaaa, "2001:db8::7"),
        ("", RecordKind::Mx, dns::RecordKind::Mx, "10 box.home.test."),
        ("", RecordKind::Txt, dns::RecordKind::Txt, "v=spf1 a ~all"),
        ("", RecordKind::Caa, dns::RecordKind::Caa, authority),
        ("hearth._domainkey.", RecordKind::Txt, dns::RecordKind::Txt, &key),
        ("_dmarc.", RecordKind::Txt, dns::RecordKind::Txt, "v=DMARC1;p=reject;adkim=s;aspf=s"),
        ("_mta-sts.", RecordKind::Txt, dns::RecordKind::Txt, "v=STSv1; id=1"),
        ("mta-sts.", RecordKind::Cname, dns::RecordKind::Cname, "box.home.test."),
        ("_imaps._tcp.", RecordKind::Srv, dns::RecordKind::Srv, "0 1 993 box.home.test."),
    ]
    .map(|(labels, kind, seen, text)| (format!("{labels}{OWNER}"), kind, seen, text.to_owned()))
    .into()
}

fn all_records() -> RecordSets {
    let mut sets = RecordSets::default();
    for (owner, kind, _, text) in records() {
        sets.insert(name(&owner), Rdata::parse(kind, &text).unwrap());
    }
    let digest = [0xab; 32];
    sets.insert(name(&format!("_25._tcp.{OWNER}")), Rdata::tlsa(3, 1, 1, &digest).unwrap());
    sets
}

fn all(sets: &RecordSets) -> Changes {
    Changes::between(&RecordSets::default(), sets)
}

/// The data that the server publishes.
async fn published(server: &UpdatedZones, owner: &str, kind: dns::RecordKind) -> Vec<String> {
    match resolver_at(server.address).unwrap().records(owner, kind).await {
        Err(LookupError::NoData | LookupError::NoSuchDomain) => Vec::new(),
        other => other.unwrap(),
    }
}

#[tokio::test]
async fn all_records_are_published_replaced_and_removed() -> Result<()> {
    for program in PROGRAMS {
        let foreign = "box 60 TXT \"proof=of ownership\"\nbox 60 TXT \"v=spf1 -all\"\nbox 60 A 192.0.2.99\n";
        let server = UpdatedZones::start(program, foreign)?;
        let (provider, now, before) = (usual(&server), clock::wall(), all_records());
        assert_eq!(provider.apply(&all(&before), now).await, Ok(Applied::default()), "{program:?}");
        for (owner, _, kind, text) in records() {
            let seen = published(&server, &owner, kind).await;
            if owner == OWNER && kind == dns::RecordKind::Txt {
                assert_eq!(seen, ["proof=of ownership".to_owned(), text], "{program:?}");
            } else {
                assert_eq!(seen, [text], "{program:?}");
            }
        }
        let seen = published(&server, &format!("_25._tcp.{OWNER}"), dns::RecordKind::Tlsa).await;
        assert_eq!(seen.len(), 1, "{program:?}: {seen:?}");

        let mut after = before.clone();
        after.set_addresses(&name(OWNER), &["192.0.2.8".parse()?]);
        provider.apply(&Changes::between(&before, &after), now).await?;
        assert_eq!(published(&server, OWNER, dns::RecordKind::A).await, ["192.0.2.8"], "{program:?}");
        assert!(published(&server, OWNER, dns::RecordKind::Aaaa).await.is_empty(), "{program:?}");

        provider.apply(&Changes::between(&after, &RecordSets::default()), now).await?;
        for (owner, _, kind, _) in records() {
            let rest = published(&server, &owner, kind).await;
            let kept = owner == OWNER && kind == dns::RecordKind::Txt;
            assert_eq!(
                rest,
                if kept { vec!["proof=of ownership".to_owned()] } else { vec![] },
                "{program:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_authority_is_answered_with_every_algorithm() -> Result<()> {
    for program in PROGRAMS {
        let server = UpdatedZones::start(program, "")?;
        let challenge = name(&format!("_acme-challenge.mta-sts.{OWNER}"));
        for (key, secret) in KEYS {
            let provider = provider(server.address, (OWNER, Some(OPEN_ZONE)), (key, key, secret));
            let now = clock::wall();
            provider.set_challenge(&challenge, &["one", "two"], now).await?;
            let texts = published(&server, challenge.as_str(), dns::RecordKind::Txt).await;
            assert_eq!(texts, ["one", "two"], "{program:?} {key}");
            provider.set_challenge(&challenge, &[], now).await?;
            assert!(published(&server, challenge.as_str(), dns::RecordKind::Txt).await.is_empty());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_key_and_a_wrong_clock_are_told_apart() -> Result<()> {
    for program in PROGRAMS {
        let server = UpdatedZones::start(program, "")?;
        let now = clock::wall();
        let fails = async |zone, key, now| {
            let provider = provider(server.address, (OWNER, zone), key);
            provider.apply(&all(&with_addresses(OWNER, &["192.0.2.7"])), now).await.unwrap_err()
        };
        let [(first, right), (_, wrong), _] = KEYS;
        for zone in [None, Some(OPEN_ZONE)] {
            for (key, words) in [
                ((first, first, wrong), "BADSIG"),
                (("another-key", first, right), "BADKEY"),
                ((first, "hmac-sha512", right), "BADKEY"),
            ] {
                let error = fails(zone, key, now).await;
                assert!(error.to_string().contains(words), "{program:?} {key:?}: {error:?}");
            }
            for other in [now.0 - 1000, now.0 + 1000] {
                let error = fails(zone, (first, first, right), UnixTime(other)).await;
                let UpdateError::Clock(words) = &error else { panic!("{program:?}: {error:?}") };
                // A second may have passed on the way.
                let near = [999, 1000, 1001].map(|seconds| format!("by {seconds} seconds"));
                assert!(near.iter().any(|near| words.contains(near)), "{words}");
            }
        }
        assert!(published(&server, OWNER, dns::RecordKind::A).await.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn a_zone_that_is_not_there_or_not_ours_is_named() -> Result<()> {
    for program in PROGRAMS {
        let mut server = UpdatedZones::start(program, "")?;
        let key = (KEYS[0].0, KEYS[0].0, KEYS[0].1);
        let owner_elsewhere = "box.elsewhere.test";
        let closed = format!("box.{CLOSED_ZONE}");
        for (owner, zone, expected) in [
            (owner_elsewhere, Some("elsewhere.test"), "NOTAUTH"),
            (owner_elsewhere, None, "no zone that box.elsewhere.test is in"),
            (&closed, None, if program == Program::Knot { "BADKEY" } else { "REFUSED" }),
            // A name of the zone that has no records of its own, in place of the zone.
            (OWNER, Some(OWNER), "NOTAUTH"),
        ] {
            let provider = provider(server.address, (owner, zone), key);
            let result = provider.apply(&all(&with_addresses(owner, &["192.0.2.7"])), clock::wall()).await;
            let words = result.unwrap_err().to_string();
            assert!(words.contains(expected), "{program:?} {owner} {zone:?}: {words}");
        }
        let address = server.address;
        server.stop()?;
        let provider = provider(address, (OWNER, None), key);
        let result = provider.apply(&all(&with_addresses(OWNER, &["192.0.2.7"])), clock::wall()).await;
        assert!(matches!(result, Err(UpdateError::Unreachable(_))), "{result:?}");
    }
    Ok(())
}
