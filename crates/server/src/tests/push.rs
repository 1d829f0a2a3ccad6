//! Waking phones: what the push service is sent and when, and what its answers change. The service is ours.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ipc::control::PushStatus;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivatePkcs8KeyDer;
use tls::provider;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::tests::harness::{ALICE, BOB, TestServer, encrypted};
use crate::tests::keys::signed;
use crate::tests::operation::control;

/// The longest wait for a notification or a state; a busy machine takes less.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Stands in for the push service: shows what it was sent, and answers what it is told to.
struct Service {
    address: SocketAddr,
    sent: mpsc::UnboundedReceiver<String>,
    answer: watch::Sender<Option<StatusCode>>,
}

impl Service {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, sent) = mpsc::unbounded_channel();
        let (answer, status) = watch::channel(Some(StatusCode::OK));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (sender, status, tls) = (sender.clone(), status.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, sender, status).await,
                        // A client that does not trust us leaves.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, sender, status).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, sent, answer }
    }

    fn configuration(&self) -> String {
        format!("registration = \"open\"\npush = {{ url = \"http://{}/notify\" }}", self.address)
    }

    fn answer(&self, status: StatusCode) {
        self.answer.send_replace(Some(status));
    }

    /// Takes notifications, and answers them when the next answer is given.
    fn hold(&self) {
        self.answer.send_replace(None);
    }

    async fn next(&mut self) -> String {
        tokio::time::timeout(ANSWER_LIMIT, self.sent.recv()).await.expect("a notification in time").unwrap()
    }
}

async fn serve<S>(
    stream: S,
    sender: mpsc::UnboundedSender<String>,
    status: watch::Receiver<Option<StatusCode>>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (sender, mut status) = (sender.clone(), status.clone());
        async move {
            let line = format!("{} {}", request.method(), request.uri());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            // The status first: whoever hears of the token may change what later ones are answered with.
            let now = *status.borrow();
            sender.send(format!("{line} {}", String::from_utf8_lossy(&body))).unwrap();
            let told = match now {
                Some(told) => told,
                None => status.wait_for(Option::is_some).await.unwrap().unwrap(),
            };
            let mut response = Response::new(Full::<Bytes>::from("a word"));
            *response.status_mut() = told;
            Ok::<_, Infallible>(response)
        }
    });
    // The server under test may leave whenever it likes.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Leaves a token as Delta Chat does.
async fn register(server: &TestServer, user: &str, tokens: &[&str]) {
    let mut client = server.imap(user).await;
    for token in tokens {
        client.send(&format!("m SETMETADATA \"INBOX\" (/private/devicetoken \"{token}\")")).await;
        client.expect("m OK Setmetadata completed").await;
    }
}

async fn tokens(server: &TestServer, user: &str) -> String {
    let mut client = server.imap(user).await;
    client.send("m GETMETADATA \"INBOX\" /private/devicetoken").await;
    client.until("m OK").await.join("|")
}

async fn send(server: &TestServer, from: &str, to: &[&str]) {
    let mut client = server.submission(from).await;
    let reply = client.submit(from, to, &encrypted(from, 100)).await;
    assert!(reply.starts_with("250 "), "{reply}");
}

