//! Mail of other servers on port 25: the gate, the words of each refusal, and the way into the mailboxes.

use crate::connections::service::Service;
use crate::tests::harness::{BOB, TestServer, encrypted};

const OPEN: &str = "registration = \"open\"";
/// A sender whose mail needs no key.
const LITERAL: &str = "anna@[192.0.2.7]";

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_message_of_another_server_reaches_an_idle_mailbox_at_once() {
    let server = TestServer::start(OPEN).await;
    let mut bob = server.imap(BOB).await;
    bob.send("b1 SELECT INBOX").await;
    bob.until("b1 OK").await;
    bob.send("b2 IDLE").await;
    bob.expect("+ ").await;

    let mut relay = server.relay().await;
    let reply = relay.submit(LITERAL, &[BOB, "bob000001+list@chat.test"], &encrypted(LITERAL, 5000)).await;
    assert_eq!(reply, "250 2.0.0 Ok: message accepted");

    bob.until("* 1 EXISTS").await;
    bob.send("DONE").await;
    bob.until("b2 OK").await;
    bob.send("b3 UID FETCH 1:500 (UID RFC822.SIZE BODY.PEEK[])").await;
    let fetched = bob.until("b3 OK").await.join("\n");
    assert!(fetched.contains("Subject: secret plans") && !fetched.contains("Received"), "{fetched}");
    let usage = server.observed().store.usage(&BOB.parse().unwrap()).unwrap();
    assert_eq!(usage.messages, 1, "one copy, under whatever name");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_comes_first_and_nobody_is_verified_or_logs_in() {
    let server = TestServer::start(OPEN).await;
    let mut relay = server.plain(Service::Smtp).await;
    relay.expect("220 chat.test ESMTP").await;
    relay.send("EHLO other.test").await;
    let offered = relay.until("250 ").await;
    assert!(offered.contains(&"250 STARTTLS".to_owned()), "{offered:?}");
    relay.send("MAIL FROM:<>").await;
    assert_eq!(relay.line().await, "530 5.7.0 Must issue a STARTTLS command first");

    let mut relay = server.relay().await;
    for (line, reply) in [
        ("VRFY alice0001", "252 2.0.0 Cannot verify, but will try to deliver"),
        ("AUTH PLAIN AGEAYg==", "503 5.5.1 AUTH is not offered here"),
        ("MAIL FROM:<>", "250 2.1.0 Ok"),
        ("RCPT TO:<eve@other.test>", "554 5.7.1 Relay access denied"),
        ("RCPT TO:<nobody001@chat.test>", "250 2.1.5 Ok"),
    ] {
        relay.send(line).await;
        assert_eq!(relay.line().await, reply, "{line}");
    }
}
