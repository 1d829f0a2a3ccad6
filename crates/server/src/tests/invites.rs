//! Invites: made over the control socket, redeemed on the web, counted on disk.

use std::net::IpAddr;

use ipc::control::{InviteState, KeptInvite, NewInvite, Request, Response};
use serde_json::Value;
use web::{Office, Refusal};

use crate::connections::listeners::Service;
use crate::tests::harness::{House, PASSWORD};
use crate::tests::operation::control;

const INVITE: &str = "registration = \"invite\"";
const WEEK: u64 = 7 * 24 * 60 * 60;

async fn ask(house: &House, request: Request) -> Response {
    serde_json::from_str(&control(house, request).await).unwrap()
}

async fn make(house: &House, uses: u32) -> NewInvite {
    match ask(house, Request::MakeInvite { uses, lifetime: WEEK }).await {
        Response::Invite(invite) => invite,
        other => panic!("{other:?}"),
    }
}

async fn list(house: &House) -> Vec<KeptInvite> {
    match ask(house, Request::Invites).await {
        Response::Invites(invites) => invites,
        other => panic!("{other:?}"),
    }
}

/// What the link says behind its last `=`.
fn token(invite: &NewInvite) -> String {
    invite.link.rsplit_once("?t=").expect("a token").1.to_owned()
}

