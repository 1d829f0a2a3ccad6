//! Mail for other servers: the first attempt and its answer, the queue, restarts, reports.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use store::Outbound as Entry;

use crate::federation::outbound::Peers;
use crate::tests::harness::{ALICE, BOB, TestServer, encrypted};
use crate::tests::peer::{Peer, listen, listen_too};

const OPEN: &str = "registration = \"open\"\nfederation = { outbound = \"all\", private_networks = true }";
const BEN: &str = "ben@[127.0.0.31]";

/// A server, and another one at 127.0.0.31.
async fn two_servers() -> (TestServer, Peer) {
    let peer = Peer::default();
    let ports = listen(31, &peer).await;
    (TestServer::start_among(OPEN, ports).await, peer)
}

fn queue(server: &TestServer) -> Vec<Entry> {
    server.observed().store.outbound().unwrap()
}

/// Waits until the queue has so many entries.
async fn queue_of(server: &TestServer, count: usize) {
    while queue(server).len() != count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn hurry(server: &TestServer) {
    let ids: Vec<_> = queue(server).iter().map(|entry| entry.id).collect();
    server.outbound().hurry(&ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_other_server_takes_at_once_is_signed_and_never_stored() {
    let (server, peer) = two_servers().await;
    let mut alice = server.submission(ALICE).await;
    for (count, size) in [(1, 100), (2, 300_000)] {
        let reply = alice.submit(ALICE, &[BEN, "kim@[127.0.0.31]"], &encrypted(ALICE, size)).await;
        assert!(reply.starts_with("250 "), "{reply}");
        let accepted = peer.accepted();
        assert_eq!(accepted.len(), count);
        let message = &accepted[count - 1];
        let envelope = format!("MAIL FROM:<{ALICE}>\r\nRCPT TO:<{BEN}>\r\nRCPT TO:<kim@[127.0.0.31]>\r\n");
        let content = message.strip_prefix(&envelope).expect("the envelope comes first");
        assert!(content.starts_with("DKIM-Signature: "), "{content:.200}");
        assert!(content.contains("\r\nSubject: [...]\r\n") && !content.contains("secret plans"));
    }
    assert_eq!(queue(&server), []);
    assert_eq!(server.messages(ALICE), 0);
    assert_eq!(peer.connections(), 1, "the connection is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn https_delivery_comes_first_and_its_refusal_is_final() {
    let (server, peer) = two_servers().await;
    peer.answer("https", "200 OK\r\n\r\n250 OK");
    let mut alice = server.submission(ALICE).await;
    for (count, size) in [(1, 100), (2, 300_000)] {
        let reply = alice.submit(ALICE, &[BEN], &encrypted(ALICE, size)).await;
        assert!(reply.starts_with("250 "), "{reply}");
        let accepted = peer.accepted();
        assert_eq!((accepted.len(), peer.connections()), (count, 0));
        let head = format!("x-mail-from: {ALICE}\r\nx-mail-to: {BEN}\r\n");
        let message = &accepted[count - 1];
        assert!(
            message.starts_with("POST /mxdeliv HTTP/1.1\r\n") && message.contains(&head),
            "{message:.300}"
        );
        assert!(message.ends_with("\r\n") && !message.ends_with("\r\n.\r\n"));
    }
    peer.answer("https", "400 Bad Request\r\n\r\n554 5.7.1 No DKIM signature found");
    let reply = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
    assert_eq!(reply, "554 5.7.1 No DKIM signature found (forwarded from 127.0.0.31)");
    // A relay whose web server takes small messages only has SMTP for the others.
    peer.answer("https", "413 Content Too Large\r\n\r\n<html>");
    let reply = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(peer.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_server_refuses_for_good_is_said_at_once_and_leaves_nothing() {
    let (server, peer) = two_servers().await;
    let mut alice = server.submission(ALICE).await;
    for (stage, reply, expected) in [
        ("RCPT", "550 5.1.1 no such user", "550 5.1.1 no such user (forwarded from 127.0.0.31)"),
        (
            ".",
            "554 5.7.1 No valid DKIM signature found",
            "554 5.7.1 No valid DKIM signature found (forwarded from 127.0.0.31)",
        ),
        ("MAIL", "550 5.5.0 not you", "550 5.0.0 not you (forwarded from 127.0.0.31)"),
    ] {
        peer.answer(stage, reply);
        for size in [100, 300_000] {
            assert_eq!(alice.submit(ALICE, &[BEN, ALICE], &encrypted(ALICE, size)).await, expected);
        }
        peer.answer_as_usual(stage);
    }
    assert_eq!((queue(&server).len(), server.messages(ALICE)), (0, 0));
    let reply = alice.submit(ALICE, &[BEN, ALICE], &encrypted(ALICE, 100)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!((peer.accepted().len(), server.messages(ALICE)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_off_is_queued_and_delivered_later() {
    let (server, peer) = two_servers().await;
    let mut alice = server.submission(ALICE).await;
    for (count, (stage, reply)) in [
        // First, since later messages find a connection that is kept.
        ("greeting", "421 busy"),
        ("RCPT", "451 4.7.1 Greylisted"),
        ("MAIL", "close"),
        (".", "452 4.3.1 full"),
        (".", "close"),
    ]
    .into_iter()
    .enumerate()
    {
        peer.answer(stage, reply);
        let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
        assert!(answer.starts_with("250 "), "{stage}: {answer}");
        assert_eq!((queue(&server).len(), peer.accepted().len()), (1, count));
        let entry = &queue(&server)[0];
        assert!(entry.draft.prefix.starts_with("DKIM-Signature: "));
        peer.answer_as_usual(stage);
        hurry(&server);
        assert_eq!(peer.wait_for(count + 1).await.len(), count + 1);
        queue_of(&server, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_does_not_hold_up_its_sender_and_delivers_once() {
    let peer = Peer::default();
    let peers = Peers { patience: Duration::from_millis(300), ..listen(31, &peer).await };
    let server = TestServer::start_among(OPEN, peers).await;
    // The reply to MAIL never comes to an end.
    peer.answer("MAIL", "250-wait");
    let mut alice = server.submission(ALICE).await;
    let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    assert_eq!(queue(&server).len(), 1);
    // A message for another server is not held up.
    listen_too(32, server.peers(), &peer).await;
    peer.answer_as_usual("MAIL");
    let answer = alice.submit(ALICE, &["kim@[127.0.0.32]"], &encrypted(ALICE, 100)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    assert!(peer.wait_for(1).await[0].contains("kim@"));
    queue_of(&server, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_survives_a_restart() {
    let (server, peer) = two_servers().await;
    peer.answer("RCPT", "450 4.2.1 later");
    let mut alice = server.submission(ALICE).await;
    alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
    assert_eq!(queue(&server).len(), 1);
    peer.answer_as_usual("RCPT");
    let server = server.restart(OPEN).await;
    peer.wait_for(1).await;
    queue_of(&server, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_here_and_somebody_there_get_one_message_and_the_other_refusal_is_a_report() {
    let (server, peer) = two_servers().await;
    server.imap(BOB).await;
    let mut alice = server.submission(ALICE).await;
    let answer = alice.submit(ALICE, &[BOB, BEN], &encrypted(ALICE, 100)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    peer.wait_for(1).await;
    assert_eq!((server.messages(BOB), server.messages(ALICE)), (1, 0));
    peer.answer("RCPT", "550 5.1.1 no such user");
    let answer = alice.submit(ALICE, &[BOB, BEN], &encrypted(ALICE, 100)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    let mut mail = server.imap(ALICE).await;
    mail.send("c1 SELECT INBOX").await;
    let selected = mail.until("c1 OK").await;
    if !selected.contains(&"* 1 EXISTS".to_owned()) {
        mail.send("c2 IDLE").await;
        mail.until("* 1 EXISTS").await;
        mail.send("DONE").await;
        mail.until("c2 OK").await;
    }
    mail.send("c3 FETCH 1 BODY[]").await;
    let report = mail.until("c3 OK").await.join("\n");
    assert!(
        report.contains(&format!("<{BEN}>: 550 5.1.1 no such user (forwarded from 127.0.0.31)")),
        "{report}"
    );
    assert!(report.contains("Message-ID: <1@chat.test>"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_offers_no_encryption_gets_no_mail() {
    let (server, peer) = two_servers().await;
    peer.answer("EHLO", "250-peer.test\r\n250 PIPELINING");
    let mut alice = server.submission(ALICE).await;
    let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    assert_eq!((queue(&server).len(), peer.accepted().len()), (1, 0));
}

/// A server whose smarthost is another one at 127.0.0.33, which it trusts, or does not.
async fn with_smarthost(purpose: &str, trusted: bool) -> (TestServer, Peer) {
    let peer = Peer::default();
    peer.answer("EHLO-in-TLS", "250-smarthost.test\r\n250-PIPELINING\r\n250 AUTH PLAIN");
    let peers = listen(33, &peer).await;
    let roots = tempfile::NamedTempFile::new().unwrap();
    if trusted {
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            STANDARD.encode(peer.certificate())
        );
        std::fs::write(roots.path(), pem).unwrap();
    }
    let roots = if trusted { format!("roots = {:?}, ", roots.path()) } else { String::new() };
    let settings = format!(
        "registration = \"open\"\nfederation = {{ outbound = \"all\", private_networks = true, {roots}smarthost = \"127.0.0.33:{}\", \
         smarthost_user = \"us\", smarthost_password = \"secret\", smarthost_for = \"{purpose}\" }}",
        peers.smtp
    );
    (TestServer::start_among(&settings, peers).await, peer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smarthost_gets_all_mail_or_that_for_servers_that_are_no_relays() {
    for purpose in ["all", "classic"] {
        let (server, peer) = with_smarthost(purpose, true).await;
        let mut alice = server.submission(ALICE).await;
        // Nobody listens there.
        let answer = alice.submit(ALICE, &["kim@[127.0.0.34]"], &encrypted(ALICE, 100)).await;
        assert!(answer.starts_with("250 "), "{answer}");
        assert_eq!(peer.accepted().len(), 1);
        assert!(peer.accepted()[0].contains("RCPT TO:<kim@[127.0.0.34]>"));
        let login = format!("AUTH PLAIN {}", STANDARD.encode("\0us\0secret"));
        assert!(peer.commands().contains(&login), "{:?}", peer.commands());
        // A relay gets its mail itself, if the smarthost is for the others.
        let relay = Peer::default();
        relay.answer("https", "200 OK\r\n\r\n250 OK");
        listen_too(31, server.peers(), &relay).await;
        let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
        assert!(answer.starts_with("250 "), "{answer}");
        let expected = if purpose == "all" { (2, 0) } else { (1, 1) };
        assert_eq!((peer.accepted().len(), relay.accepted().len()), expected, "{purpose}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smarthost_whose_certificate_is_not_trusted_learns_no_password() {
    let (server, peer) = with_smarthost("all", false).await;
    let mut alice = server.submission(ALICE).await;
    let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    assert_eq!((queue(&server).len(), peer.accepted().len()), (1, 0));
    assert!(peer.commands().iter().all(|command| !command.starts_with("AUTH")), "{:?}", peer.commands());
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_of_the_house_are_no_mail_servers() {
    let peer = Peer::default();
    let peers = listen(31, &peer).await;
    let settings = "registration = \"open\"\nfederation = { outbound = \"all\" }";
    let server = TestServer::start_among(settings, peers).await;
    let mut alice = server.submission(ALICE).await;
    for (recipient, domain) in
        [(BEN, "[127.0.0.31]"), ("r@[192.168.1.1]", "[192.168.1.1]"), ("r@[IPv6:fe80::1]", "[IPv6:fe80::1]")]
    {
        let answer = alice.submit(ALICE, &[recipient], &encrypted(ALICE, 100)).await;
        assert_eq!(answer, format!("550 5.4.4 {domain} is an address of a private network"));
    }
    assert_eq!((peer.connections(), queue(&server).len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_a_relay_has_no_way_for_holds_up_no_other() {
    let (server, peer) = two_servers().await;
    // The relay takes small messages by HTTPS, and its port 25 is of no use.
    peer.answer("https", "413 Content Too Large\r\n\r\n<html>");
    peer.answer("greeting", "close");
    let mut alice = server.submission(ALICE).await;
    let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 300_000)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    assert_eq!(queue(&server).len(), 1);
    peer.answer("https", "200 OK\r\n\r\n250 OK");
    let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    assert_eq!((queue(&server).len(), peer.accepted().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_answer_is_lost_is_not_sent_the_other_way_at_once() {
    let (server, peer) = two_servers().await;
    peer.answer("https", "close\r\n\r\n");
    let mut alice = server.submission(ALICE).await;
    let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    assert_eq!((queue(&server).len(), peer.connections()), (1, 0));
    // Later the other way is tried, since some servers break off all such requests.
    hurry(&server);
    peer.wait_for(1).await;
    queue_of(&server, 0).await;
    assert_eq!(peer.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_many_is_posted_in_parts() {
    let (server, peer) = two_servers().await;
    peer.answer("https", "200 OK\r\n\r\n250 OK");
    let mut alice = server.submission(ALICE).await;
    let recipients: Vec<String> = (0..120).map(|number| format!("ben{number}@[127.0.0.31]")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let answer = alice.submit(ALICE, &recipients, &encrypted(ALICE, 100)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    let parts: Vec<usize> = peer.accepted().iter().map(|part| part.matches("x-mail-to: ").count()).collect();
    assert_eq!((parts, queue(&server).len()), (vec![50, 50, 20], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_damaged_while_it_waits_is_reported_and_holds_up_no_other() {
    let (server, peer) = two_servers().await;
    peer.answer("RCPT", "451 4.7.1 Greylisted");
    let mut alice = server.submission(ALICE).await;
    let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 300_000)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    let bodies = walk(&server.directory().join("state/store/messages"));
    let [body] = bodies.as_slice() else { panic!("{bodies:?}") };
    let mut bytes = std::fs::read(body).unwrap();
    bytes[200_000] ^= 1;
    std::fs::write(body, bytes).unwrap();
    peer.answer_as_usual("RCPT");
    hurry(&server);
    queue_of(&server, 0).await;
    assert_eq!((peer.accepted().len(), server.messages(ALICE)), (0, 1));
    let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
    assert!(answer.starts_with("250 "), "{answer}");
    assert_eq!(peer.wait_for(1).await.len(), 1);
}

/// All files below a directory.
fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_goodbye_in_the_same_breath_loses_no_message() {
    let (server, peer) = two_servers().await;
    peer.answer(".", "250 taken\r\n421 4.3.2 closing");
    let mut alice = server.submission(ALICE).await;
    for count in 1..=4 {
        let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
        assert!(answer.starts_with("250 "), "{answer}");
        assert_eq!((peer.wait_for(count).await.len(), queue(&server).len()), (count, 0));
    }
    // The same for messages out of the queue.
    server.imap(BOB).await;
    for count in 5..=8 {
        let answer = alice.submit(ALICE, &[BOB, BEN], &encrypted(ALICE, 100)).await;
        assert!(answer.starts_with("250 "), "{answer}");
        assert_eq!(peer.wait_for(count).await.len(), count);
    }
    queue_of(&server, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_for_a_server_that_hangs_cost_the_sender_one_wait_and_keep_their_order() {
    let peer = Peer::default();
    let peers = Peers { patience: Duration::from_millis(300), ..listen(31, &peer).await };
    let server = TestServer::start_among(OPEN, peers).await;
    peer.answer("MAIL", "250-wait");
    let mut alice = server.submission(ALICE).await;
    for _ in 0..5 {
        let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
        assert!(answer.starts_with("250 "), "{answer}");
    }
    assert_eq!(queue(&server).len(), 5);
    assert_eq!(peer.connections(), 1, "the others did not try, and so did not wait");
}
