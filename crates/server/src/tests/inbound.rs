//! Mail of other servers on port 25: the gate, the words of each refusal, and the way into the mailboxes.

use dkim::KeyAnswer;
use host::clock;
use mail_types::UnixTime;
use store::Outbound;

use crate::connections::service::Service;
use crate::tests::harness::{BOB, TestServer, encrypted};
use crate::tests::keys::{signed, signed_at};

const OPEN: &str = "registration = \"open\"";
/// The same, with a queue that no name server lets out.
const SENDING: &str =
    "registration = \"open\"\nfederation = { outbound = \"all\" }\ndns = { servers = [\"127.0.0.1:9\"] }";
/// A sender whose domain has a key.
const ANNA: &str = "anna@other.test";
/// A sender whose mail needs no key.
const LITERAL: &str = "anna@[192.0.2.7]";
const NOBODY: &str = "nobody001@chat.test";
const ACCEPTED: &str = "250 2.0.0 Ok: message accepted";

/// The messages in an account's mailboxes.
/// The whole text of the newest message of an account.
async fn newest(server: &TestServer, account: &str) -> String {
    let mut client = server.imap(account).await;
    client.send("n1 SELECT INBOX").await;
    client.until("n1 OK").await;
    client.send("n2 UID FETCH *:* (BODY.PEEK[])").await;
    client.until("n2 OK").await.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_message_of_another_server_reaches_an_idle_mailbox_at_once() {
    let server = TestServer::start(OPEN).await;
    let mut bob = server.idle(BOB).await;

    let mut relay = server.relay().await;
    let message = signed("other.test", &encrypted(ANNA, 5000));
    assert_eq!(relay.submit(ANNA, &[BOB, "bob000001+list@chat.test"], &message).await, ACCEPTED);

    bob.until("* 1 EXISTS").await;
    bob.send("DONE").await;
    bob.until("b2 OK").await;
    let fetched = newest(&server, BOB).await;
    assert!(fetched.contains("Subject: secret plans"), "{fetched}");
    for hidden in ["Received", "DKIM-Signature"] {
        assert!(!fetched.contains(hidden), "{hidden} in {fetched}");
    }
    assert_eq!(server.messages(BOB), 1, "one copy, under whatever name");
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
        ("MAIL FROM:<> SIZE=31457281", TOO_LARGE),
        ("MAIL FROM:<>", "250 2.1.0 Ok"),
        ("RCPT TO:<eve@other.test>", "554 5.7.1 Relay access denied"),
        ("RCPT TO:<alice0001@sub.chat.test>", "554 5.7.1 Relay access denied"),
        ("RCPT TO:<nobody001@chat.test>", "250 2.1.5 Ok"),
        ("RCPT TO:<Postmaster>", "250 2.1.5 Ok"),
    ] {
        relay.send(line).await;
        assert_eq!(relay.line().await, reply, "{line}");
    }
}

const TOO_LARGE: &str = "552 5.3.4 Message exceeds maximum size: on its way a file grows by nearly half";
const CLEAR: &str = "523 Encryption Needed: Invalid Unencrypted Mail";
const UNSIGNED: &str = "554 5.7.1 No DKIM signature found";
const MISSIGNED: &str = "554 5.7.1 No valid DKIM signature found";