/// Waits until the notifier says this of itself.
async fn until(server: &TestServer, wanted: impl Fn(&PushStatus) -> bool) {
    let told = async {
        loop {
            let answer = serde_json::from_str(&control(server, ipc::control::Request::Status).await).unwrap();
            let ipc::control::Response::Status(status) = answer else { panic!("{answer:?}") };
            if wanted(&status.push.expect("push is on")) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(ANSWER_LIMIT, told).await.expect("the notifier in that state in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_another_server_wakes_a_device_as_any_other_does() {
    let mut service = Service::start().await;
    let server = TestServer::start(&service.configuration()).await;
    register(&server, BOB, &["openpgp:phone"]).await;
    let mut relay = server.relay().await;
    // The small one goes to the store's writer, the large one through a file.
    for size in [100, 300_000] {
        let message = signed("other.test", &encrypted("anna@other.test", size));
        let reply = relay.submit("anna@other.test", &[BOB], &message).await;
        assert!(reply.starts_with("250 "), "{reply}");
        assert_eq!(service.next().await, "POST /notify openpgp:phone");
        until(&server, |status| status.pending == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_wakes_every_device_of_its_readers_and_none_of_its_author() {
    let mut service = Service::start().await;
    let server = TestServer::start(&service.configuration()).await;
    register(&server, ALICE, &["openpgp:alice"]).await;
    register(&server, BOB, &["openpgp:phone", "openpgp:tablet"]).await;
    // Both idle or not: a phone whose connection is frozen looks the same from here.
    let mut idle = server.imap(BOB).await;
    idle.send("i1 SELECT INBOX").await;
    idle.until("i1 OK").await;
    idle.send("i2 IDLE").await;
    idle.expect("+ ").await;

    send(&server, ALICE, &[BOB, ALICE]).await;
    let mut sent = [service.next().await, service.next().await];
    sent.sort();
    assert_eq!(sent, ["POST /notify openpgp:phone", "POST /notify openpgp:tablet"]);
    until(&server, |push| (push.pending, push.sent) == (0, 2)).await;

    send(&server, BOB, &[ALICE]).await;
    assert_eq!(service.next().await, "POST /notify openpgp:alice", "her own copy did not wake her");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_messages_of_one_moment_are_one_notification() {
    let mut service = Service::start().await;
    let server = TestServer::start(&service.configuration()).await;
    register(&server, BOB, &["openpgp:phone"]).await;
    let mut alice = server.submission(ALICE).await;
    // The first notification is under way until all messages are there, however long the machine takes for them: so
    // the moment lasts. It tells of those that came before it was sent, and one more tells of the rest.
    service.hold();
    for _ in 0..5 {
        assert!(alice.submit(ALICE, &[BOB], &encrypted(ALICE, 100)).await.starts_with("250 "));
    }
    service.next().await;
    service.answer(StatusCode::OK);
    until(&server, |push| push.pending == 0).await;
    let sent = server.observed().counters.pushes.sent.value();
    assert!((1..=2).contains(&sent), "{sent} notifications of 5 messages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_service_does_not_know_is_forgotten() {
    let mut service = Service::start().await;
    let server = TestServer::start(&service.configuration()).await;
    register(&server, BOB, &["openpgp:old"]).await;
    assert!(tokens(&server, BOB).await.contains("openpgp:old"));
    service.answer(StatusCode::GONE);
    send(&server, ALICE, &[BOB]).await;
    assert_eq!(service.next().await, "POST /notify openpgp:old");
    until(&server, |push| (push.pending, push.gone) == (0, 1)).await;
    assert!(!tokens(&server, BOB).await.contains("openpgp:old"));
    assert_eq!(server.observed().store.pending_pushes().unwrap().len(), 1, "the disk need not know at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_failed_is_sent_after_a_restart_and_one_that_was_sent_is_not() {
    let mut service = Service::start().await;
    let server = TestServer::start(&service.configuration()).await;
    register(&server, ALICE, &["openpgp:alice"]).await;
    register(&server, BOB, &["openpgp:bob"]).await;
    send(&server, BOB, &[ALICE]).await;
    service.next().await;
    until(&server, |push| (push.pending, push.sent) == (0, 1)).await;
    service.answer(StatusCode::INTERNAL_SERVER_ERROR);
    send(&server, ALICE, &[BOB]).await;
    service.next().await;
    until(&server, |push| (push.pending, push.failed) == (1, 1)).await;

    service.answer(StatusCode::OK);
    let server = server.restart(&service.configuration()).await;
    assert_eq!(service.next().await, "POST /notify openpgp:bob");
    until(&server, |push| (push.pending, push.sent) == (0, 1)).await;
    let server = server.restart(&service.configuration()).await;
    assert_eq!(server.observed().store.pending_pushes().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_never_answers_keeps_nobody_waiting() {
    // The kernel accepts, and nobody ever reads.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/notify", silent.local_addr().unwrap());
    let configuration = format!("registration = \"open\"\npush = {{ url = {url:?} }}");
    let server = TestServer::start(&configuration).await;
    register(&server, BOB, &["openpgp:1", "openpgp:2", "openpgp:3", "openpgp:4", "openpgp:5"]).await;
    send(&server, ALICE, &[BOB]).await;
    let (_under_way, _) = silent.accept().await.unwrap();
    until(&server, |push| push.pending == 5).await;
    send(&server, ALICE, &[BOB]).await;
    // Stopping waits for none of them, and forgets none.
    let server = server.restart(&configuration).await;
    until(&server, |push| push.pending == 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_reached_by_tls_when_its_root_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let (root, acceptor) = own_authority(directory.path());
    let mut service = Service::start_with(Some(acceptor)).await;
    let url = format!("https://localhost:{}/notify", service.address.port());
    let trusting = format!("registration = \"open\"\npush = {{ url = \"{url}\", roots = {root:?} }}");
    let doubting = format!("registration = \"open\"\npush = {{ url = \"{url}\" }}");

    let server = TestServer::start(&doubting).await;
    register(&server, BOB, &["openpgp:phone"]).await;
    send(&server, ALICE, &[BOB]).await;
    until(&server, |push| (push.pending, push.failed) == (1, 1)).await;
    assert!(service.sent.try_recv().is_err(), "a stranger got the token");
    let server = server.restart(&trusting).await;
    assert_eq!(service.next().await, "POST /notify openpgp:phone");
    until(&server, |push| (push.pending, push.sent) == (0, 1)).await;
}

/// A root certificate in a file, and a server on localhost that it vouches for.
fn own_authority(directory: &Path) -> (std::path::PathBuf, TlsAcceptor) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    let file = directory.join("root.pem");
    std::fs::write(&file, root.pem()).unwrap();
    let own_key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let own = own.signed_by(&own_key, &Issuer::new(params, key)).unwrap();
    let settings = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], PrivatePkcs8KeyDer::from(own_key.serialize_der()).into())
        .unwrap();
    (file, TlsAcceptor::from(Arc::new(settings)))
}

#[tokio::test(flavor = "multi_thread")]
async fn push_is_offered_only_when_it_works() {
    let service = Service::start().await;
    let offers = |server: TestServer| async move {
        let mut client = server.tls(crate::connections::service::Service::Imaps, None).await;
        let greeting = client.expect("* OK").await;
        let mut client = server.imap(ALICE).await;
        client.send("c CAPABILITY").await;
        let capability = client.until("c OK").await.join("|");
        client.send("m GETMETADATA \"\" /shared/vendor/deltachat/maxsmtprecipients").await;
        let metadata = client.until("m OK").await.join("|");
        (greeting.contains(" XDELTAPUSH"), capability.contains(" XDELTAPUSH"), metadata)
    };
    let start = "* METADATA \"\" (/shared/vendor/deltachat/maxsmtprecipients ";
    let on = format!("{}\nlimits = {{ recipients = 77 }}", service.configuration());
    let told = offers(TestServer::start(&on).await).await;
    assert_eq!(told, (true, true, format!("{start}{{2}}|77)|m OK Getmetadata completed")));
    let told = offers(TestServer::start("registration = \"open\"").await).await;
    assert_eq!(told, (false, false, format!("{start}NIL)|m OK Getmetadata completed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pending_while_push_is_off() {
    let server = TestServer::start("registration = \"open\"").await;
    register(&server, BOB, &["openpgp:phone"]).await;
    send(&server, ALICE, &[BOB]).await;
    assert_eq!(server.observed().store.pending_pushes().unwrap(), []);
}
