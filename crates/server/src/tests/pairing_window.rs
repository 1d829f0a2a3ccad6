//! With registration by pairing, only the code on the screen makes an account.

use ipc::control::Request;

use crate::connections::listeners::Service;
use crate::tests::harness::{ALICE, House, PASSWORD};

/// Name and password of the code that is shown now.
fn code(house: &House) -> (String, String) {
    let view = house.server().pairing.watch().borrow().clone();
    let link = view.status.invitation.expect("an open window").link;
    let (address, rest) = link.strip_prefix("dclogin:").unwrap().split_once("?p=").unwrap();
    (address.to_owned(), rest.split_once('&').unwrap().0.to_owned())
}

async fn login(house: &House, user: &str, password: &str) -> bool {
    let mut client = house.tls(Service::Imaps, None).await;
    client.expect("* OK").await;
    client.send(&format!("a1 LOGIN \"{user}\" {password:?}")).await;
    client.line().await.starts_with("a1 OK")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_makes_one_account_over_both_protocols_at_once_and_nothing_else_does() {
    let house = House::start("").await;
    assert!(!login(&house, ALICE, PASSWORD).await, "a stranger");
    let (user, password) = code(&house);
    let logins = tokio::join!(login(&house, &user, &password), login(&house, &user, &password));
    assert_eq!(logins, (true, true));
    assert_eq!(house.server().pairing.watch().borrow().status.invitation, None);
    assert!(login(&house, &user, &password).await, "again, after the window has closed");
    assert_eq!(house.server().store.accounts().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hearth_pair_opens_the_window_for_the_next_person() {
    let house = House::start("").await;
    let (user, password) = code(&house);
    assert!(login(&house, &user, &password).await);

    let answer = crate::tests::operation::control(&house, Request::Pair).await;
    assert!(answer.contains("dclogin:"), "{answer}");
    let (second, password) = code(&house);
    assert_ne!(user, second);
    assert!(login(&house, &second, &password).await);
}
