//! What the owner sees: ports, status, limits, and that a stopped server takes its leave.

use ipc::control::{Request, Response};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::connections::listeners::Service;
use crate::operation::health;
use crate::tests::harness::{ALICE, House};

/// One request over the control socket, and the answer's line.
pub(crate) async fn control(house: &House, request: Request) -> String {
    let mut socket = UnixStream::connect(house.directory().join("state/run/control.sock")).await.unwrap();
    socket.write_all((serde_json::to_string(&request).unwrap() + "\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_accounts_connections_and_ports() {
    let house = House::start("registration = \"open\"").await;
    let _client = house.imap(ALICE).await;
    let answer: Response = serde_json::from_str(&control(&house, Request::Status).await).unwrap();
    let Response::Status(status) = answer else { panic!("{answer:?}") };
    assert_eq!((status.accounts, status.connections, status.domain.as_str()), (1, 1, "chat.test"));
    assert!((1..=2000).contains(&status.connections_limit), "{status:?}");
    assert_eq!(status.listening["imaps"], [house.address(Service::Imaps)]);
    let ports = std::fs::read_to_string(house.directory().join("state/run/ports.json")).unwrap();
    assert!(ports.contains(&house.address(Service::Http).to_string()), "{ports}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_working_server_finds_itself_healthy() {
    let house = House::start("").await;
    assert_eq!(health::check(house.server()).await, health::Health::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_when_the_server_stops() {
    let house = House::start("registration = \"open\"").await;
    let mut client = house.imap(ALICE).await;
    let house = house.restart("registration = \"open\"").await;
    client.until("* BYE").await;
    house.imap(ALICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_directory_is_refused() {
    let house = House::start("").await;
    let text = format!("state_directory = {:?}", house.directory().join("state"));
    let (config, _) = config::examine(&text).unwrap();
    let error = crate::start(config).await.err().expect("a refusal");
    assert!(format!("{error:#}").contains("in use by another process"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_when_the_house_is_full_is_told_where_that_is_cheap() {
    let house = House::start("[limits]\nconnections = 1\n").await;
    // Sixteen places above the limit are the machine's own, and all of this comes from the machine itself.
    let mut inside = Vec::new();
    for _ in 0..17 {
        let mut client = house.plain(Service::Imap).await;
        client.expect("* OK").await;
        inside.push(client);
    }
    let mut client = house.plain(Service::Imap).await;
    client.expect("* BYE Too many connections").await;
    assert_eq!(client.line().await, "");
    house.plain(Service::Submission).await.expect("421 4.3.2 Too many connections").await;
    let mut web = house.plain(Service::Http).await;
    web.raw(b"GET / HTTP/1.1\r\nHost: chat.test\r\n\r\n").await;
    web.expect("HTTP/1.1 503").await;
    assert!(web.until("Too many").await.contains(&"Retry-After: 60".to_owned()));
    assert_eq!(house.plain(Service::Imaps).await.line().await, "", "closed without a handshake");

    inside.pop().expect("a client").send("a LOGOUT").await;
    drop(inside);
    loop {
        // The place is free as soon as the server has noticed.
        let mut client = house.plain(Service::Imap).await;
        if client.line().await.starts_with("* OK") {
            break;
        }
    }
}
