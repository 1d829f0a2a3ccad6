//! A router of the test's own on the loopback interface, by PCP and NAT-PMP. UPnP is played by a real router's program in
//! the end-to-end tests.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use host::locks::Mutex;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::{Route, RouterClient, Sought};
use crate::plan::{Care, Request};
use crate::words::{Answer, Family, Granted, Method, Nonce, Refusal, Sign, WantedPort};

const OUTSIDE: [u8; 4] = [5, 6, 7, 8];

/// A router that answers as a function says; gone when dropped.
struct Router {
    task: JoinHandle<()>,
    client: RouterClient,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Router {
    /// The function gets a question and its number, from 0.
    async fn start(answer: impl Fn(&[u8], usize) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut client = client();
        client.port = socket.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2000];
            for number in 0.. {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                log.lock().push(buffer[..length].to_vec());
                for answer in answer(&buffer[..length], number) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { task, client, asked }
    }

    async fn map(&mut self) -> Answer {
        self.client.map(&request(Care::Brief)).await
    }

    /// The versions of all questions, and the lowest bytes of their lifetimes.
    fn asked(&self) -> Vec<(u8, u8)> {
        let lifetime = |question: &[u8]| question.get(if question[0] == 2 { 7 } else { 11 }).copied();
        let row = |question: &Vec<u8>| (question[0], lifetime(question).unwrap_or_default());
        self.asked.lock().iter().map(row).collect()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn client() -> RouterClient {
    let own: IpAddr = "127.0.0.1".parse().unwrap();
    let mut client = RouterClient::new(Route { own, router: own, interface: 1 }, Nonce::new([7; 12]));
    // A group is not asked from the loopback interface.
    client.upnp = Sought::Absent;
    client
}

fn request(care: Care) -> Request {
    let port = WantedPort::tcp(443).unwrap();
    Request { family: Family::V4, port, care, is_renewal: false }
}

/// The grant of a PCP request.
fn grant(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer.truncate(60);
    answer[1] |= 0x80;
    answer[8..24].fill(0);
    answer[11] = 9;
    answer[56..60].copy_from_slice(&OUTSIDE);
    answer
}

/// The grant of a NAT-PMP request for a mapping, with this external port.
fn nat_pmp_grant(question: &[u8], port: u16) -> Vec<u8> {
    let mut answer = vec![0, question[1] | 0x80, 0, 0, 0, 0, 0, 9];
    answer.extend(&question[4..6]);
    answer.extend(port.to_be_bytes());
    answer.extend(&question[8..12]);
    answer
}

fn granted(method: Method, address: Option<IpAddr>) -> Answer {
    let lifetime = Duration::from_secs(7200);
    Answer::Granted(Granted { method, address, lifetime, sign: Sign::Epoch(9) })
}

fn refused(refusal: Refusal) -> Answer {
    Answer::Refused { refusal, address: None }
}

#[tokio::test]
async fn a_lost_question_is_sent_again_and_answers_to_others_are_passed_over() {
    let mut router = Router::start(|question, number| {
        let mut foreign = grant(question);
        foreign[24] ^= 1;
        let mut long = grant(question);
        long.resize(1104, 0);
        if number == 0 { Vec::new() } else { vec![foreign, vec![2], long, grant(question)] }
    })
    .await;
    assert_eq!(router.map().await, granted(Method::Pcp, Some(OUTSIDE.into())));
    assert_eq!(router.asked().len(), 2);
    assert_eq!(router.client.method(), Some(Method::Pcp));
}

#[tokio::test]
async fn a_router_without_the_option_is_asked_without_and_its_other_port_is_given_back() {
    let mut router = Router::start(|question, _| {
        let mut answer = grant(question);
        if question.len() > 60 {
            answer[3] = 5;
        }
        if question[7] != 0 {
            answer[42..44].copy_from_slice(&[0x1f, 0x90]);
        }
        vec![answer]
    })
    .await;
    assert_eq!(router.map().await, refused(Refusal::Held { by: None }));
    assert_eq!(router.asked(), [(2, 0x20), (2, 0x20), (2, 0)]);
}

#[tokio::test]
async fn nat_pmp_is_spoken_where_pcp_is_not_and_remembered() {
    let mut router = Router::start(|question, _| match question {
        [2, ..] => vec![vec![0, 0x81, 0, 1, 0, 0, 0, 9]],
        [0, 0] => vec![vec![0, 0x80, 0, 0, 0, 0, 0, 9, 5, 6, 7, 8]],
        _ => vec![nat_pmp_grant(question, 443)],
    })
    .await;
    assert_eq!(router.map().await, granted(Method::NatPmp, None));
    let thorough = router.client.map(&request(Care::Thorough)).await;
    assert_eq!(thorough, granted(Method::NatPmp, Some(OUTSIDE.into())));
    assert_eq!(router.asked.lock().iter().map(|question| question[0]).collect::<Vec<_>>(), [2, 0, 0, 0]);
    router.client.unmap(WantedPort::tcp(443).unwrap()).await;
    assert_eq!(router.asked().last(), Some(&(0, 0)));
}

#[tokio::test]
async fn a_nat_pmp_router_that_gives_another_port_gets_it_back() {
    let mut router = Router::start(|question, _| match question {
        [2, ..] => vec![vec![0, 0x81, 0, 1]],
        [.., 0x1c, 0x20] => vec![nat_pmp_grant(question, 8080)],
        _ => vec![nat_pmp_grant(question, 0)],
    })
    .await;
    assert_eq!(router.map().await, refused(Refusal::Held { by: None }));
    assert_eq!(router.asked(), [(2, 0x20), (0, 0x20), (0, 0)]);
}

#[tokio::test]
async fn refusals_keep_their_reasons() {
    for (code, refusal) in [
        (2, Refusal::Policy),
        (7, Refusal::NoInternet),
        (8, Refusal::NoResources),
        (10, Refusal::NoResources),
        (11, Refusal::Held { by: None }),
        (12, Refusal::Failed),
    ] {
        let mut router = Router::start(move |question, _| {
            let mut answer = grant(question);
            answer[3] = code;
            vec![answer]
        })
        .await;
        assert_eq!(router.map().await, refused(refusal), "{code}");
        assert_eq!(router.client.method(), Some(Method::Pcp));
    }
}

#[tokio::test]
async fn a_port_that_is_shut_costs_no_time() {
    let mut client = client();
    client.port = {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.local_addr().unwrap().port()
    };
    let start = host::clock::now();
    assert_eq!(client.map(&request(Care::Brief)).await, refused(Refusal::NoRouter));
    assert!(host::clock::now() - start < Duration::from_millis(1500));
}

#[tokio::test(start_paused = true)]
async fn a_router_that_was_replaced_is_asked_by_every_protocol_after_three_silences() {
    let mut router = Router::start(|question, number| match (question, number) {
        ([2, ..], 0) => vec![grant(question)],
        ([0, ..], _) => vec![nat_pmp_grant(question, 443)],
        _ => Vec::new(),
    })
    .await;
    assert_eq!(router.map().await, granted(Method::Pcp, Some(OUTSIDE.into())));
    for _ in 0..2 {
        assert_eq!(router.map().await, refused(Refusal::NoRouter));
    }
    // UPnP would be asked last.
    router.client.map(&request(Care::Brief)).await;
    assert_eq!(router.client.method(), Some(Method::NatPmp));
}