/// Messages that are refused, each with its reply, whoever they are for.
pub(crate) fn unacceptable() -> Vec<(String, &'static str)> {
    let clear = format!("From: <{ANNA}>\r\nSubject: hi\r\n\r\nhello\r\n");
    let good = encrypted(ANNA, 200);
    let from = |address: &str| encrypted(address, 200);
    let last_week = UnixTime(clock::wall().0 - 7 * 86_400);
    let mut tampered = signed("other.test", &good);
    tampered.insert_str(tampered.rfind("--b--").unwrap(), "\r\n");
    let hops = "Received: from a by b\r\n".repeat(50);
    let long = format!("X-Key: {}\r\n", "k".repeat(900)).repeat(150);
    vec![
        (clear.clone(), CLEAR),
        // Clear text is refused before the signature is looked at, and whatever it is called.
        (signed("other.test", &clear), CLEAR),
        (signed("other.test", &clear.replace("Subject: hi", "Auto-Submitted: auto-replied")), CLEAR),
        (good.clone(), UNSIGNED),
        (signed("eve.test", &good), MISSIGNED),
        (signed("sub.other.test", &good), MISSIGNED),
        (signed("other.test", &from("anna@sub.other.test")), MISSIGNED),
        (signed("unknown.test", &from("anna@unknown.test")), MISSIGNED),
        (tampered, MISSIGNED),
        (format!("From: <eve@other.test>\r\n{}", signed("other.test", &good)), "500 Invalid FROM header: "),
        (
            signed_at("other.test", &good, UnixTime(clock::wall().0 + 86_400)),
            "451 4.7.5 The DKIM signature of other.test is from the future by this server's clock, please try again later",
        ),
        (
            signed("unsure.test", &from("anna@unsure.test")),
            "451 4.7.5 The DKIM keys of unsure.test could not be looked up, please try again later",
        ),
        (
            format!("{hops}{}", signed_at("other.test", &good, last_week)),
            "554 5.4.6 Too many hops: the message goes round in a loop",
        ),
        (
            signed("spam.test", &from("eve@x.spam.test")),
            "554 5.7.1 <eve@x.spam.test>: Sender address rejected: blocked by the owner of this server",
        ),
        (
            from("eve@[192.0.2.1]"),
            "554 5.7.1 <eve@[192.0.2.1]>: Sender address rejected: blocked by the owner of this server",
        ),
        (format!("{long}{good}"), "552 5.3.4 Message header section exceeds maximum size"),
        (good.replace("From: ", "X-From: "), "500 Invalid FROM header: "),
        (format!("no field\r\n{good}"), "500 Failed to parse message: malformed header or line end"),
    ]
}

/// The configuration under which [`unacceptable`] is.
pub(crate) const BLOCKING: &str =
    "registration = \"open\"\nfederation = { blocked = [\"spam.test\", \"[192.0.2.1]\", \"eve@good.test\"] }";

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_refused_is_refused_in_the_words_that_relays_know() {
    let server = TestServer::start(BLOCKING).await;
    server.imap(BOB).await;
    let mut relay = server.relay().await;
    for (message, reply) in unacceptable() {
        let told = relay.submit(ANNA, &[BOB], &message).await;
        assert_eq!(told, reply, "{}", message.chars().take(2000).collect::<String>());
    }
    assert_eq!(server.messages(BOB), 0);
    relay.send("MAIL FROM:<eve@good.test>").await;
    relay.expect("250 ").await;
    relay.send(&format!("RCPT TO:<{BOB}>")).await;
    relay.expect("554 5.7.1 <eve@good.test>: Sender address rejected: blocked").await;
    assert_eq!(server.observed().store.outbound().unwrap(), [], "nothing is answered by mail");
}

