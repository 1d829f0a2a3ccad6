//! Places: strangers make room for strangers, each crowd in its own share, and nobody takes them all.

use test_support::{quoted, sasl_plain};

use crate::connections::service::Service;
use crate::tests::harness::{ALICE, BOB, PASSWORD, TestServer};

const LIMITS: &str = "registration = \"open\"\n[limits]\nconnections = 64\nconnections_per_account = 3\n";

fn login(user: &str) -> String {
    format!("a1 LOGIN \"{user}\" \"{}\"", quoted(PASSWORD))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_takes_places_keeps_out_neither_others_nor_its_own_people() {
    let server = TestServer::start(LIMITS).await;
    let mut phone = server.imaps_from("2001:db8:1::1").await;
    phone.send(&login(ALICE)).await;
    phone.expect("a1 OK").await;
    let mut other = server.imaps_from("2001:db8:2::1").await;
    let mut flood = Vec::new();
    for number in 0..100 {
        let mut client = server.plain_from(&format!("2001:db8:3::{number:x}"), Service::Imap).await;
        client.expect("* OK").await;
        flood.push(client);
    }
    flood[0].expect("* BYE [UNAVAILABLE] Too many connections").await;
    assert_eq!(flood[0].line().await, "");
    // The other network's client was there before all of them, and has not logged in yet.
    other.send(&login(BOB)).await;
    other.expect("a1 OK").await;
    for peer in ["2001:db8:4::1", "2001:db8:3::ffff"] {
        let mut late = server.imaps_from(peer).await;
        late.send(&login(ALICE)).await;
        late.expect("a1 OK").await;
    }
    phone.send("a2 NOOP").await;
    phone.expect("a2 OK").await;
    let text = server.observed().counters.connections_rejected.value();
    assert!(text > 0, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_other_servers_takes_no_place_of_phones() {
    let server = TestServer::start(LIMITS).await;
    let mut phone = server.plain_from("192.0.2.1", Service::Imap).await;
    phone.expect("* OK").await;
    let mut servers = Vec::new();
    for number in 0..100 {
        let mut client = server.plain_from(&format!("10.{number}.0.1"), Service::Smtp).await;
        client.expect("220 ").await;
        servers.push(client);
    }
    servers[0].expect("421 4.3.2 Too many connections").await;
    assert!(server.observed().connections.count() <= 1 + 64 / 8);
    phone.send("a NOOP").await;
    phone.expect("a OK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_so_many_connections_and_no_more() {
    let server = TestServer::start(LIMITS).await;
    let mut inside = vec![server.imap(ALICE).await, server.imap(ALICE).await];
    let submission = server.submission(ALICE).await;
    let mut fourth = server.tls(Service::Imaps, None).await;
    fourth.expect("* OK").await;
    fourth.send(&login(ALICE)).await;
    let refusal = fourth.expect("a1 NO [LIMIT]").await;
    assert!(
        !refusal.to_lowercase().contains("authentication"),
        "Delta Chat would ask for a password: {refusal}"
    );
    let mut client = server.tls(Service::Submissions, None).await;
    client.expect("220 ").await;
    client.send("EHLO x").await;
    client.until("250 ").await;
    client.send(&format!("AUTH PLAIN {}", sasl_plain(ALICE, PASSWORD))).await;
    client.expect("454 4.7.0 This account has too many connections").await;
    server.imap(BOB).await;

    drop(submission);
    inside.pop().expect("a client").send("a LOGOUT").await;
    loop {
        // The place is free as soon as the server has noticed; each connection has five tries.
        let mut client = server.tls(Service::Imaps, None).await;
        client.expect("* OK").await;
        client.send(&login(ALICE)).await;
        if client.line().await.starts_with("a1 OK") {
            break;
        }
    }
}
