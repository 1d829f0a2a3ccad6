//! Lookups against Debian's knot and unbound: zones signed from a root of the tests' own, and DNS over TLS.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod servers;

use std::net::SocketAddr;

use dns::{LookupError, MailHosts, NameServer, Resolver, RootKeys, Servers, Settings};
use mail_types::Tlsa;
use rustls::RootCertStore;
use test_support::Random;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use servers::{TLS_NAME, knot, plain, unbound};

const HEAD: &str = "@ 60 SOA ns.test. root.test. 1 60 60 60 60\n@ 60 NS ns.test.\n";

/// A zone whose mail host has a TLSA record.
fn zone(more: &str) -> String {
    let digest = "ab".repeat(32);
    format!("{HEAD}@ 60 MX 10 mx\nmx 60 A 192.0.2.1\n_25._tcp.mx 60 TLSA 3 1 1 {digest}\n{more}")
}

/// A resolver that has the TLSA records validated by these keys.
fn validating(address: SocketAddr, root_keys: RootKeys) -> Resolver {
    let validating = vec![NameServer { address, tls_name: None }];
    Resolver::new(Settings { validating, root_keys, ..plain(address) }).unwrap()
}

fn key_of_another_root() -> RootKeys {
    RootKeys::Records(format!(". 60 IN DNSKEY 257 3 13 {}AA==", "A".repeat(84)))
}

/// The number of TLSA records found for the mail host of each zone.
async fn found(resolver: &Resolver, zones: &[&str]) -> Vec<usize> {
    let mut numbers = Vec::new();
    for zone in zones {
        numbers.push(resolver.tlsa(&format!("_25._tcp.mx.{zone}")).await.unwrap().len());
    }
    numbers
}

#[tokio::test]
async fn tlsa_records_count_with_a_proof_from_the_root_on() {
    let digest = "cd".repeat(64);
    let more = format!(
        "_25._tcp.two 60 TLSA 3 1 1 {0}\n_25._tcp.two 60 TLSA 2 0 2 {digest}\n_25._tcp.two 60 TLSA 1 1 1 {0}\n\
         _25._tcp.alias 60 CNAME _25._tcp.mx\n_25._tcp.outward 60 CNAME _25._tcp.mx.plain.\n\
         *.wild 60 TLSA 3 1 1 {0}\nzz 60 A 192.0.2.2\n",
        "ef".repeat(32)
    );
    let signed = zone(&more);
    let other = zone("_25._tcp.inward 60 CNAME _25._tcp.mx.signed.\n");
    let test = format!("{HEAD}ns 60 A 127.0.0.1\n");
    let zones = [
        ("test", &*test),
        ("signed", &*signed),
        ("signed-hashed", &*signed),
        ("plain", &*other),
        ("broken", &*other),
    ];
    let (server, keys) = knot(&zones).await;
    let resolver = validating(server.address, keys.clone());
    assert_eq!(
        found(&resolver, &["signed", "signed-hashed", "plain", "broken", "absent"]).await,
        [1, 1, 0, 0, 0]
    );
    // One of the three is for the web's authorities; aliases count if each step is proven.
    for (name, expected) in [
        ("_25._tcp.two.signed", 2),
        ("_25._tcp.alias.signed", 1),
        ("_25._tcp.outward.signed", 0),
        ("_25._tcp.inward.plain", 0),
        ("_25._tcp.absent.signed", 0),
        ("mx.signed", 0),
        ("_25._tcp.absent.signed-hashed", 0),
        ("mx.signed-hashed", 0),
        ("_25._tcp.alias.signed-hashed", 1),
        ("_25.wild.signed-hashed", 1),
        // The library (hickory-net 0.26.3) takes a right proof by NSEC that a wildcard applies for a wrong one: such a host
        // needs an authority's certificate.
        ("_25.wild.signed", 0),
    ] {
        assert_eq!(resolver.tlsa(name).await.unwrap().len(), expected, "{name}");
    }
    // Everything else is answered without proofs, by the same server or another.
    assert_eq!(resolver.mail_hosts("broken").await, Ok(MailHosts::Hosts(vec!["mx.broken".to_owned()])));
    // With the key of another root nothing is proven; without a validating server nothing is asked.
    assert_eq!(found(&validating(server.address, key_of_another_root()), &["signed", "plain"]).await, [0, 0]);
    assert_eq!(found(&Resolver::new(plain(server.address)).unwrap(), &["signed"]).await, [0]);

    // Through a resolver that passes signatures on.
    let (unbound, _) = unbound(server.address).await;
    let resolver = validating(unbound.address, keys);
    assert_eq!(
        found(&resolver, &["signed", "signed-hashed", "plain", "broken", "absent"]).await,
        [1, 1, 0, 0, 0]
    );
}