#[tokio::test(flavor = "multi_thread")]
async fn bounces_forwarded_mail_and_mail_from_address_literals_come_in() {
    let server = TestServer::start(OPEN).await;
    server.imap(BOB).await;
    let mut relay = server.relay().await;
    let bounce = "From: MAILER-DAEMON@other.test\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
                  Content-Type: multipart/report; report-type=delivery-status; boundary=\"r\"\r\n\r\n\
                  --r\r\nContent-Type: text/plain\r\n\r\nmail delivery failed\r\n--r--\r\n";
    assert_eq!(relay.submit("", &[BOB], bounce).await, UNSIGNED);
    assert_eq!(relay.submit("", &[BOB], &signed("other.test", bounce)).await, ACCEPTED);
    assert!(newest(&server, BOB).await.contains("mail delivery failed"));
    let message = signed("other.test", &encrypted(ANNA, 200));
    assert_eq!(relay.submit("srs0=x=y=other.test=anna@list.test", &[BOB], &message).await, ACCEPTED);
    let hops = "Received: from a by b\r\n".repeat(49);
    assert_eq!(relay.submit(ANNA, &[BOB], &format!("{hops}{message}")).await, ACCEPTED);
    assert_eq!(relay.submit(LITERAL, &[BOB], &encrypted(LITERAL, 200)).await, ACCEPTED);
    assert_eq!(server.messages(BOB), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_elsewhere_writes_in_the_name_of_an_account_here() {
    let extra = "registration = \"open\"\ndomain = \"[192.0.2.1]\"";
    let server = TestServer::start(extra).await;
    let bob = "bob000001@[192.0.2.1]";
    server.imap(bob).await;
    let mut relay = server.relay().await;
    let alice = "alice0001@[192.0.2.1]";
    let expected =
        "554 5.7.1 <alice0001@[192.0.2.1]>: Sender address rejected: users of this server log in to send";
    assert_eq!(relay.submit(alice, &[bob], &encrypted(alice, 200)).await, expected);
    assert_eq!(relay.submit(LITERAL, &[bob], &encrypted(LITERAL, 200)).await, ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_reaches_nobody_is_refused_and_not_reported() {
    let server =
        TestServer::start("registration = \"open\"\nlimits = { quota = 40000, message_size = 30000 }").await;
    server.imap(BOB).await;
    let mut relay = server.relay().await;
    let message = signed("other.test", &encrypted(ANNA, 20_000));
    let unknown =
        "550 5.1.1 <nobody001@chat.test>: User doesn't exist: the address is wrong, or no longer in use";
    assert_eq!(relay.submit(ANNA, &[NOBODY], &message).await, unknown);
    assert_eq!(
        relay.submit(ANNA, &[NOBODY, "nobody002@chat.test"], &message).await,
        format!("{unknown} (nor can 1 more be reached)")
    );
    assert_eq!(relay.submit(ANNA, &[BOB], &message).await, ACCEPTED);
    let full = relay.submit(ANNA, &[BOB], &message).await;
    assert!(full.starts_with("552 5.2.2 <bob000001@chat.test>: Quota exceeded"), "{full}");
    // An unsigned message tells nothing about accounts.
    assert_eq!(relay.submit(ANNA, &[NOBODY], &encrypted(ANNA, 200)).await, UNSIGNED);
    // Larger than it was said to be: it is read to its end, and the connection goes on.
    relay.send(&format!("MAIL FROM:<{ANNA}> SIZE=100")).await;
    relay.expect("250 ").await;
    relay.send(&format!("RCPT TO:<{BOB}>")).await;
    relay.expect("250 ").await;
    relay.send("DATA").await;
    relay.expect("354 ").await;
    relay.raw(format!("{}.\r\n", signed("other.test", &encrypted(ANNA, 31_000))).as_bytes()).await;
    assert_eq!(relay.line().await, TOO_LARGE);
    relay.send("NOOP").await;
    relay.expect("250 ").await;
    assert_eq!(server.observed().store.outbound().unwrap(), []);
    assert_eq!(server.messages(BOB), 1);
}

/// The only entry of the outbound queue, and its body.
fn only_report(server: &TestServer) -> (Outbound, String) {
    let store = &server.observed().store;
    let mut queue = store.outbound().unwrap();
    let entry = queue.pop().expect("a report");
    assert_eq!(queue, []);
    let mut body = String::new();
    std::io::Read::read_to_string(&mut store.outbound_body(entry.id).unwrap(), &mut body).unwrap();
    (entry, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_reached_beside_others_is_reported_to_a_proven_author_only() {
    let server = TestServer::start(SENDING).await;
    server.imap(BOB).await;
    let mut relay = server.relay().await;
    let plain = encrypted(ANNA, 200);
    let good = signed("other.test", &plain);
    let automatic = signed("other.test", &format!("Auto-Submitted: auto-replied\r\n{plain}"));
    let literal = encrypted(LITERAL, 200);
    for (sender, message) in
        [("", &good), ("eve@victim.test", &good), (ANNA, &automatic), (LITERAL, &literal)]
    {
        assert_eq!(relay.submit(sender, &[BOB, NOBODY], message).await, ACCEPTED, "{sender}");
    }
    assert_eq!(server.observed().store.outbound().unwrap(), []);
    assert_eq!(server.messages(BOB), 4);
    for size in [200, 300_000] {
        let message = signed("other.test", &encrypted(ANNA, size));
        assert_eq!(relay.submit(ANNA, &[BOB, NOBODY], &message).await, ACCEPTED);
        let (entry, body) = only_report(&server);
        assert_eq!((entry.draft.sender, entry.draft.recipients), (None, vec![ANNA.parse().unwrap()]));
        for part in ["From: Mail Delivery System <MAILER-DAEMON@chat.test>", NOBODY, "<1@chat.test>"] {
            assert!(body.contains(part), "{part} missing in {body}");
        }
        server.observed().store.finish_outbound(entry.id).unwrap();
    }
    assert_eq!(server.messages(BOB), 6);
    assert_eq!(server.observed().counters.received.unreported.value(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_to_one_domain_are_few() {
    let server = TestServer::start(SENDING).await;
    server.imap(BOB).await;
    let mut relay = server.relay().await;
    let message = signed("other.test", &encrypted(ANNA, 200));
    for _ in 0..30 {
        assert_eq!(relay.submit(ANNA, &[BOB, NOBODY], &message).await, ACCEPTED);
    }
    let reports = server.observed().store.outbound().unwrap().len();
    assert!((20..30).contains(&reports), "{reports}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_sends_too_much_waits_and_others_do_not() {
    let limits = "registration = \"open\"\nlimits = { inbound_per_minute = 1, inbound_burst = 2 }";
    let server = TestServer::start(limits).await;
    server.imap(BOB).await;
    server.keys().set("third.test", server.keys().get("other.test"));
    let mut relay = server.relay().await;
    let message = signed("other.test", &encrypted(ANNA, 200));
    for _ in 0..2 {
        assert_eq!(relay.submit(ANNA, &[BOB], &message).await, ACCEPTED);
    }
    let told = relay.submit(ANNA, &[BOB], &message).await;
    assert!(told.starts_with("450 4.7.1: Too much mail from other.test, try again in "), "{told}");
    // A forged name costs its owner nothing.
    for _ in 0..3 {
        let forged = encrypted("eve@third.test", 200);
        assert_eq!(relay.submit("eve@third.test", &[BOB], &forged).await, UNSIGNED);
    }
    let other = signed("third.test", &encrypted("carl@third.test", 200));
    assert_eq!(relay.submit("carl@third.test", &[BOB], &other).await, ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_has_changed_is_asked_for_again() {
    let server = TestServer::start(OPEN).await;
    server.imap(BOB).await;
    let key = server.keys().get("other.test");
    server.keys().set("other.test", KeyAnswer::Records(vec!["v=DKIM1; p=".to_owned()]));
    server.keys().set_after_forgetting("other.test", key);
    let mut relay = server.relay().await;
    let message = signed("other.test", &encrypted(ANNA, 200));
    assert_eq!(relay.submit(ANNA, &[BOB], &message).await, ACCEPTED);
}

/// Contents of which a program that reads lines otherwise would make two messages, or another one.
pub(crate) const SMUGGLED: [&str; 12] = [
    "a\n.\nMAIL FROM:<x@other.test>\r\n",
    "a\n.\r\nb\r\n",
    "a\r\n.\nb\r\n",
    "a\r.\rb\r\n",
    "a\r\n.\rb\r\n",
    "a\r.\r\nb\r\n",
    "a\r\r\nb\r\n",
    "a\r\n.\r\r\nb\r\n",
    "a\0\r\n",
    "a\nb\r\n",
    "a\rb\r\n",
    "\n.\n\r\n",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_smuggled_behind_a_message() {
    let server = TestServer::start(OPEN).await;
    server.imap(BOB).await;
    let mut relay = server.relay().await;
    let good = signed("other.test", &encrypted(ANNA, 200));
    for content in SMUGGLED {
        assert_eq!(relay.submit(ANNA, &[BOB], &format!("{good}{content}")).await, "500 Invalid DATA");
    }
    assert_eq!(server.messages(BOB), 0);
    assert_eq!(relay.submit(ANNA, &[BOB], &good).await, ACCEPTED);
}
