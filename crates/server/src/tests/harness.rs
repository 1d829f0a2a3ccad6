//! A server in a directory of its own, and connections to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use test_support::tls::Connector;
use test_support::{Script, message, quoted, sasl_plain};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;

use crate::assembly::{Prepared, Running, Storage, World, admission, start_in_world};
use crate::connections::service::Service;
use crate::federation::inbound::Reception;
use crate::federation::outbound::{Outbound, Peers};
use crate::mailboxes::memory::MailboxMemory;
use crate::naming::OwnerSettings;
use crate::operation::observed::Observed;
use crate::operation::reachability::Reachability;
use crate::runtime::true_clock::TrueClock;
use crate::runtime::tunnel::KnownTunnel;
use crate::tests::keys::TestKeys;

/// A name and a password that the server's rules allow.
pub(crate) const ALICE: &str = "alice0001@chat.test";
pub(crate) const BOB: &str = "bob000001@chat.test";
pub(crate) const PASSWORD: &str = "swordfish\\\"123";

/// A running server; its directory goes with it.
pub(crate) struct TestServer {
    directory: TempDir,
    running: Running,
    peers: Peers,
    keys: Arc<TestKeys>,
}

impl TestServer {
    /// Starts with everything on the loopback and these lines of configuration on top.
    pub(crate) async fn start(extra: &str) -> Self {
        Self::start_among(extra, Peers::default()).await
    }

    /// The same, among these other servers.
    pub(crate) async fn start_among(extra: &str, peers: Peers) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = TestKeys::published();
        let running = start_in(directory.path(), extra, peers, &keys).await;
        Self { directory, running, peers, keys }
    }

    /// Stops and starts again with the same directory.
    pub(crate) async fn restart(self, extra: &str) -> Self {
        let Self { directory, running, peers, keys } = self;
        running.stop().await;
        // The last task that holds the store ends on its own.
        let running = start_in(directory.path(), extra, peers, &keys).await;
        Self { directory, running, peers, keys }
    }

    pub(crate) fn observed(&self) -> &Observed {
        self.running.observed()
    }

    /// The reception of mail from other servers.
    pub(crate) fn reception(&self) -> &Reception {
        &self.running.router.reception
    }

    /// The keys of other domains.
    pub(crate) fn keys(&self) -> &TestKeys {
        &self.keys
    }

    pub(crate) fn web(&self) -> &dyn web::Backend {
        &*self.running.router.web
    }

    pub(crate) fn memory(&self) -> &MailboxMemory {
        &self.running.router.mail.memory
    }

    pub(crate) fn outbound(&self) -> &Outbound {
        self.running.router.mail.delivery.outbound().expect("mail goes to other servers")
    }

    pub(crate) fn reachability(&self) -> &Reachability {
        &self.running.reachability
    }

    /// The number of messages of an account.
    pub(crate) fn messages(&self, account: &str) -> u64 {
        self.observed().store.usage(&account.parse().unwrap()).unwrap().messages
    }

    /// An IMAP client that idles in the inbox.
    pub(crate) async fn idle(&self, user: &str) -> Script<TlsStream<TcpStream>> {
        let mut client = self.imap(user).await;
        client.send("b1 SELECT INBOX").await;
        client.until("b1 OK").await;
        client.send("b2 IDLE").await;
        client.expect("+ ").await;
        client
    }

    /// The other servers.
    pub(crate) fn peers(&self) -> Peers {
        self.peers
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn address(&self, service: Service) -> SocketAddr {
        self.running.observed().ports[&service][0]
    }

    pub(crate) async fn plain(&self, service: Service) -> Script<TcpStream> {
        Script::new(TcpStream::connect(self.address(service)).await.unwrap())
    }

    /// A connection that seems to come from this address.
    pub(crate) async fn plain_from(&self, peer: &str, service: Service) -> Script<TcpStream> {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        let (stream, _) = socket.accept().await.unwrap();
        let Running { router, tasks, .. } = &self.running;
        let handler = |service, stream, peer, place| Arc::clone(router).serve(service, stream, peer, place);
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        admission(router).admit(service, (stream, peer), tasks, &handler);
        Script::new(client)
    }

    /// An IMAP client behind the handshake that seems to come from this address.
    pub(crate) async fn imaps_from(&self, peer: &str) -> Script<TlsStream<TcpStream>> {
        let client = self.plain_from(peer, Service::Imaps).await;
        let mut client = Script::new(secure(client.into_stream(), None).await.unwrap());
        client.expect("* OK").await;
        client
    }

    pub(crate) async fn tls(&self, service: Service, alpn: Option<&[u8]>) -> Script<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address(service)).await.unwrap();
        Script::new(secure(stream, alpn).await.unwrap())
    }

    /// An IMAP client behind LOGIN.
    pub(crate) async fn imap(&self, user: &str) -> Script<TlsStream<TcpStream>> {
        let mut client = self.tls(Service::Imaps, None).await;
        client.expect("* OK").await;
        client.send(&format!("a1 LOGIN \"{user}\" \"{}\"", quoted(PASSWORD))).await;
        client.expect("a1 OK [CAPABILITY IMAP4rev1").await;
        client
    }

    /// Another server on port 25, behind STARTTLS and EHLO.
    pub(crate) async fn relay(&self) -> Script<TlsStream<TcpStream>> {
        let mut client = self.plain(Service::Smtp).await;
        client.expect("220 ").await;
        client.send("EHLO other.test").await;
        client.until("250 ").await;
        client.send("STARTTLS").await;
        client.expect("220 ").await;
        let mut client = Script::new(secure(client.into_stream(), None).await.unwrap());
        client.send("EHLO other.test").await;
        client.until("250 ").await;
        client
    }

    /// A submission client behind AUTH.
    pub(crate) async fn submission(&self, user: &str) -> Script<TlsStream<TcpStream>> {
        let mut client = self.tls(Service::Submissions, None).await;
        client.expect("220 ").await;
        client.send("EHLO [127.0.0.1]").await;
        client.until("250 ").await;
        client.send(&format!("AUTH PLAIN {}", sasl_plain(user, PASSWORD))).await;
        client.expect("235 ").await;
        client
    }
}

