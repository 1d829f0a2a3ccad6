//! Operation: ports, status, limits, and the goodbye of a stopped server.

use ipc::control::{Request, Response};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::connections::service::Service;
use crate::operation::health;
use crate::tests::harness::{ALICE, TestServer, prepare};

/// One request over the control socket, and the answer's line.
pub(crate) async fn control(server: &TestServer, request: Request) -> String {
    let mut socket = UnixStream::connect(server.directory().join("state/run/control.sock")).await.unwrap();
    socket.write_all((serde_json::to_string(&request).unwrap() + "\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_accounts_connections_and_ports() {
    let server = TestServer::start("registration = \"open\"").await;
    let _client = server.imap(ALICE).await;
    let answer: Response = serde_json::from_str(&control(&server, Request::Status).await).unwrap();
    let Response::Status(status) = answer else { panic!("{answer:?}") };
    assert_eq!((status.accounts, status.connections, status.domain.as_str()), (1, 1, "chat.test"));
    assert!((1..=2000).contains(&status.connections_limit), "{status:?}");
    assert_eq!(status.listening["imaps"], [server.address(Service::Imaps)]);
    let ports = std::fs::read_to_string(server.directory().join("state/run/ports.json")).unwrap();
    assert!(ports.contains(&server.address(Service::Http).to_string()), "{ports}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_working_server_finds_itself_healthy() {
    let server = TestServer::start("").await;
    assert_eq!(health::check(server.observed()).await, health::Health::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_when_the_server_stops() {
    let server = TestServer::start("registration = \"open\"").await;
    let mut client = server.imap(ALICE).await;
    let server = server.restart("registration = \"open\"").await;
    client.until("* BYE").await;
    server.imap(ALICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_directory_is_refused() {
    let server = TestServer::start("").await;
    let text = format!("state_directory = {:?}", server.directory().join("state"));
    let error = prepare(&text).await.err().expect("a refusal");
    assert!(format!("{error:#}").contains("in use by another process"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_beyond_the_limit_is_told_so_where_that_is_cheap() {
    let server = TestServer::start("registration = \"open\"\n[limits]\nconnections = 1\n").await;
    let phone = server.imap(ALICE).await;
    // Who has logged in is pushed out by nobody.
    let mut client = server.plain_from("192.0.2.1", Service::Imap).await;
    client.expect("* BYE Too many connections").await;
    assert_eq!(client.line().await, "");
    let mut client = server.plain_from("192.0.2.1", Service::Submission).await;
    client.expect("421 4.3.2 Too many connections").await;
    let mut web = server.plain_from("192.0.2.1", Service::Http).await;
    web.raw(b"GET / HTTP/1.1\r\nHost: chat.test\r\n\r\n").await;
    web.expect("HTTP/1.1 503").await;
    assert!(web.until("Too many").await.contains(&"Retry-After: 60".to_owned()));
    let mut client = server.plain_from("192.0.2.1", Service::Imaps).await;
    assert_eq!(client.line().await, "", "closed without a handshake");

    drop(phone);
    loop {
        // The place is free as soon as the server has noticed.
        let mut client = server.plain_from("192.0.2.1", Service::Imap).await;
        if client.line().await.starts_with("* OK") {
            break;
        }
    }
}
