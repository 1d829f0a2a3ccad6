//! Mail of other servers by `POST /mxdeliv`: the same gate, and what HTTP adds to it.

use crate::connections::service::Service;
use crate::tests::harness::{BOB, TestServer, encrypted};
use crate::tests::inbound::{BLOCKING, SMUGGLED, unacceptable};
use crate::tests::keys::signed;

const ANNA: &str = "anna@other.test";
const OPEN: &str = "registration = \"open\"";
const INVALID: &str = "500 Invalid DATA";

/// The envelope's fields.
fn envelope(sender: &str, recipients: &[&str]) -> String {
    let recipients: String = recipients.iter().map(|to| format!("X-MAIL-TO: {to}\r\n")).collect();
    format!("X-MAIL-FROM: {sender}\r\n{recipients}")
}

/// Sends a request for /mxdeliv, and returns the status and the body of its answer; on a connection of its own.
async fn request(server: &TestServer, method: &str, fields: &str, body: &str) -> (u16, String) {
    let mut client = server.tls(Service::Https, None).await;
    let head = format!("{method} /mxdeliv HTTP/1.1\r\nHost: mx.elsewhere.test\r\n{fields}\r\n");
    client.raw(head.as_bytes()).await;
    client.raw(body.as_bytes()).await;
    let status = client.line().await;
    let mut length = 0;
    loop {
        let line = client.line().await;
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let body = client.exactly(length).await;
    (status.split(' ').nth(1).unwrap().parse().unwrap(), String::from_utf8(body).unwrap())
}

/// Posts a message, dots escaped, and returns status and body of the answer.
async fn post(server: &TestServer, sender: &str, recipients: &[&str], content: &str) -> (u16, String) {
    let fields = format!("{}Content-Length: {}\r\n", envelope(sender, recipients), content.len());
    request(server, "POST", &fields, content).await
}

fn answer(status: u16, body: &str) -> (u16, String) {
    (status, body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posted_message_reaches_an_idle_mailbox_at_once() {
    let server = TestServer::start(OPEN).await;
    let mut bob = server.idle(BOB).await;
    for size in [5000, 300_000] {
        let message = signed("other.test", &encrypted(ANNA, size));
        assert_eq!(post(&server, ANNA, &[BOB, BOB], &message).await, answer(200, "250 OK"));
    }
    bob.until("* 1 EXISTS").await;
    assert_eq!(server.messages(BOB), 2);
    assert_eq!(server.observed().counters.received.by_https.value(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_chunks_comes_in_and_nothing_behind_it() {
    let server = TestServer::start(OPEN).await;
    server.imap(BOB).await;
    let message = signed("other.test", &encrypted(ANNA, 5000));
    let chunks: String = message
        .as_bytes()
        .chunks(1000)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), str::from_utf8(chunk).unwrap()))
        .collect();
    let chunks = format!("{chunks}0\r\n\r\n");
    let fields = format!("{}Transfer-Encoding: chunked\r\n", envelope(ANNA, &[BOB]));
    assert_eq!(request(&server, "POST", &fields, &chunks).await, answer(200, "250 OK"));
    // Two lengths: the body ends with its chunks, and whatever follows is nobody's request.
    for both in [
        format!("Content-Length: 4\r\n{fields}"),
        format!("{fields}Content-Length: {}\r\n", chunks.len() + 4),
    ] {
        let mut client = server.tls(Service::Https, None).await;
        let behind = "GET /robots.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let request = format!("POST /mxdeliv HTTP/1.1\r\nHost: x\r\n{both}\r\n{chunks}{behind}");
        client.raw(request.as_bytes()).await;
        let mut answered = String::new();
        while let Some(line) = client.next().await {
            answered.push_str(&line);
        }
        assert_eq!(answered.matches("HTTP/1.1 ").count(), 1, "{answered}");
        assert!(answered.contains("connection: close"), "{answered}");
    }
    for odd in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding : chunked\r\n",
    ] {
        let mut client = server.tls(Service::Https, None).await;
        let head = format!("POST /mxdeliv HTTP/1.1\r\nHost: x\r\n{}{odd}\r\n", envelope(ANNA, &[BOB]));
        client.raw(format!("{head}hello{head}").as_bytes()).await;
        let status = client.line().await;
        assert!(status.starts_with("HTTP/1.1 400"), "{odd}: {status}");
        while client.next().await.is_some() {}
    }
    assert_eq!(server.messages(BOB), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_port_25_refuses_is_refused_here_in_the_same_words() {
    let server = TestServer::start(BLOCKING).await;
    server.imap(BOB).await;
    for (message, reply) in unacceptable() {
        let status = if reply.starts_with('4') { 503 } else { 400 };
        let told = post(&server, ANNA, &[BOB], &message).await;
        assert_eq!(told, answer(status, reply), "{}", message.chars().take(2000).collect::<String>());
    }
    let message = signed("other.test", &encrypted(ANNA, 200));
    for (sender, recipients, reply) in [
        (ANNA, &["eve@other.test"][..], "554 5.7.1 Relay access denied"),
        (ANNA, &[BOB, "eve@other.test"], "554 5.7.1 Relay access denied"),
        (
            ANNA,
            &["nobody001@chat.test"],
            "550 5.1.1 <nobody001@chat.test>: User doesn't exist: the address is wrong, or no longer in use",
        ),
        (ANNA, &[], "554 5.5.1 No valid recipients"),
        (ANNA, &["bob"], "501 5.1.3 Bad recipient address syntax"),
        ("anna", &[BOB], "501 5.1.7 Bad sender address syntax"),
    ] {
        assert_eq!(post(&server, sender, recipients, &message).await, answer(400, reply));
    }
    assert_eq!(server.messages(BOB), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_those_of_data_without_its_end() {
    let server = TestServer::start(OPEN).await;
    server.imap(BOB).await;
    let good = signed("other.test", &encrypted(ANNA, 200));
    for content in
        SMUGGLED.into_iter().chain([".\r\n", ".\r\nMAIL FROM:<x@y.test>\r\n", "a", "a\r", "a\r\n."])
    {
        let told = post(&server, ANNA, &[BOB], &format!("{good}{content}")).await;
        assert_eq!(told, answer(400, INVALID), "{content:?}");
    }
    assert_eq!(post(&server, ANNA, &[BOB], "").await, answer(400, INVALID));
    assert_eq!(server.messages(BOB), 0);
    // A dot that is escaped is part of the message; the signature is over the unescaped form.
    let mut dotted = encrypted(ANNA, 200);
    dotted.push_str(".dot\r\n");
    let escaped = signed("other.test", &dotted).replace("\r\n.dot", "\r\n..dot");
    assert_eq!(post(&server, ANNA, &[BOB], &escaped).await, answer(200, "250 OK"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_told_so_before_or_while_it_comes() {
    let server = TestServer::start("registration = \"open\"\nlimits = { message_size = 30000 }").await;
    server.imap(BOB).await;
    let too_large = answer(413, "552 Message exceeds maximum size");
    let message = signed("other.test", &encrypted(ANNA, 31_000));
    assert_eq!(post(&server, ANNA, &[BOB], &message).await, too_large);
    let fields = format!("{}Content-Length: 50000000\r\nExpect: 100-continue\r\n", envelope(ANNA, &[BOB]));
    assert_eq!(request(&server, "POST", &fields, "").await, too_large);
    assert_eq!(server.messages(BOB), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_posted_over_tls_and_nothing_else_is_done_there() {
    let server = TestServer::start(OPEN).await;
    for method in ["GET", "PUT", "DELETE"] {
        let told = request(&server, method, "Content-Length: 0\r\n", "").await;
        assert_eq!(told, answer(405, "Method Not Allowed"), "{method}");
    }
    let mut client = server.plain(Service::Http).await;
    client.send("POST /mxdeliv HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n").await;
    client.expect("HTTP/1.1 403").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_sender_is_one_without_a_field() {
    let server = TestServer::start(OPEN).await;
    server.imap(BOB).await;
    let message = signed("other.test", &encrypted(ANNA, 200));
    let fields = format!(
        "X-MAIL-TO: {BOB}\r\nX-MAIL-TO: nobody001@chat.test\r\nContent-Length: {}\r\n",
        message.len()
    );
    assert_eq!(request(&server, "POST", &fields, &message).await, answer(200, "250 OK"));
    assert_eq!(server.observed().store.outbound().unwrap(), [], "nobody to report to");
}
