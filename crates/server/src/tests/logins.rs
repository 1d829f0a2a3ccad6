//! First logins create accounts, on every port; wrong passwords and names of other domains are refused.

use test_support::{Script, quoted, sasl_plain};

use crate::connections::service::Service;
use crate::tests::harness::{ALICE, PASSWORD, TestServer, secure};

const OPEN: &str = "registration = \"open\"";

#[tokio::test(flavor = "multi_thread")]
async fn first_logins_over_imap_and_smtp_at_once_make_one_account() {
    let server = TestServer::start(OPEN).await;
    let _ = tokio::join!(
        server.imap(ALICE),
        server.submission(ALICE),
        server.imap(ALICE),
        server.submission(ALICE)
    );
    assert_eq!(server.observed().store.accounts().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_with_the_word_that_clients_look_for() {
    let server = TestServer::start(OPEN).await;
    server.imap(ALICE).await;
    let mut client = server.tls(Service::Imaps, None).await;
    client.expect("* OK").await;
    client.send(&format!("a1 LOGIN {ALICE} wrong-password")).await;
    client.expect("a1 NO [AUTHENTICATIONFAILED] Authentication failed").await;

    let mut client = server.tls(Service::Submissions, None).await;
    client.expect("220 ").await;
    client.send("EHLO x").await;
    client.until("250 ").await;
    client.send(&format!("AUTH PLAIN {}", sasl_plain(ALICE, "wrong-password"))).await;
    client.expect("535 ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_passwords_that_break_the_rules_make_no_account() {
    let server = TestServer::start(OPEN).await;
    for (user, password) in [
        ("short@chat.test", PASSWORD),
        ("plus+sign1@chat.test", PASSWORD),
        ("alice0001@chat.test", "short"),
        ("alice0001@elsewhere.test", PASSWORD),
        ("no-domain", PASSWORD),
    ] {
        let mut client = server.tls(Service::Imaps, None).await;
        client.expect("* OK").await;
        client.send(&format!("a1 LOGIN \"{user}\" \"{}\"", quoted(password))).await;
        client.expect("a1 NO [AUTHENTICATIONFAILED]").await;
    }
    assert_eq!(server.observed().store.accounts().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_registration_keeps_strangers_out_and_lets_old_friends_in() {
    let server = TestServer::start(OPEN).await;
    server.imap(ALICE).await;
    let server = server.restart("registration = \"closed\"").await;
    server.imap(ALICE).await;
    let mut client = server.tls(Service::Imaps, None).await;
    client.expect("* OK").await;
    client.send(&format!("a1 LOGIN stranger1@chat.test {PASSWORD:?}")).await;
    client.expect("a1 NO [AUTHENTICATIONFAILED]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down_but_not_for_the_phone_that_is_known() {
    let server = TestServer::start(OPEN).await;
    server.imap(ALICE).await;
    // Each guess doubles the wait that the next one meets, so even a machine that is slow to guess meets it soon.
    for guess in 1.. {
        let mut client = server.tls(Service::Imaps, None).await;
        client.expect("* OK").await;
        client.send(&format!("a1 LOGIN {ALICE} wrong-password")).await;
        let refusal = client.expect("a1 NO").await;
        if !refusal.to_lowercase().contains("authentication") {
            assert!(guess > 5, "{guess}: {refusal}");
            break;
        }
        assert!(guess < 12 && refusal.starts_with("a1 NO [AUTHENTICATIONFAILED]"), "{guess}: {refusal}");
    }
    server.imap(ALICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_speaks_both_protocols_by_alpn_and_the_web_without() {
    let server = TestServer::start(OPEN).await;
    server.tls(Service::Https, Some(b"imap")).await.expect("* OK").await;
    server.tls(Service::Https, Some(b"smtp")).await.expect("220 ").await;
    for alpn in [None, Some(&b"http/1.1"[..]), Some(b"http/1.0")] {
        let mut web = server.tls(Service::Https, alpn).await;
        web.raw(b"GET / HTTP/1.1\r\nHost: chat.test\r\nConnection: close\r\n\r\n").await;
        web.expect("HTTP/1.1 200").await;
    }
    let mut old = server.tls(Service::Https, Some(b"http/1.0")).await;
    old.raw(b"GET / HTTP/1.0\r\n\r\n").await;
    old.expect("HTTP/1.0 200").await;
    assert!(secure(server.plain(Service::Https).await.into_stream(), Some(b"h2")).await.is_err());
    assert!(secure(server.plain(Service::Imaps).await.into_stream(), None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_leads_in_and_nothing_sent_before_it_counts() {
    let server = TestServer::start(OPEN).await;
    let mut client = server.plain(Service::Imap).await;
    client.expect("* OK").await;
    client.send("a1 LOGIN alice0001@chat.test swordfish123").await;
    client.expect("a1 ").await;
    client.send("a2 STARTTLS").await;
    client.expect("a2 OK").await;
    let mut client = Script::new(secure(client.into_stream(), None).await.unwrap());
    client.send(&format!("a3 LOGIN {ALICE} \"{}\"", quoted(PASSWORD))).await;
    client.expect("a3 OK").await;

    let mut client = server.plain(Service::Submission).await;
    client.expect("220 ").await;
    client.send("EHLO [127.0.0.1]").await;
    let offered = client.until("250 ").await;
    assert!(!offered.iter().any(|line| line.contains("AUTH")), "{offered:?}");
    client.send("STARTTLS").await;
    client.expect("220 ").await;
    let mut client = Script::new(secure(client.into_stream(), None).await.unwrap());
    client.send("EHLO [127.0.0.1]").await;
    client.until("250 ").await;
    client.send(&format!("AUTH PLAIN {}", sasl_plain(ALICE, PASSWORD))).await;
    client.expect("235 ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_keep_working_when_the_box_gets_another_name() {
    let server = TestServer::start(OPEN).await;
    server.imap(ALICE).await;
    let server = server.restart("registration = \"open\"\ndomain = \"new.test\"").await;
    server.imap(ALICE).await;
    server.imap("newcomer1@new.test").await;
    let mut client = server.tls(Service::Imaps, None).await;
    client.expect("* OK").await;
    client.send(&format!("a1 LOGIN newcomer2@chat.test {PASSWORD:?}")).await;
    client.expect("a1 NO [AUTHENTICATIONFAILED]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cipher_that_costs_most_is_the_last_choice() {
    let server = TestServer::start(OPEN).await;
    let streams = [
        server.tls(Service::Imaps, None).await.into_stream(),
        server.tls(Service::Https, Some(b"smtp")).await.into_stream(),
        server.relay().await.into_stream(),
    ];
    for stream in streams {
        let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap().suite();
        assert_ne!(suite, rustls::CipherSuite::TLS13_AES_256_GCM_SHA384, "which the client names first");
    }
}
