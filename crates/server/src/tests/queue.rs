//! The queue as its owner sees it, over the control socket.

use ipc::control::{Request, Response};
use ipc::queue::{NextAttempt, QueuePage, QueueSelection, SenderIs};

use crate::tests::harness::{ALICE, TestServer, encrypted};
use crate::tests::operation::control;
use crate::tests::peer::{Peer, listen};

const OPEN: &str = "registration = \"open\"\nfederation = { outbound = \"all\", private_networks = true }\nlimits = { send_burst = 1000 }";
const BEN: &str = "ben@[127.0.0.41]";

async fn ask(server: &TestServer, request: Request) -> Response {
    serde_json::from_str(&control(server, request).await).unwrap()
}

async fn page(server: &TestServer, after: Option<String>, addresses: bool) -> QueuePage {
    match ask(server, Request::Queue { after, addresses }).await {
        Response::Queue(page) => page,
        other => panic!("{other:?}"),
    }
}

/// A server with so many messages in the queue, and the other server that put them off.
async fn with_queued(count: usize) -> (TestServer, Peer) {
    let peer = Peer::default();
    let ports = listen(41, &peer).await;
    let server = TestServer::start_among(OPEN, ports).await;
    peer.answer("RCPT", "451 4.7.1 <ben@[127.0.0.41]> is greylisted");
    let mut alice = server.submission(ALICE).await;
    for _ in 0..count {
        let answer = alice.submit(ALICE, &[BEN], &encrypted(ALICE, 100)).await;
        assert!(answer.starts_with("250 "), "{answer}");
    }
    (server, peer)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_names_people_only_when_asked() {
    let (server, _peer) = with_queued(1).await;
    let list = page(&server, None, false).await;
    let message = &list.messages[0];
    assert_eq!((list.messages.len(), list.next.as_ref()), (1, None));
    assert_eq!((message.domain.as_str(), message.recipients, message.attempts), ("[127.0.0.41]", 1, 1));
    let answer = "451 4.7.1 … is greylisted (forwarded from 127.0.0.41)";
    assert_eq!(message.last_answer.as_deref(), Some(answer));
    assert!(matches!(message.next, NextAttempt::In(30..=70)), "{message:?}");
    assert!(!format!("{list:?}").contains('@'), "{list:?}");
    let message = page(&server, None, true).await.messages.remove(0);
    assert_eq!((message.sender.as_deref(), message.addresses), (Some(ALICE), vec![BEN.to_owned()]));
    assert!(message.last_answer.is_some_and(|answer| answer.contains("<ben@")));
    let Response::Status(status) = ask(&server, Request::Status).await else { panic!("no status") };
    assert_eq!((status.queue, status.sending.given_up), (1, 0));
    assert!(status.sending.clock_is_right && status.sending.oldest.is_some_and(|age| age < 60));
    assert_eq!(status.sending.servers, "all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_queue_comes_in_pages() {
    let (server, _peer) = with_queued(1).await;
    let store = &server.observed().store;
    let mut draft = store.outbound().unwrap().remove(0).draft;
    draft.recipients = (0..100).map(|number| format!("{number:0>60}@b.test").parse().unwrap()).collect();
    for _ in 0..170 {
        let spool = store.spool(10);
        store.submit(spool, &[], std::slice::from_ref(&draft)).unwrap();
    }
    let (mut after, mut pages, mut ids) = (None, 0, Vec::new());
    loop {
        let line = control(&server, Request::Queue { after: after.clone(), addresses: true }).await;
        assert!(line.len() < ipc::control::LINE_LIMIT);
        let page = page(&server, after, true).await;
        ids.extend(page.messages.into_iter().map(|message| message.id));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let count = ids.len();
    ids.dedup();
    assert_eq!((count, ids.len()), (171, 171));
    assert!(pages >= 2, "{pages} pages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_delivers_what_waits() {
    let (server, peer) = with_queued(2).await;
    peer.answer_as_usual("RCPT");
    let first = page(&server, None, false).await.messages.remove(0).id;
    let retried = ask(&server, Request::RetryQueued(QueueSelection::These(vec![first]))).await;
    assert_eq!(retried, Response::Retried(1));
    peer.wait_for(1).await;
    let retried = ask(&server, Request::RetryQueued(QueueSelection::All)).await;
    // The first delivery may have made the other message due by itself.
    assert!(matches!(retried, Response::Retried(0..=2)), "{retried:?}");
    peer.wait_for(2).await;
    let refused = ask(&server, Request::RetryQueued(QueueSelection::These(vec!["x y".into()]))).await;
    assert!(matches!(&refused, Response::Refused(reason) if reason.contains("no queued message")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_is_reported_unless_silently() {
    let (server, _peer) = with_queued(2).await;
    let ids: Vec<String> = page(&server, None, false).await.messages.into_iter().map(|m| m.id).collect();
    let messages = || server.observed().store.usage(&ALICE.parse().unwrap()).unwrap().messages;
    for (id, sender, reports) in [(&ids[0], SenderIs::NotTold, 0), (&ids[1], SenderIs::Told, 1)] {
        let request = Request::DropQueued { id: id.clone(), sender };
        assert_eq!(ask(&server, request.clone()).await, Response::Dropped);
        assert_eq!(messages(), reports);
        assert!(matches!(ask(&server, request).await, Response::Refused(_)));
    }
    assert_eq!(page(&server, None, false).await.messages, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_a_server_that_sends_no_more_can_still_be_emptied() {
    let (server, _peer) = with_queued(1).await;
    let server = server.restart("registration = \"open\"\nfederation = { outbound = \"off\" }").await;
    let message = page(&server, None, false).await.messages.remove(0);
    assert_eq!(message.next, NextAttempt::Off);
    let refused = ask(&server, Request::RetryQueued(QueueSelection::All)).await;
    assert!(matches!(&refused, Response::Refused(reason) if reason.contains("federation.outbound")));
    let dropped = ask(&server, Request::DropQueued { id: message.id, sender: SenderIs::Told }).await;
    assert_eq!(dropped, Response::Dropped);
}
