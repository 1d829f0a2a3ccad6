//! A server in a directory of its own, and clients that send lines and expect lines.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tempfile::TempDir;
use tls::provider;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::assembly::{Running, start};
use crate::connections::service::Service;
use crate::mailboxes::memory::MailboxMemory;
use crate::operation::observed::Observed;

/// The longest wait for anything here; a busy machine takes less.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A name and a password that the server's rules allow.
pub(crate) const ALICE: &str = "alice0001@chat.test";
pub(crate) const BOB: &str = "bob000001@chat.test";
pub(crate) const PASSWORD: &str = "swordfish\\\"123";

/// A running server; its directory goes with it.
pub(crate) struct TestServer {
    directory: TempDir,
    running: Running,
}

impl TestServer {
    /// Starts with everything on the loopback and these lines of configuration on top.
    pub(crate) async fn start(extra: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let running = start_in(directory.path(), extra).await;
        Self { directory, running }
    }

    /// Stops and starts again with the same directory.
    pub(crate) async fn restart(self, extra: &str) -> Self {
        let Self { directory, running } = self;
        running.stop().await;
        // The last task that holds the store ends on its own.
        let running = start_in(directory.path(), extra).await;
        Self { directory, running }
    }

    pub(crate) fn observed(&self) -> &Observed {
        self.running.observed()
    }

    pub(crate) fn web(&self) -> &dyn web::Backend {
        &*self.running.router.web
    }

    pub(crate) fn memory(&self) -> &MailboxMemory {
        &self.running.router.mail.memory
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn address(&self, service: Service) -> SocketAddr {
        self.running.observed().ports[&service][0]
    }

    pub(crate) async fn plain(&self, service: Service) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address(service)).await.unwrap())
    }

    pub(crate) async fn tls(&self, service: Service, alpn: Option<&[u8]>) -> Client<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address(service)).await.unwrap();
        Client::new(secure(stream, alpn).await.unwrap())
    }

    /// An IMAP client behind LOGIN.
    pub(crate) async fn imap(&self, user: &str) -> Client<TlsStream<TcpStream>> {
        let mut client = self.tls(Service::Imaps, None).await;
        client.expect("* OK").await;
        client.send(&format!("a1 LOGIN \"{user}\" \"{}\"", quoted(PASSWORD))).await;
        client.expect("a1 OK [CAPABILITY IMAP4rev1").await;
        client
    }

    /// A submission client behind AUTH.
    pub(crate) async fn submission(&self, user: &str) -> Client<TlsStream<TcpStream>> {
        let mut client = self.tls(Service::Submissions, None).await;
        client.expect("220 ").await;
        client.send("EHLO [127.0.0.1]").await;
        client.until("250 ").await;
        client.send(&format!("AUTH PLAIN {}", sasl_plain(user, PASSWORD))).await;
        client.expect("235 ").await;
        client
    }
}

async fn start_in(directory: &Path, extra: &str) -> Running {
    let state = directory.join("state");
    let domain = if extra.contains("domain = ") { "" } else { "domain = \"chat.test\"\n" };
    // Tests reach for nobody else's service.
    let push = if extra.contains("push") { "" } else { "push = { url = \"\" }\n" };
    let text = format!(
        "{domain}state_directory = {state:?}\n{push}{extra}\n[listen]\n\
         imaps = [\"127.0.0.1:0\"]\nimap = [\"127.0.0.1:0\"]\nsubmissions = [\"127.0.0.1:0\"]\n\
         submission = [\"127.0.0.1:0\"]\nhttps = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\n"
    );
    let (config, findings) = config::examine(&text).expect("a valid configuration");
    assert_eq!(findings, []);
    start(config).await.expect("a server that starts")
}

pub(crate) fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

pub(crate) fn sasl_plain(user: &str, password: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0{password}"))
}

/// Wraps a stream in TLS without looking at the certificate, as Delta Chat does for `ic=3`.
pub(crate) async fn secure<S>(stream: S, alpn: Option<&[u8]>) -> std::io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut settings = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    settings.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
    let name = ServerName::try_from("chat.test").unwrap();
    TlsConnector::from(Arc::new(settings)).connect(name, stream).await
}