async fn start_in(directory: &Path, extra: &str, peers: Peers, keys: &Arc<TestKeys>) -> Running {
    let state = directory.join("state");
    let domain = if extra.contains("domain = ") { "" } else { "domain = \"chat.test\"\n" };
    // Tests reach for nobody else's service.
    let push = if extra.contains("push") { "" } else { "push = { url = \"\" }\n" };
    let text = format!(
        "{domain}state_directory = {state:?}\n{push}{extra}\n[listen]\n\
         imaps = [\"127.0.0.1:0\"]\nimap = [\"127.0.0.1:0\"]\nsubmissions = [\"127.0.0.1:0\"]\n\
         submission = [\"127.0.0.1:0\"]\nhttps = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nsmtp = [\"127.0.0.1:0\"]\n"
    );
    let prepared = prepare(&text).await.expect("a store that opens");
    let world = World { keys: Arc::clone(keys) as _, peers, ..World::of(&prepared.config).await.unwrap() };
    start_in_world(prepared, world).await.expect("a server that starts")
}

/// The settings of a configuration without findings, and its store.
pub(crate) async fn prepare(text: &str) -> anyhow::Result<Prepared> {
    let base = config::Base::parse(text).unwrap();
    let (config, findings) = base.resolve().expect("a valid configuration");
    assert_eq!(findings, []);
    let storage = Storage::open(&config).await?;
    let owner = Arc::new(OwnerSettings::new(base, storage.store.clone()));
    Ok(Prepared {
        config,
        storage,
        owner,
        clock: TrueClock::of_machine(),
        tunnel: KnownTunnel::default(),
        owner_trouble: None,
        restart: Arc::default(),
    })
}

/// Settings with a certificate that nobody issued.
pub(crate) fn self_signed_tls() -> tls::TlsSettings {
    let tickets = Arc::new(tls::Tickets::new(&[0; tls::SECRET_LENGTH], host::clock::wall));
    tls::self_signed(&["chat.test".to_owned()], None, tickets).unwrap().0
}

/// Wraps a stream in TLS without looking at the certificate, as Delta Chat does for `ic=3`.
pub(crate) async fn secure<S>(stream: S, alpn: Option<&[u8]>) -> anyhow::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Connector::new(alpn)?.secure(stream).await
}

/// A message that passes the gate: the structure of an encrypted one around packets that nobody can read.
pub(crate) fn encrypted(from: &str, size: usize) -> String {
    let (content_type, body) = (message::CONTENT_TYPE, message::body(size * 4 / 3));
    format!(
        "From: <{from}>\r\nSubject: secret plans\r\nMessage-ID: <1@chat.test>\r\nUser-Agent: script\r\n\
         Received: from home\r\nMIME-Version: 1.0\r\n{content_type}\r\n\r\n{body}"
    )
}
