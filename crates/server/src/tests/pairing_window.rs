//! With registration by pairing, only the code on the screen makes an account.

use ipc::control::Request;

use crate::connections::service::Service;
use crate::tests::harness::{ALICE, PASSWORD, TestServer};

/// Name and password of the code that is shown now.
fn code(server: &TestServer) -> (String, String) {
    let view = server.observed().pairing.watch().borrow().clone();
    let link = view.code.expect("an open window").link;
    let (address, rest) = link.strip_prefix("dclogin:").unwrap().split_once("?p=").unwrap();
    (address.to_owned(), rest.split_once('&').unwrap().0.to_owned())
}

async fn login(server: &TestServer, user: &str, password: &str) -> bool {
    let mut client = server.tls(Service::Imaps, None).await;
    client.expect("* OK").await;
    client.send(&format!("a1 LOGIN \"{user}\" {password:?}")).await;
    client.line().await.starts_with("a1 OK")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_makes_one_account_over_both_protocols_at_once_and_nothing_else_does() {
    let server = TestServer::start("").await;
    assert!(!login(&server, ALICE, PASSWORD).await, "a stranger");
    let (user, password) = code(&server);
    let logins = tokio::join!(login(&server, &user, &password), login(&server, &user, &password));
    assert_eq!(logins, (true, true));
    assert_eq!(server.observed().pairing.watch().borrow().code, None);
    assert!(login(&server, &user, &password).await, "again, after the window has closed");
    assert_eq!(server.observed().store.accounts().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hearth_pair_opens_the_window_for_the_next_person() {
    let server = TestServer::start("").await;
    let (user, password) = code(&server);
    assert!(login(&server, &user, &password).await);

    let answer = crate::tests::operation::control(&server, Request::Pair).await;
    assert!(answer.contains("dclogin:"), "{answer}");
    let (second, password) = code(&server);
    assert_ne!(user, second);
    assert!(login(&server, &second, &password).await);
}