/// A script's end of a connection.
pub(crate) struct Client<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) async fn send(&mut self, line: &str) {
        self.raw(format!("{line}\r\n").as_bytes()).await;
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).await.unwrap();
        self.stream.get_mut().flush().await.unwrap();
    }

    /// The next line, without its end; empty when the server has closed.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = tokio::time::timeout(ANSWER_LIMIT, self.stream.read_line(&mut line)).await;
        // A connection that breaks is closed too.
        let _ = read.expect("a line in time");
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The next line must begin like this.
    #[track_caller]
    pub(crate) fn expect<'a>(&'a mut self, start: &'a str) -> impl Future<Output = String> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let line = self.line().await;
            assert!(line.starts_with(start), "{caller}: expected {start:?}, got {line:?}");
            line
        }
    }

    /// All lines up to the one that begins like this, that one included.
    #[track_caller]
    pub(crate) fn until<'a>(&'a mut self, start: &'a str) -> impl Future<Output = Vec<String>> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let mut lines = Vec::new();
            loop {
                let line = self.line().await;
                assert!(
                    !line.is_empty() || !lines.last().is_some_and(String::is_empty),
                    "{caller}: closed: {lines:?}"
                );
                lines.push(line);
                if lines.last().is_some_and(|line| line.starts_with(start)) {
                    return lines;
                }
            }
        }
    }

    pub(crate) async fn exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        tokio::time::timeout(ANSWER_LIMIT, self.stream.read_exact(&mut bytes)).await.unwrap().unwrap();
        bytes
    }

    pub(crate) fn into_stream(self) -> S {
        self.stream.into_inner()
    }
}

impl Client<TlsStream<TcpStream>> {
    /// Sends one message by SMTP and gives the reply to the end of DATA.
    pub(crate) async fn submit(&mut self, from: &str, to: &[&str], message: &str) -> String {
        self.send(&format!("MAIL FROM:<{from}>")).await;
        self.expect("250 ").await;
        for recipient in to {
            self.send(&format!("RCPT TO:<{recipient}>")).await;
            self.expect("250 ").await;
        }
        self.send("DATA").await;
        self.expect("354 ").await;
        self.raw(format!("{message}.\r\n").as_bytes()).await;
        self.line().await
    }
}

/// A message that passes the gate: the structure of an encrypted one around packets that nobody can read.
pub(crate) fn encrypted(from: &str, size: usize) -> String {
    use base64::Engine;
    let mut packets = vec![0xc0 | 1, 12, 3, 0, 0, 0, 0, 0, 0, 0, 0, 18, 0, 0];
    packets.extend([0xc0 | 18, 255]);
    packets.extend(u32::try_from(size + 1).unwrap().to_be_bytes());
    packets.push(1);
    packets.resize(packets.len() + size, b'x');
    let body = base64::engine::general_purpose::STANDARD.encode(&packets);
    let mut armour = String::new();
    for line in body.as_bytes().chunks(76) {
        armour.push_str(std::str::from_utf8(line).unwrap());
        armour.push_str("\r\n");
    }
    let checksum = base64::engine::general_purpose::STANDARD.encode(&crc24(&packets).to_be_bytes()[1..]);
    format!(
        "From: <{from}>\r\nSubject: secret plans\r\nMessage-ID: <1@chat.test>\r\nUser-Agent: script\r\n\
         Received: from home\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n\
         --b\r\nContent-Type: application/octet-stream\r\n\r\n\
         -----BEGIN PGP MESSAGE-----\r\n\r\n{armour}={checksum}\r\n-----END PGP MESSAGE-----\r\n\r\n--b--\r\n"
    )
}

/// RFC 4880 section 6.1.
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00b7_04ce, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 16), |crc, _| {
            let shifted = crc << 1;
            if shifted & 0x0100_0000 == 0 { shifted } else { shifted ^ 0x0186_4cfb }
        })
    }) & 0x00ff_ffff
}

#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
