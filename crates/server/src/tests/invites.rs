//! Invites: made over the control socket, redeemed on the web, counted on disk.

use std::net::IpAddr;

use ipc::control::{InviteState, KeptInvite, NewInvite, Request, Response};
use relay_policy::JoinRefusal;
use serde_json::Value;

use crate::connections::service::Service;
use crate::tests::harness::{PASSWORD, TestServer};
use crate::tests::operation::control;

const INVITE: &str = "registration = \"invite\"";
const WEEK: u64 = 7 * 24 * 60 * 60;

async fn ask(server: &TestServer, request: Request) -> Response {
    serde_json::from_str(&control(server, request).await).unwrap()
}

async fn make(server: &TestServer, uses: u32) -> NewInvite {
    match ask(server, Request::MakeInvite { uses, lifetime: WEEK }).await {
        Response::Invite(invite) => invite,
        other => panic!("{other:?}"),
    }
}

async fn list(server: &TestServer) -> Vec<KeptInvite> {
    match ask(server, Request::Invites).await {
        Response::Invites(invites) => invites,
        other => panic!("{other:?}"),
    }
}

/// The token of a link, behind its last `=`.
fn token(invite: &NewInvite) -> String {
    invite.link.rsplit_once("?t=").expect("a token").1.to_owned()
}

