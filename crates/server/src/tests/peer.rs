//! Another server, at an address of the loopback of its own: SMTP with STARTTLS, and HTTPS delivery, each as a script.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use host::locks::Mutex;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::federation::outbound::Peers;

/// The messages that other servers got, and their answers.
#[derive(Clone, Default)]
pub(crate) struct Peer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Replies in the place of the usual ones, by the first word of the command; `.` is the end of a message, `greeting`
    /// the first reply, `EHLO-in-TLS` the second offer, and `https` the status and body of HTTPS delivery. `close` closes the connection.
    replies: Mutex<BTreeMap<&'static str, String>>,
    /// Messages that were accepted: the envelope's lines, then the content.
    accepted: Mutex<Vec<String>>,
    /// All commands, but for the content of messages.
    commands: Mutex<Vec<String>>,
    connections: Mutex<usize>,
    /// The certificate of the address that was listened at last.
    certificate: Mutex<Option<CertificateDer<'static>>>,
    changed: Notify,
}

/// Listens at 127.0.0.`last` on ports that are free there.
pub(crate) async fn listen(last: u8, peer: &Peer) -> Peers {
    let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    let smtp = TcpListener::bind((address, 0)).await.unwrap();
    let https = TcpListener::bind((address, 0)).await.unwrap();
    let ports = Peers {
        smtp: smtp.local_addr().unwrap().port(),
        https: https.local_addr().unwrap().port(),
        names: 53,
        patience: Duration::from_secs(60),
    };
    serve(smtp, https, peer);
    ports
}

/// Listens at 127.0.0.`last` on the ports of the first one.
pub(crate) async fn listen_too(last: u8, ports: Peers, peer: &Peer) {
    let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    let smtp = TcpListener::bind((address, ports.smtp)).await.unwrap();
    let https = TcpListener::bind((address, ports.https)).await.unwrap();
    serve(smtp, https, peer);
}

fn serve(smtp: TcpListener, https: TcpListener, peer: &Peer) {
    let name = smtp.local_addr().unwrap().ip().to_string();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec![name]).unwrap();
    *peer.0.certificate.lock() = Some(cert.der().clone());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let settings = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(settings));
    let (shared, tls) = (Arc::clone(&peer.0), acceptor.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = smtp.accept().await {
            let (shared, tls) = (Arc::clone(&shared), tls.clone());
            *shared.connections.lock() += 1;
            tokio::spawn(async move { shared.smtp(stream, tls).await });
        }
    });
    let shared = Arc::clone(&peer.0);
    tokio::spawn(async move {
        while let Ok((stream, _)) = https.accept().await {
            let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
            tokio::spawn(async move { shared.https(acceptor.accept(stream).await?).await });
        }
    });
}

impl Peer {
    /// Answers like this from now on.
    pub(crate) fn answer(&self, command: &'static str, reply: &str) {
        self.0.replies.lock().insert(command, reply.to_owned());
    }

    /// Answers as usual again.
    pub(crate) fn answer_as_usual(&self, command: &'static str) {
        self.0.replies.lock().remove(command);
    }

    /// The accepted messages.
    pub(crate) fn accepted(&self) -> Vec<String> {
        self.0.accepted.lock().clone()
    }

    /// All SMTP commands so far.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.0.commands.lock().clone()
    }

    /// The certificate of the address that was listened at last, which is its own authority.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.0.certificate.lock().clone().expect("somebody listens")
    }

    /// The number of SMTP connections so far.
    pub(crate) fn connections(&self) -> usize {
        *self.0.connections.lock()
    }

    /// Waits for so many accepted messages.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<String> {
        loop {
            let changed = self.0.changed.notified();
            if self.accepted().len() >= count {
                return self.accepted();
            }
            changed.await;
        }
    }
}

impl Shared {
    fn reply(&self, command: &str, usual: &str) -> String {
        self.replies.lock().get(command).cloned().unwrap_or_else(|| usual.to_owned())
    }

    fn accept(&self, message: String) {
        self.accepted.lock().push(message);
        self.changed.notify_waiters();
    }

    async fn smtp(&self, stream: TcpStream, tls: TlsAcceptor) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        if !say(&mut stream, &self.reply("greeting", "220 peer.test")).await? {
            return Ok(());
        }
        let offer = self.reply("EHLO", "250-peer.test\r\n250-STARTTLS\r\n250 PIPELINING");
        self.dialogue(&mut stream, &offer).await?;
        let mut stream = BufReader::new(tls.accept(stream.into_inner()).await?);
        let offer = self.reply("EHLO-in-TLS", "250-peer.test\r\n250 PIPELINING");
        self.dialogue(&mut stream, &offer).await
    }

    /// Answers until the end, or STARTTLS.
    async fn dialogue<S>(&self, stream: &mut BufReader<S>, offer: &str) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut envelope = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.commands.lock().push(line.trim_end().to_owned());
            let command = line.split([' ', '\r']).next().unwrap_or_default().to_owned();
            let usual = match command.as_str() {
                "EHLO" => {
                    stream.write_all(format!("{offer}\r\n").as_bytes()).await?;
                    continue;
                }
                "STARTTLS" => "220 go",
                "AUTH" => "235 welcome",
                "RCPT" if !envelope.contains("MAIL") => "503 no sender",
                "DATA" if envelope.contains("RCPT") => "354 go",
                "DATA" => "503 no recipients",
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            // Asked once: the script may change while the reply is under way.
            let reply = self.reply(&command, usual);
            if !say(stream, &reply).await? {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            match (command.as_str(), reply.starts_with(['2', '3'])) {
                ("STARTTLS", _) => return Ok(()),
                ("MAIL" | "RCPT", true) => envelope.push_str(&line),
                ("DATA", true) => {
                    let message = std::mem::take(&mut envelope) + &content(stream).await?;
                    let reply = self.reply(".", "250 taken");
                    if reply.starts_with('2') {
                        self.accept(message);
                    }
                    if !say(stream, &reply).await? {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                }
                ("DATA" | "RSET", _) => envelope.clear(),
                _ => {}
            }
        }
    }

    /// HTTPS delivery, of requests with a Content-Length or in chunks. Without a script the path is not known.
    async fn https<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).await? == 0 {
                    return Ok(());
                }
            }
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = Vec::new();
            match length {
                Some(length) => {
                    body.resize(length.parse().unwrap(), 0);
                    stream.read_exact(&mut body).await?;
                }
                None => chunks(&mut stream, &mut body).await?,
            }
            let answer = self.reply("https", "404 Not Found\r\n\r\n");
            let (status, text) = answer.split_once("\r\n\r\n").unwrap();
            if status == "close" {
                return Ok(());
            }
            let response = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            if status.starts_with('2') {
                self.accept(head + &String::from_utf8(body).unwrap());
            }
            stream.write_all(response.as_bytes()).await?;
            stream.flush().await?;
        }
    }
}

/// The content of a message, up to the lone dot.
async fn content<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<String> {
    let mut content = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(content);
        }
        content.push_str(&line);
    }
}

/// Returns whether the connection goes on.
async fn say<S>(stream: &mut BufReader<S>, reply: &str) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if reply == "close" {
        return Ok(false);
    }
    stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
    stream.flush().await?;
    Ok(true)
}

/// chunked-body (RFC 9112 section 7.1), without extensions and trailers.
async fn chunks<S: AsyncRead + Unpin>(stream: &mut BufReader<S>, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let length = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        let start = body.len();
        body.resize(start + length + 2, 0);
        stream.read_exact(&mut body[start..]).await?;
        body.truncate(start + length);
        if length == 0 {
            return Ok(());
        }
    }
}