#[tokio::test]
async fn questions_by_tls_are_for_the_named_server_only() {
    let test =
        format!("{HEAD}ns 60 A 127.0.0.1\n@ 60 MX 10 mx\nlong 60 TXT {}\n", "\"0123456789\" ".repeat(900));
    let (server, _) = knot(&[("test", &test)]).await;
    let (unbound, roots) = unbound(server.address).await;
    let ask = |tls_name: &str, tls_roots: RootCertStore| {
        let server = NameServer { address: unbound.tls_address, tls_name: Some(tls_name.to_owned()) };
        let settings =
            Settings { tls_roots, servers: Servers::Listed(vec![server]), ..plain(unbound.address) };
        Resolver::new(settings).unwrap()
    };
    let resolver = ask(TLS_NAME, roots.clone());
    assert_eq!(resolver.mail_hosts("test").await, Ok(MailHosts::Hosts(vec!["mx.test".to_owned()])));
    assert_eq!(resolver.mail_hosts("absent.test").await, Err(LookupError::NoSuchDomain));
    assert_eq!(resolver.texts("long.test").await.unwrap().concat().len(), 9000);
    for resolver in [ask("other.test", roots), ask(TLS_NAME, RootCertStore::empty())] {
        match resolver.mail_hosts("test").await {
            Err(LookupError::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Passes connections on to a server; those that were there at a freeze pass nothing any more, and are not closed.
struct Freezer {
    address: SocketAddr,
    frozen: watch::Sender<u64>,
}

impl Freezer {
    async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (frozen, freezes) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut freezes = freezes.clone();
                freezes.mark_unchanged();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = freezes.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, frozen }
    }
}

#[tokio::test]
async fn a_connection_that_a_router_forgot_is_made_anew() {
    let test = format!("{HEAD}ns 60 A 127.0.0.1\n*.many 60 TXT x\n");
    let (server, _) = knot(&[("test", &test)]).await;
    let (unbound, tls_roots) = unbound(server.address).await;
    let freezer = Freezer::start(unbound.tls_address).await;
    let through = NameServer { address: freezer.address, tls_name: Some(TLS_NAME.to_owned()) };
    let settings = Settings { tls_roots, servers: Servers::Listed(vec![through]), ..plain(unbound.address) };
    let resolver = Resolver::new(settings).unwrap();
    assert_eq!(resolver.texts("a.many.test").await, Ok(vec!["x".to_owned()]));
    freezer.frozen.send_modify(|freezes| *freezes += 1);
    // In time for one who waits.
    assert_eq!(resolver.texts("b.many.test").await, Ok(vec!["x".to_owned()]));
}

/// Passes questions on to a server, and its answers back with some bytes changed, but for the ID: a third of them.
async fn damaging(server: SocketAddr, seed: u64) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut random = Random::new(seed);
        let mut packet = vec![0; 65_535];
        while let Ok((length, client)) = socket.recv_from(&mut packet).await {
            let upstream = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            upstream.send_to(packet.get(..length).unwrap(), server).await.unwrap();
            let (length, _) = upstream.recv_from(&mut packet).await.unwrap();
            let answer = packet.get_mut(..length).unwrap();
            let (_, rest) = answer.split_at_mut(2);
            for _ in 0..[0, 0, 1, 3][random.below(4)] {
                let changed = random.below(rest.len());
                rest[changed] = random.byte();
            }
            socket.send_to(answer, client).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn damaged_answers_prove_nothing_that_is_not_so() {
    let zone = zone("_25._tcp.alias 60 CNAME _25._tcp.mx\n");
    let test = format!("{HEAD}ns 60 A 127.0.0.1\n");
    let (server, keys) = knot(&[("test", &test), ("signed", &zone), ("signed-hashed", &zone)]).await;
    let true_record = Tlsa::new(3, 1, 1, vec![0xab; 32]).unwrap();
    let mut lookups = JoinSet::new();
    let names = ["_25._tcp.mx.signed", "_25._tcp.alias.signed-hashed", "_25._tcp.absent.signed-hashed"];
    for (seed, name) in (0..60).flat_map(|seed| names.map(|name| (seed, name))) {
        let resolver = validating(damaging(server.address, seed).await, keys.clone());
        lookups.spawn(async move { (name, resolver.tlsa(name).await.unwrap_or_default()) });
    }
    let answers = lookups.join_all().await;
    for (name, records) in &answers {
        let is_true = records.is_empty() || (!name.contains("absent") && *records == [true_record.clone()]);
        assert!(is_true, "{name}: {records:?}");
    }
    assert!(answers.iter().any(|(_, records)| !records.is_empty()), "some damage does no harm");
}
