//! The numbers: each event moves its own, the right text type, and nobody is named.

use test_support::quoted;

use crate::connections::service::Service;
use crate::tests::harness::{ALICE, BOB, TestServer, encrypted};
use crate::tests::keys::signed;
use crate::tests::peer::{Peer, listen};

const CONFIGURATION: &str = "registration = \"open\"\nmetrics = { listen = [\"127.0.0.1:0\"] }\n\
                             limits = { send_burst = 4, sends_per_minute = 1 }";

/// The head and the body of an answer.
async fn get(server: &TestServer, request: &str) -> (String, String) {
    let mut client = server.plain(Service::Metrics).await;
    client
        .raw(format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
        .await;
    let (mut head, mut body) = (String::new(), String::new());
    for part in [&mut head, &mut body] {
        loop {
            match client.line().await {
                line if line.is_empty() => break,
                line => part.push_str(&(line + "\n")),
            }
        }
    }
    (head, body)
}

fn value(text: &str, sample: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} is not in {text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_moves_its_number() {
    let server = TestServer::start(CONFIGURATION).await;
    server.imap(BOB).await;
    let _idle = server.imap(BOB).await;
    let mut wrong = server.tls(Service::Imaps, None).await;
    wrong.expect("* OK").await;
    wrong.send(&format!("a1 LOGIN {BOB} \"{}\"", quoted("wrong password"))).await;
    wrong.expect("a1 NO").await;
    let mut alice = server.submission(ALICE).await;
    let clear = format!("From: <{ALICE}>\r\n\r\nhello\r\n");
    assert!(alice.submit(ALICE, &[BOB], &clear).await.starts_with("523 "));
    assert!(alice.submit(ALICE, &[BOB], &encrypted(BOB, 100)).await.starts_with("500 "));
    assert!(alice.submit(ALICE, &["nobody001@chat.test"], &encrypted(ALICE, 100)).await.starts_with("550 "));
    let reply = alice.submit(ALICE, &[BOB, "nobody001@chat.test"], &encrypted(ALICE, 100)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    alice.send(&format!("MAIL FROM:<{ALICE}>")).await;
    alice.expect("250 ").await;
    alice.send(&format!("RCPT TO:<{BOB}>")).await;
    alice.expect("450 ").await;

    let (head, text) = get(&server, "GET /metrics").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    for (sample, expected) in [
        ("hearth_accounts", 2),
        ("hearth_accounts_created_total", 2),
        ("hearth_bounces_total", 1),
        ("hearth_connections{protocol=\"submission\"}", 1),
        ("hearth_connections_accepted_total{protocol=\"imap\"}", 3),
        ("hearth_logins_total{result=\"ok\"}", 3),
        ("hearth_logins_total{result=\"failed\"}", 1),
        ("hearth_messages_accepted_total", 1),
        ("hearth_messages_delivered_total", 2),
        ("hearth_messages_refused_total{reason=\"unencrypted\"}", 1),
        ("hearth_messages_refused_total{reason=\"sender\"}", 1),
        ("hearth_messages_refused_total{reason=\"rate\"}", 1),
        ("hearth_messages_refused_total{reason=\"recipients\"}", 1),
        ("hearth_messages_expired_total", 0),
        ("hearth_outbound_attempts_total", 0),
        ("hearth_queue_messages", 0),
        ("hearth_queue_oldest_age_seconds", 0),
        ("hearth_stored_messages", 2),
        ("hearth_certificate_expiry_timestamp_seconds", 4_733_510_400),
    ] {
        assert_eq!(value(&text, sample), expected, "{sample}");
    }
    let (free, size) = (value(&text, "hearth_disk_free_bytes"), value(&text, "hearth_disk_size_bytes"));
    assert!(0 < free && free < size, "{free} of {size}");
    for private in ["alice", "bob", "chat.test", "127.0.0.1", "@"] {
        assert!(!text.contains(private), "{private} is in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_for_other_servers_is_counted_by_its_end() {
    let peer = Peer::default();
    let ports = listen(42, &peer).await;
    let configuration = CONFIGURATION.replace("send_burst = 4", "send_burst = 1000");
    let server = TestServer::start_among(
        &format!("{configuration}\nfederation = {{ outbound = \"all\", private_networks = true }}"),
        ports,
    )
    .await;
    let mut alice = server.submission(ALICE).await;
    for (reply, code) in [("250 ok", "250 "), ("550 5.1.1 no", "550 "), ("451 4.7.1 later", "250 ")] {
        peer.answer("RCPT", reply);
        let answer = alice.submit(ALICE, &["ben@[127.0.0.42]"], &encrypted(ALICE, 100)).await;
        assert!(answer.starts_with(code), "{answer}");
    }
    let (_, text) = get(&server, "GET /metrics").await;
    for (sample, expected) in [
        ("hearth_outbound_attempts_total", 3),
        ("hearth_outbound_recipients_total{result=\"delivered\"}", 1),
        ("hearth_outbound_recipients_total{result=\"deferred\"}", 1),
        ("hearth_outbound_recipients_total{result=\"failed\"}", 1),
        ("hearth_outbound_given_up_total", 0),
        ("hearth_queue_messages", 1),
    ] {
        assert_eq!(value(&text, sample), expected, "{sample}");
    }
    assert!(!text.contains("127.0.0."), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_of_other_servers_is_counted_by_its_end() {
    let server = TestServer::start(CONFIGURATION).await;
    server.imap(BOB).await;
    let mut relay = server.relay().await;
    let message = encrypted("anna@other.test", 100);
    let answer = relay.submit("anna@other.test", &[BOB], &signed("other.test", &message)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    let answer = relay.submit("anna@other.test", &[BOB], &message).await;
    assert!(answer.starts_with("554 "), "{answer}");
    let (_, text) = get(&server, "GET /metrics").await;
    for (sample, expected) in [
        ("hearth_connections{protocol=\"smtp\"}", 1),
        ("hearth_inbound_messages_total{protocol=\"smtp\"}", 1),
        ("hearth_inbound_messages_total{protocol=\"https\"}", 0),
        ("hearth_inbound_refused_total{reason=\"unsigned\"}", 1),
        ("hearth_inbound_refused_total{reason=\"unencrypted\"}", 0),
    ] {
        assert_eq!(value(&text, sample), expected, "{sample}");
    }
    assert!(!text.contains("other.test"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_are_at_one_place_and_nothing_else_is() {
    let server = TestServer::start(CONFIGURATION).await;
    assert!(get(&server, "GET /").await.0.starts_with("HTTP/1.1 404"));
    assert!(get(&server, "POST /metrics").await.0.starts_with("HTTP/1.1 405"));
    let (head, body) = get(&server, "HEAD /metrics").await;
    assert!(head.starts_with("HTTP/1.1 200") && body.is_empty(), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_for_scrapers_unless_asked() {
    let server = TestServer::start("").await;
    assert_eq!(server.observed().ports.get(&Service::Metrics), None);
}