/// Status and body of one request over TLS.
async fn request(server: &TestServer, line: &str) -> (u16, String) {
    let mut web = server.tls(Service::Https, None).await;
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

/// Core's request for a `DCACCOUNT:` link.
async fn post(server: &TestServer, token: &str) -> (u16, Value) {
    let (status, body) = request(server, &format!("POST /new?t={token}")).await;
    (status, serde_json::from_str(&body).unwrap())
}

async fn login(server: &TestServer, user: &str, password: &str) -> bool {
    let mut client = server.tls(Service::Imaps, None).await;
    client.expect("* OK").await;
    client.send(&format!("a1 LOGIN \"{user}\" {password:?}")).await;
    client.line().await.starts_with("a1 OK")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_lets_in_as_many_as_it_says_and_a_restart_forgets_nothing() {
    let server = TestServer::start(INVITE).await;
    assert!(!login(&server, "stranger1@chat.test", PASSWORD).await, "without an invite");
    assert_eq!(request(&server, "POST /new").await.0, 403);

    let invite = make(&server, 2).await;
    let (status, first) = post(&server, &token(&invite)).await;
    assert_eq!(status, 200, "{first}");
    assert!(text(&first, "dclogin_url").starts_with("dclogin:"), "a self-signed server");
    let server = server.restart(INVITE).await;
    assert!(login(&server, text(&first, "email"), text(&first, "password")).await);
    assert_eq!(list(&server).await[0].uses_left, 1);
    let (status, second) = post(&server, &token(&invite)).await;
    assert_eq!(status, 200, "{second}");
    assert!(login(&server, text(&second, "email"), text(&second, "password")).await);
    assert_ne!(first["email"], second["email"]);

    let server = server.restart(INVITE).await;
    let (status, third) = post(&server, &token(&invite)).await;
    assert_eq!(
        (status, text(&third, "reason")),
        (410, "This invite has been used already. Ask for a new one.")
    );
    let kept =
        KeptInvite { id: invite.id, uses_left: 0, expires: invite.expires, state: InviteState::UsedUp };
    assert_eq!(list(&server).await, [kept]);
    assert_eq!(server.observed().store.accounts().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_redeem_the_same_use_at_once_one_wins() {
    let server = TestServer::start(INVITE).await;
    for round in 1..=3 {
        let token = token(&make(&server, 1).await);
        let (one, other) = tokio::join!(post(&server, &token), post(&server, &token));
        let mut statuses = [one.0, other.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 410]);
        assert_eq!(server.observed().store.accounts().unwrap().len(), round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_link_redeems_nothing_and_the_page_makes_the_account() {
    let server = TestServer::start(INVITE).await;
    let invite = make(&server, 1).await;
    assert_eq!(invite.page.as_ref(), Some(&invite.link), "no app accepts this server's certificate");
    let path = format!("/invite?t={}", token(&invite));
    assert_eq!(invite.link, format!("http://chat.test:{}{path}", server.address(Service::Http).port()));
    for line in [format!("GET {path}"), format!("GET /new?t={}", token(&invite))] {
        let (status, _) = request(&server, &line).await;
        assert!((200..400).contains(&status), "{line}: {status}");
    }
    assert_eq!(server.observed().store.accounts().unwrap().len(), 0);
    assert_eq!(list(&server).await[0].uses_left, 1);

    let (status, page) = request(&server, &format!("POST {path}")).await;
    assert!(status == 200 && page.contains("href=\"dclogin:"), "{status} {page}");
    assert_eq!(server.observed().store.accounts().unwrap().len(), 1);
    let (status, page) = request(&server, &format!("GET {path}")).await;
    assert!(status == 410 && page.contains("has been used already"), "{status} {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_invite_is_unknown() {
    let server = TestServer::start(INVITE).await;
    let invite = make(&server, 1).await;
    assert_eq!(ask(&server, Request::RevokeInvite(invite.id.clone())).await, Response::Revoked);
    let again = ask(&server, Request::RevokeInvite(invite.id.clone())).await;
    assert!(matches!(&again, Response::Refused(reason) if reason.contains("no invite")), "{again:?}");
    let (status, refusal) = post(&server, &token(&invite)).await;
    assert!(status == 403 && text(&refusal, "reason").contains("not known"), "{status} {refusal}");
    assert_eq!(list(&server).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_whose_time_is_over_says_so() {
    let server = TestServer::start(INVITE).await;
    let invite = make(&server, 1).await;
    let store = &server.observed().store;
    let kept = store.invites().unwrap().remove(0);
    store.put_invite(&store::Invite { expires: kept.created, ..kept }).unwrap();
    let (status, refusal) = post(&server, &token(&invite)).await;
    assert_eq!((status, text(&refusal, "reason")), (410, "This invite has expired. Ask for a new one."));
    assert_eq!(list(&server).await[0].state, InviteState::Expired);
    assert_eq!(store.accounts().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mode_decides_whether_invites_count() {
    let server = TestServer::start("").await;
    let token = token(&make(&server, 2).await);
    assert!(server.observed().pairing.watch().borrow().code.is_some(), "the window is open");
    let (status, refusal) = request(&server, "POST /new").await;
    assert!(status == 403 && refusal.contains("by the code that the box shows"), "{status} {refusal}");
    assert_eq!(post(&server, &token).await.0, 200, "with pairing, beside the window");

    let server = server.restart("registration = \"closed\"").await;
    let (status, refusal) = post(&server, &token).await;
    assert!(status == 403 && text(&refusal, "reason").contains("nobody new"), "{status} {refusal}");
    let refused = ask(&server, Request::MakeInvite { uses: 1, lifetime: WEEK }).await;
    assert!(matches!(&refused, Response::Refused(reason) if reason.contains("closed")), "{refused:?}");

    let server = server.restart("registration = \"open\"").await;
    assert_eq!(request(&server, "POST /new").await.0, 200, "nobody needs an invite");
    assert_eq!(post(&server, &token).await.0, 200);
    assert_eq!(list(&server).await[0].uses_left, 0);
    assert_eq!(server.observed().store.accounts().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_without_sense_make_no_invite() {
    let server = TestServer::start(INVITE).await;
    for (uses, lifetime) in [(0, WEEK), (101, WEEK), (1, 1), (1, u64::MAX)] {
        let refused = ask(&server, Request::MakeInvite { uses, lifetime }).await;
        assert!(matches!(&refused, Response::Refused(reason) if reason.starts_with("No invite was made")));
    }
    assert_eq!(list(&server).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_short_of_room_takes_no_use() {
    let server = TestServer::start(INVITE).await;
    let token = token(&make(&server, 1).await);
    let short = format!("{INVITE}\n[limits]\nregistration_free_disk = {}\n", i64::MAX);
    let server = server.restart(&short).await;
    let (status, refusal) = post(&server, &token).await;
    assert!(status == 503 && text(&refusal, "reason").contains("no room"), "{status} {refusal}");
    let server = server.restart(INVITE).await;
    assert_eq!(post(&server, &token).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_login_without_room_for_the_account_is_not_called_a_wrong_password() {
    let open = format!("registration = \"open\"\n[limits]\nregistration_free_disk = {}\n", i64::MAX);
    let server = TestServer::start(&open).await;
    let mut phone = server.tls(Service::Imaps, None).await;
    phone.expect("* OK").await;
    phone.send("a LOGIN somebody1@chat.test \"a long password\"").await;
    let answer = phone.expect("a NO [LIMIT]").await;
    assert!(answer.contains("no room for new accounts") && !answer.contains("uthentication"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_answered_with_a_pause() {
    let server = TestServer::start(INVITE).await;
    let invite = token(&make(&server, 1).await);
    let (guesser, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let server = server.web();
    for _ in 0..10 {
        let guess = "ABCDEFGHIJKLMNOPQRSTUVWX".parse().unwrap();
        assert_eq!(server.redeem_invite(guess, guesser).await, Err(JoinRefusal::Unknown));
    }
    let good = || invite.parse().unwrap();
    assert_eq!(server.redeem_invite(good(), guesser).await, Err(JoinRefusal::TooManyGuesses));
    assert!(server.redeem_invite(good(), other).await.is_ok());
}