/// Status and body of one request over TLS.
async fn request(house: &House, line: &str) -> (u16, String) {
    let mut web = house.tls(Service::Https, None).await;
    let head =
        format!("{line} HTTP/1.1\r\nHost: chat.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    web.raw(head.as_bytes()).await;
    let status = web.expect("HTTP/1.1 ").await;
    let mut length = 0;
    loop {
        let line = web.line().await;
        if line.is_empty() {
            break;
        }
        length = line.strip_prefix("content-length: ").map_or(length, |length| length.parse().unwrap());
    }
    let body = web.exactly(length).await;
    (status.split(' ').nth(1).unwrap().parse().unwrap(), String::from_utf8(body).unwrap())
}

/// What core does with a `DCACCOUNT:` link.
async fn post(house: &House, token: &str) -> (u16, Value) {
    let (status, body) = request(house, &format!("POST /new?t={token}")).await;
    (status, serde_json::from_str(&body).unwrap())
}

async fn login(house: &House, user: &str, password: &str) -> bool {
    let mut client = house.tls(Service::Imaps, None).await;
    client.expect("* OK").await;
    client.send(&format!("a1 LOGIN \"{user}\" {password:?}")).await;
    client.line().await.starts_with("a1 OK")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_lets_in_as_many_as_it_says_and_a_restart_forgets_nothing() {
    let house = House::start(INVITE).await;
    assert!(!login(&house, "stranger1@chat.test", PASSWORD).await, "without an invite");
    assert_eq!(request(&house, "POST /new").await.0, 403);

    let invite = make(&house, 2).await;
    let (status, first) = post(&house, &token(&invite)).await;
    assert_eq!(status, 200, "{first}");
    assert!(text(&first, "dclogin_url").starts_with("dclogin:"), "a self-signed server");
    let house = house.restart(INVITE).await;
    assert!(login(&house, text(&first, "email"), text(&first, "password")).await);
    assert_eq!(list(&house).await[0].uses_left, 1);
    let (status, second) = post(&house, &token(&invite)).await;
    assert_eq!(status, 200, "{second}");
    assert!(login(&house, text(&second, "email"), text(&second, "password")).await);
    assert_ne!(first["email"], second["email"]);

    let house = house.restart(INVITE).await;
    let (status, third) = post(&house, &token(&invite)).await;
    assert_eq!(
        (status, text(&third, "reason")),
        (410, "This invite has been used already. Ask for a new one.")
    );
    let kept =
        KeptInvite { id: invite.id, uses_left: 0, expires: invite.expires, state: InviteState::UsedUp };
    assert_eq!(list(&house).await, [kept]);
    assert_eq!(house.server().store.accounts().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_redeem_the_same_use_at_once_one_wins() {
    let house = House::start(INVITE).await;
    for round in 1..=3 {
        let token = token(&make(&house, 1).await);
        let (one, other) = tokio::join!(post(&house, &token), post(&house, &token));
        let mut statuses = [one.0, other.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 410]);
        assert_eq!(house.server().store.accounts().unwrap().len(), round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_link_redeems_nothing_and_the_page_makes_the_account() {
    let house = House::start(INVITE).await;
    let invite = make(&house, 1).await;
    assert_eq!(invite.page.as_ref(), Some(&invite.link), "no app accepts this server's certificate");
    let path = format!("/invite?t={}", token(&invite));
    assert_eq!(invite.link, format!("http://chat.test:{}{path}", house.address(Service::Http).port()));
    for line in [format!("GET {path}"), format!("GET /new?t={}", token(&invite))] {
        let (status, _) = request(&house, &line).await;
        assert!((200..400).contains(&status), "{line}: {status}");
    }
    assert_eq!(house.server().store.accounts().unwrap().len(), 0);
    assert_eq!(list(&house).await[0].uses_left, 1);

    let (status, page) = request(&house, &format!("POST {path}")).await;
    assert!(status == 200 && page.contains("href=\"dclogin:"), "{status} {page}");
    assert_eq!(house.server().store.accounts().unwrap().len(), 1);
    let (status, page) = request(&house, &format!("GET {path}")).await;
    assert!(status == 410 && page.contains("has been used already"), "{status} {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_invite_is_unknown() {
    let house = House::start(INVITE).await;
    let invite = make(&house, 1).await;
    assert_eq!(ask(&house, Request::RevokeInvite(invite.id.clone())).await, Response::Revoked);
    let again = ask(&house, Request::RevokeInvite(invite.id.clone())).await;
    assert!(matches!(&again, Response::Refused(reason) if reason.contains("no invite")), "{again:?}");
    let (status, refusal) = post(&house, &token(&invite)).await;
    assert!(status == 403 && text(&refusal, "reason").contains("not known"), "{status} {refusal}");
    assert_eq!(list(&house).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_whose_time_is_over_says_so() {
    let house = House::start(INVITE).await;
    let invite = make(&house, 1).await;
    let store = &house.server().store;
    let kept = store.invites().unwrap().remove(0);
    store.put_invite(&store::Invite { expires: kept.created, ..kept }).unwrap();
    let (status, refusal) = post(&house, &token(&invite)).await;
    assert_eq!((status, text(&refusal, "reason")), (410, "This invite has expired. Ask for a new one."));
    assert_eq!(list(&house).await[0].state, InviteState::Expired);
    assert_eq!(store.accounts().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mode_decides_whether_invites_count() {
    let house = House::start("").await;
    let token = token(&make(&house, 2).await);
    assert!(house.server().pairing.watch().borrow().status.invitation.is_some(), "the window is open");
    let (status, refusal) = request(&house, "POST /new").await;
    assert!(status == 403 && refusal.contains("by the code that the box shows"), "{status} {refusal}");
    assert_eq!(post(&house, &token).await.0, 200, "with pairing, beside the window");

    let house = house.restart("registration = \"closed\"").await;
    let (status, refusal) = post(&house, &token).await;
    assert!(status == 403 && text(&refusal, "reason").contains("nobody new"), "{status} {refusal}");
    let refused = ask(&house, Request::MakeInvite { uses: 1, lifetime: WEEK }).await;
    assert!(matches!(&refused, Response::Refused(reason) if reason.contains("closed")), "{refused:?}");

    let house = house.restart("registration = \"open\"").await;
    assert_eq!(request(&house, "POST /new").await.0, 200, "nobody needs an invite");
    assert_eq!(post(&house, &token).await.0, 200);
    assert_eq!(list(&house).await[0].uses_left, 0);
    assert_eq!(house.server().store.accounts().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_without_sense_make_no_invite() {
    let house = House::start(INVITE).await;
    for (uses, lifetime) in [(0, WEEK), (101, WEEK), (1, 1), (1, u64::MAX)] {
        let refused = ask(&house, Request::MakeInvite { uses, lifetime }).await;
        assert!(matches!(&refused, Response::Refused(reason) if reason.starts_with("No invite was made")));
    }
    assert_eq!(list(&house).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_short_of_room_takes_no_use() {
    let house = House::start(INVITE).await;
    let token = token(&make(&house, 1).await);
    let short = format!("{INVITE}\n[limits]\nregistration_free_disk = {}\n", i64::MAX);
    let house = house.restart(&short).await;
    let (status, refusal) = post(&house, &token).await;
    assert!(status == 503 && text(&refusal, "reason").contains("no room"), "{status} {refusal}");
    let house = house.restart(INVITE).await;
    assert_eq!(post(&house, &token).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_answered_with_a_pause() {
    let house = House::start(INVITE).await;
    let invite = token(&make(&house, 1).await);
    let (guesser, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let server = house.server();
    for _ in 0..10 {
        let guess = "ABCDEFGHIJKLMNOPQRSTUVWX".parse().unwrap();
        assert_eq!(server.redeem_invite(guess, guesser).await, Err(Refusal::Unknown));
    }
    let good = || invite.parse().unwrap();
    assert_eq!(server.redeem_invite(good(), guesser).await, Err(Refusal::TooManyGuesses));
    assert!(server.redeem_invite(good(), other).await.is_ok());
}
