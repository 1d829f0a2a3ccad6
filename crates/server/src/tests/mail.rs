//! Mail from one account to another: gate, cleaning, delivery, notification, bounce, and that all of it survives.

use std::time::Duration;

use host::clock;

use crate::tests::harness::{ALICE, BOB, TestServer, encrypted};

const CAROL: &str = "carol0001@chat.test";

const OPEN: &str = "registration = \"open\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_an_idle_mailbox_at_once_and_cleaned() {
    let server = TestServer::start(OPEN).await;
    let mut bob = server.imap(BOB).await;
    bob.send("b1 SELECT INBOX").await;
    let selected = bob.until("b1 OK").await;
    assert!(selected.contains(&"* 0 EXISTS".to_owned()), "{selected:?}");
    bob.send("b2 IDLE").await;
    bob.expect("+ ").await;

    let mut alice = server.submission(ALICE).await;
    let reply = alice.submit(ALICE, &[BOB, ALICE], &encrypted(ALICE, 5000)).await;
    assert!(reply.starts_with("250 "), "{reply}");

    bob.until("* 1 EXISTS").await;
    bob.send("DONE").await;
    bob.until("b2 OK").await;
    bob.send("b3 UID FETCH 1:500 (UID RFC822.SIZE BODY.PEEK[])").await;
    let fetched = bob.until("b3 OK").await.join("\n");
    assert!(fetched.contains("Subject: [...]"), "{fetched}");
    for hidden in ["secret plans", "User-Agent", "Received"] {
        assert!(!fetched.contains(hidden), "{hidden} in {fetched}");
    }

    let mut copy = server.imap(ALICE).await;
    copy.send("c1 SELECT INBOX").await;
    let selected = copy.until("c1 OK").await;
    assert!(selected.contains(&"* 1 EXISTS".to_owned()), "{selected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clear_text_is_refused_with_the_words_that_clients_know() {
    let server = TestServer::start(OPEN).await;
    server.imap(BOB).await;
    let mut alice = server.submission(ALICE).await;
    let clear = format!("From: <{ALICE}>\r\nSubject: hi\r\n\r\nhello\r\n");
    let reply = alice.submit(ALICE, &[BOB], &clear).await;
    assert_eq!(reply, "523 Encryption Needed: Invalid Unencrypted Mail");
    let reply = alice.submit(ALICE, &[BOB], &encrypted(BOB, 100)).await;
    assert!(reply.starts_with("500 Invalid FROM"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_who_is_not_the_login_and_too_much_mail_are_refused_at_rcpt() {
    let server =
        TestServer::start("registration = \"open\"\nlimits = { send_burst = 2, sends_per_minute = 1 }").await;
    let mut alice = server.submission(ALICE).await;
    alice.send(&format!("MAIL FROM:<{BOB}>")).await;
    alice.expect("250 ").await;
    alice.send(&format!("RCPT TO:<{BOB}>")).await;
    alice.expect("553 ").await;
    alice.send("RSET").await;
    alice.expect("250 ").await;
    for _ in 0..2 {
        let reply = alice.submit(ALICE, &[ALICE], &encrypted(ALICE, 100)).await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    alice.send(&format!("MAIL FROM:<{ALICE}>")).await;
    alice.expect("250 ").await;
    alice.send(&format!("RCPT TO:<{ALICE}>")).await;
    let reply = alice.expect("450 ").await;
    assert!(reply.contains("4.7.1: Too much mail from"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_little_too_much_mail_is_taken_a_little_later() {
    let server =
        TestServer::start("registration = \"open\"\nlimits = { send_burst = 1, sends_per_minute = 600 }")
            .await;
    let mut alice = server.submission(ALICE).await;
    let start = clock::now();
    for _ in 0..4 {
        let reply = alice.submit(ALICE, &[ALICE], &encrypted(ALICE, 100)).await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    // At least: one at once, and three after a tenth of a second each.
    assert!(clock::now() - start >= Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_reaches_nobody_is_refused_and_not_kept() {
    let server = TestServer::start(OPEN).await;
    let mut alice = server.submission(ALICE).await;
    let wrong =
        "550 5.1.1 <nobody001@chat.test>: User doesn't exist: the address is wrong, or no longer in use";
    let elsewhere = "550 5.4.4 <friend@elsewhere.test>: This server sends to no other servers, \
                     only within its own";
    let both = format!("{wrong} (nor can 1 more be reached)");
    for (recipients, reply) in [
        (&["nobody001@chat.test"][..], wrong),
        (&["friend@elsewhere.test"], elsewhere),
        (&["nobody001@chat.test", "friend@elsewhere.test"], &both),
        // A second device would show it as delivered.
        (&[ALICE, "nobody001@chat.test"], wrong),
    ] {
        // The small one goes to the store's writer, the large one through a file.
        for size in [100, 300_000] {
            assert_eq!(alice.submit(ALICE, recipients, &encrypted(ALICE, size)).await, reply);
        }
    }
    let usage = server.observed().store.usage(&ALICE.parse().unwrap()).unwrap();
    assert_eq!(usage.messages, 0, "neither a copy nor a bounce");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_reached_beside_others_is_told_of_in_a_bounce() {
    let server = TestServer::start(OPEN).await;
    server.imap(BOB).await;
    let mut alice = server.submission(ALICE).await;
    let quoted = "\"john doe\"@elsewhere.test";
    let to = ["nobody001@chat.test", BOB, "friend@elsewhere.test", quoted, "Postmaster"];
    let reply = alice.submit(ALICE, &to, &encrypted(ALICE, 100)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let mut inbox = server.imap(ALICE).await;
    inbox.send("a2 SELECT INBOX").await;
    inbox.until("a2 OK").await;
    inbox.send("a3 UID FETCH 1:* (BODY.PEEK[])").await;
    let bounce = inbox.until("a3 OK").await.join("\n");
    for part in [
        "MAILER-DAEMON@chat.test",
        "multipart/report",
        "nobody001@chat.test",
        "friend@elsewhere.test",
        "Final-Recipient: rfc822; \"john doe\"@elsewhere.test",
        "Final-Recipient: rfc822; postmaster@chat.test",
        "<1@chat.test>",
    ] {
        assert!(bounce.contains(part), "{part} missing in {bounce}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_refuses_or_bounces_and_others_get_theirs() {
    let server =
        TestServer::start("registration = \"open\"\nlimits = { quota = 40000, message_size = 30000 }").await;
    server.imap(BOB).await;
    server.imap(CAROL).await;
    let mut alice = server.submission(ALICE).await;
    for (recipients, expected) in [
        (&[BOB][..], "250 "),
        (&[BOB], "552 5.2.2 <bob000001@chat.test>: Quota exceeded (mailbox for user is full)"),
        (&[BOB, CAROL], "250 "),
    ] {
        let reply = alice.submit(ALICE, recipients, &encrypted(ALICE, 20_000)).await;
        assert!(reply.starts_with(expected), "{reply}");
    }
    let usage = server.observed().store.usage(&CAROL.parse().unwrap()).unwrap();
    assert_eq!(usage.messages, 1);
    let mut inbox = server.imap(ALICE).await;
    inbox.send("a2 SELECT INBOX").await;
    inbox.until("a2 OK").await;
    inbox.send("a3 UID FETCH 1:* (BODY.PEEK[])").await;
    let bounce = inbox.until("a3 OK").await.join("\n");
    assert!(bounce.contains("Quota exceeded"), "{bounce}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_about_a_thousand_recipients_makes_no_second_delivery() {
    let server = TestServer::start("registration = \"open\"\nlimits = { send_burst = 1000 }").await;
    server.imap(BOB).await;
    let mut alice = server.submission(ALICE).await;
    let label = "a".repeat(60);
    let far = |number| format!("user{number:060}@{label}.{label}.{label}.test");
    let recipients: Vec<String> = std::iter::once(BOB.to_owned()).chain((0..999).map(far)).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    for size in [100, 300_000] {
        let reply = alice.submit(ALICE, &recipients, &encrypted(ALICE, size)).await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    let store = &server.observed().store;
    assert_eq!(store.usage(&BOB.parse().unwrap()).unwrap().messages, 2);
    let reports = store.usage(&ALICE.parse().unwrap()).unwrap();
    assert!(reports.messages == 2 && reports.bytes < 2 * 150_000, "{reports:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_must_fit_into_the_senders_quota() {
    let server =
        TestServer::start("registration = \"open\"\nlimits = { quota = 40000, message_size = 30000 }").await;
    server.imap(BOB).await;
    let mut alice = server.submission(ALICE).await;
    let reply = alice.submit(ALICE, &[ALICE], &encrypted(ALICE, 20_000)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let reply = alice.submit(ALICE, &[BOB, "nobody001@chat.test"], &encrypted(ALICE, 20_000)).await;
    assert!(reply.starts_with(&format!("552 5.2.2 <{ALICE}>: Quota exceeded")), "{reply}");
    let store = &server.observed().store;
    assert_eq!(store.usage(&BOB.parse().unwrap()).unwrap().messages, 0);
    assert_eq!(store.usage(&ALICE.parse().unwrap()).unwrap().messages, 1);
    // Whoever has somebody else to blame is not told of the own mailbox.
    let reply = alice.submit(ALICE, &[ALICE, "nobody001@chat.test"], &encrypted(ALICE, 20_000)).await;
    assert!(reply.starts_with("550 5.1.1 <nobody001@chat.test>"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn renaming_the_inbox_makes_no_mailbox_beyond_the_limit() {
    let server = TestServer::start(OPEN).await;
    let mut alice = server.imap(ALICE).await;
    let address = ALICE.parse().unwrap();
    for number in 1..1000 {
        let store = &server.observed().store;
        store.create_mailbox(&address, &format!("m{number}"), None, clock::wall()).unwrap();
    }
    alice.send("a CREATE one").await;
    alice.expect("a NO [LIMIT]").await;
    alice.send("b RENAME INBOX one").await;
    alice.expect("b NO [LIMIT]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_mail_and_the_tls_key_survive_a_restart() {
    let server = TestServer::start(OPEN).await;
    let mut alice = server.submission(ALICE).await;
    let reply = alice.submit(ALICE, &[ALICE], &encrypted(ALICE, 200_000)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let mut before = server.imap(ALICE).await;
    before.send("a2 SELECT INBOX").await;
    let uid_validity =
        |lines: Vec<String>| lines.into_iter().find(|line| line.contains("UIDVALIDITY")).unwrap();
    let first = uid_validity(before.until("a2 OK").await);
    let identity = server.observed().store.setting("tls.self-signed").unwrap();
    drop((alice, before));

    let server = server.restart(OPEN).await;
    assert!(server.observed().store.setting("tls.self-signed") == Some(identity));
    let mut after = server.imap(ALICE).await;
    after.send("a2 SELECT INBOX").await;
    let selected = after.until("a2 OK").await;
    assert!(selected.contains(&"* 1 EXISTS".to_owned()), "{selected:?}");
    assert_eq!(uid_validity(selected), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_arrive_byte_for_byte() {
    let server = TestServer::start(OPEN).await;
    let mut alice = server.submission(ALICE).await;
    let message = encrypted(ALICE, 3_000_000);
    let reply = alice.submit(ALICE, &[ALICE], &message).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let mut inbox = server.imap(ALICE).await;
    inbox.send("a2 SELECT INBOX").await;
    inbox.until("a2 OK").await;
    inbox.send("a3 UID FETCH 1 (BODY.PEEK[TEXT])").await;
    let announced = inbox.expect("* 1 FETCH").await;
    let size = announced.rsplit_once('{').unwrap().1.trim_end_matches('}').parse().unwrap();
    let body = inbox.exactly(size).await;
    assert_eq!(body, message.split_once("\r\n\r\n").unwrap().1.as_bytes());
    inbox.until("a3 OK").await;
}

/// All bytes of all files below a directory, but for what a running server tells of itself.
fn bytes_below(directory: &std::path::Path, bytes: &mut Vec<u8>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && entry.file_name() != "run" {
            bytes_below(&entry.path(), bytes);
        } else if kind.is_file() {
            // One that the server has just removed holds nothing.
            bytes.extend(std::fs::read(entry.path()).unwrap_or_default());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_learns_no_subject_no_client_and_no_address_of_a_client() {
    let server = TestServer::start(OPEN).await;
    server.imap(BOB).await;
    let mut alice = server.submission(ALICE).await;
    for size in [100, 200_000] {
        let reply = alice.submit(ALICE, &[BOB], &encrypted(ALICE, size)).await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    let mut bytes = Vec::new();
    bytes_below(server.directory(), &mut bytes);
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(BOB) && holds("Subject: [...]"), "the search works");
    for private in ["secret plans", "User-Agent", "Received", "127.0.0.1", "swordfish"] {
        assert!(!holds(private), "{private} is on the disk");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_that_are_open_share_a_limited_room() {
    let server = TestServer::start(OPEN).await;
    let mut bob = server.imap(BOB).await;
    let append = "a APPEND INBOX {14+}\r\nSubject: x\r\n\r\n";
    bob.send(append).await;
    bob.until("a OK").await;
    let rest = server.memory().take_all();
    bob.send("b SELECT INBOX").await;
    bob.expect("b NO [LIMIT]").await;
    bob.send("c STATUS INBOX (MESSAGES)").await;
    bob.expect("c NO [LIMIT]").await;
    drop(rest);
    bob.send("d SELECT INBOX").await;
    bob.until("d OK").await;
    // News waits until there is room for it.
    let rest = server.memory().take_all();
    bob.send(append).await;
    bob.expect("a OK").await;
    drop(rest);
    bob.send("e NOOP").await;
    assert_eq!(bob.until("e OK").await[..2], ["* 2 EXISTS", "* 2 RECENT"]);
}
