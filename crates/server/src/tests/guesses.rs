//! Guesses of passwords: they slow down who makes them and nobody else, before and after a restart.

use test_support::{Script, quoted};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::tests::harness::{ALICE, BOB, PASSWORD, TestServer};

const OPEN: &str = "registration = \"open\"";
const OWNER: &str = "2001:db8:1::1";
const STRANGER: &str = "2001:db8:2::1";

async fn log_in(client: &mut Script<TlsStream<TcpStream>>, user: &str, password: &str) -> String {
    client.send(&format!("a1 LOGIN \"{user}\" \"{}\"", quoted(password))).await;
    client.expect("a1 ").await
}

/// As many wrong passwords as no free tries are left for.
async fn guess(server: &TestServer, peer: &str) {
    for number in 0..7 {
        let mut client = server.imaps_from(peer).await;
        let answer = log_in(&mut client, ALICE, "wrong-password").await;
        assert!(number > 0 || answer.starts_with("a1 NO [AUTHENTICATIONFAILED]"), "{answer}");
    }
}

async fn accepts(server: &TestServer, peer: &str, user: &str, password: &str) {
    let answer = log_in(&mut server.imaps_from(peer).await, user, password).await;
    assert!(answer.starts_with("a1 OK"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_of_strangers_keep_no_owner_out_also_after_a_restart() {
    let server = TestServer::start(OPEN).await;
    accepts(&server, OWNER, ALICE, PASSWORD).await;
    guess(&server, STRANGER).await;
    accepts(&server, "2001:db8:3::1", ALICE, PASSWORD).await;
    // Nobody's password is known to be right any more.
    let server = server.restart(OPEN).await;
    guess(&server, STRANGER).await;
    accepts(&server, OWNER, ALICE, PASSWORD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_guesses_at_once_only_the_free_ones_are_hashed() {
    let server = TestServer::start(OPEN).await;
    accepts(&server, OWNER, ALICE, PASSWORD).await;
    let mut clients = Vec::new();
    for _ in 0..150 {
        clients.push(server.imaps_from(STRANGER).await);
    }
    for client in &mut clients {
        client.send(&format!("a1 LOGIN {ALICE} wrong-password")).await;
    }
    let mut hashed = 0;
    for client in &mut clients {
        hashed += usize::from(client.expect("a1 NO").await.starts_with("a1 NO [AUTHENTICATIONFAILED]"));
    }
    // Five are free; on a slow machine a second or two pass meanwhile, and with each doubled wait one more.
    assert!((5..=9).contains(&hashed), "{hashed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn right_passwords_at_once_are_hashed_once() {
    let server = TestServer::start(OPEN).await;
    accepts(&server, OWNER, ALICE, PASSWORD).await;
    let server = server.restart(OPEN).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(server.imaps_from(OWNER).await);
    }
    for client in &mut clients {
        client.send(&format!("a1 LOGIN {ALICE} \"{}\"", quoted(PASSWORD))).await;
    }
    for client in &mut clients {
        client.expect("a1 OK").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_the_server_made_up_needs_no_hash_after_a_restart() {
    let server = TestServer::start(OPEN).await;
    let (address, password) = server.web().credentials().unwrap();
    let (user, password) = (address.to_string(), String::from_utf8(password.expose().to_vec()).unwrap());
    accepts(&server, OWNER, &user, &password).await;
    accepts(&server, OWNER, BOB, PASSWORD).await;
    let account = |user: &str| server.observed().store.account(&user.parse().unwrap()).unwrap().unwrap();
    assert!(account(&user).minted_verifier.is_some());
    assert_eq!(account(BOB).minted_verifier, None, "chosen by the client");
    let server = server.restart(OPEN).await;
    // No guess is hashed, so there is nothing to slow down.
    for _ in 0..10 {
        let answer = log_in(&mut server.imaps_from(OWNER).await, &user, &password.to_lowercase()).await;
        assert!(answer.starts_with("a1 NO [AUTHENTICATIONFAILED]"), "{answer}");
    }
    accepts(&server, OWNER, &user, &password).await;
}
