//! The credentials that are valid, and the link, as the window opens and closes.

use mail_types::{Address, Secret};
use pairing::DisplayStatus;
use relay_policy::Registration;

use crate::accounts::pairing::{PairingHandle, PairingTask, Setup};
use crate::tests::harness::self_signed_tls;

fn setup(registration: Registration, accounts: usize) -> Setup {
    let (config, _) = config::examine("domain = \"hearth-1a2b.local\"").unwrap();
    Setup {
        domain: config.domain,
        registration,
        host: None,
        imaps_port: 993,
        submissions_port: 465,
        accounts,
        addresses: vec!["192.0.2.7".parse().unwrap()],
        tls: self_signed_tls(),
        awaits_certificate: false,
    }
}

fn start(setup: Setup) -> PairingHandle {
    let (task, handle) = PairingTask::new(setup);
    tokio::spawn(task.run());
    handle
}

/// Address and password of the link on the screen.
fn code(view: &DisplayStatus) -> (Address, Secret) {
    let link = &view.code.as_ref().expect("an open window").link;
    let (address, rest) = link.strip_prefix("dclogin:").unwrap().split_once("?p=").unwrap();
    assert!(rest.ends_with("&v=1&ih=192.0.2.7&ip=993&is=ssl&sh=192.0.2.7&sp=465&ss=ssl&ic=3"), "{rest}");
    (address.parse().unwrap(), Secret::new(rest.split_once('&').unwrap().0))
}

#[tokio::test]
async fn the_first_boot_invites_one_person() {
    let pairing = start(setup(Registration::Pairing, 0));
    let (address, password) = code(&pairing.watch().borrow().clone());
    assert!(pairing.is_valid(&address, &password).await);
    assert!(!pairing.is_valid(&address, &Secret::new("guess")).await);
    pairing.account_created(&address).await;
    assert!(!pairing.is_valid(&address, &password).await);
    let view = pairing.watch().borrow().clone();
    assert_eq!((view.code, view.accounts), (None, 1));
}

#[tokio::test]
async fn a_window_opened_by_hand_invites_one_person_after_another() {
    let pairing = start(setup(Registration::Pairing, 3));
    assert_eq!(pairing.watch().borrow().code, None);
    let view = pairing.open().await.unwrap();
    assert_eq!(view.code.as_ref().unwrap().closes, "in 5 minutes");
    let (first, password) = code(&view);
    pairing.account_created(&first).await;
    assert!(!pairing.is_valid(&first, &password).await);
    let (second, password) = code(&pairing.watch().borrow().clone());
    assert_ne!(first, second);
    assert!(pairing.is_valid(&second, &password).await);
}

#[tokio::test]
async fn a_code_scanned_just_before_the_next_press_still_works() {
    let pairing = start(setup(Registration::Pairing, 1));
    let (first, password) = code(&pairing.open().await.unwrap());
    let (second, _) = code(&pairing.open().await.unwrap());
    assert_ne!(first, second);
    assert!(pairing.is_valid(&first, &password).await);
}

#[tokio::test]
async fn closed_registration_has_no_code() {
    let pairing = start(setup(Registration::Closed, 0));
    assert_eq!(pairing.open().await.unwrap().code, None);
}
