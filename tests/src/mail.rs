//! The smallest mail client that can tell whether a box keeps its word: logs in, submits, lists. Not a judge of
//! protocols; real clients are.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_types::Secret;
use test_support::tls::Connector;
use test_support::{Response, Smtp, message};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::client::TlsStream;

/// The longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// The size of an [`encrypted`] message's body.
const ENCRYPTED_BYTES: usize = 100;

/// The IP address of these clients: a loopback address like no other, so that traces of it can be looked for.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 7, 7, 7);

/// An account, as a pairing link describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The address, which is also the login.
    pub address: String,
    /// The password.
    pub password: String,
    /// The server's address.
    pub server: Ipv4Addr,
    /// IMAP over TLS.
    pub imaps_port: u16,
    /// Submission over TLS.
    pub submissions_port: u16,
}

impl Account {
    /// An account of a server that has the standard ports of this address.
    #[must_use]
    pub fn at(server: Ipv4Addr, address: &str, password: &str) -> Self {
        let (address, password) = (address.to_owned(), password.to_owned());
        Self { address, password, server, imaps_port: 993, submissions_port: 465 }
    }

    /// Reads a link as the lab gives it.
    pub fn from_link(link: &str) -> Result<Self> {
        let (address, query) =
            link.trim_start_matches("dclogin:").split_once('?').context("a query in the link")?;
        let field = |wanted: &str| {
            let value = query.split('&').find_map(|field| field.strip_prefix(wanted)?.strip_prefix('='));
            value.with_context(|| format!("`{wanted}` in the link"))
        };
        Ok(Self {
            address: address.to_owned(),
            password: unescape(field("p")?)?,
            server: Ipv4Addr::LOCALHOST,
            imaps_port: field("ip")?.parse()?,
            submissions_port: field("sp")?.parse()?,
        })
    }

    /// The link that says so.
    pub fn link(&self) -> Result<String> {
        let Self { imaps_port, submissions_port, .. } = *self;
        let endpoint = pairing::Endpoint { host: self.server.to_string(), imaps_port, submissions_port };
        let password = Secret::new(self.password.as_str());
        Ok(pairing::login_link(&self.address.parse()?, &password, &endpoint, pairing::CertificateCheck::Any))
    }

    /// The same box, but credentials nobody was given.
    #[must_use]
    pub fn stranger(&self) -> Self {
        let domain = self.address.rsplit('@').next().unwrap_or_default();
        Self {
            address: format!("stranger99@{domain}"),
            password: "a-long-made-up-password".into(),
            ..self.clone()
        }
    }

    /// Logs in by IMAP, which creates the account while the window is open.
    pub fn log_in(&self) -> Result<Imap> {
        let runtime = runtime()?;
        let connection = runtime.block_on(async {
            let stream = connect(self.server, self.imaps_port).await?;
            test_support::Imap::login(stream, ANSWER_LIMIT, &self.address, &self.password).await
        })?;
        Ok(Imap { runtime, connection })
    }

    /// Submits a message of encrypted shape to oneself; when this returns, the box has said `250`.
    pub fn submit_to_self(&self, message_id: &str) -> Result<()> {
        self.submit(&[&self.address], &encrypted(&self.address, message_id))
    }

    /// Submits a message; when this returns, the box has said `250`. What it says instead is in the error.
    pub fn submit(&self, to: &[&str], message: &str) -> Result<()> {
        runtime()?.block_on(async {
            let stream = connect(self.server, self.submissions_port).await?;
            let mut smtp = Smtp::login(stream, ANSWER_LIMIT, &self.address, &self.password).await?;
            smtp.submit(&self.address, to, message).await
        })
    }
}

/// An IMAP connection after login.
pub struct Imap {
    runtime: Runtime,
    connection: test_support::Imap<Tls>,
}

impl Imap {
    /// The Message-IDs in the inbox, in order.
    pub fn message_ids(&mut self) -> Result<Vec<String>> {
        let ids = self.headers("INBOX", "Message-ID", "ALL")?;
        Ok(ids.iter().map(|id| id.trim_matches(['<', '>']).to_owned()).collect())
    }

    /// This header of the messages in a mailbox that meet the criteria of a search, in order.
    pub fn headers(&mut self, mailbox: &str, field: &str, criteria: &str) -> Result<Vec<String>> {
        self.command(&format!("SELECT \"{mailbox}\""))?;
        let found = self.command(&format!("UID SEARCH {criteria}"))?;
        let found =
            found.iter().find_map(|response| response.text.strip_prefix("* SEARCH ")).unwrap_or_default();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let set = found.replace(' ', ",");
        let messages = self.command(&format!("UID FETCH {set} (BODY.PEEK[HEADER.FIELDS ({field})])"))?;
        let values = messages.iter().flat_map(|message| &message.literals).filter_map(|header| {
            let header = String::from_utf8_lossy(header);
            let (name, value) = header.split_once(':')?;
            name.eq_ignore_ascii_case(field).then(|| value.trim().to_owned())
        });
        Ok(values.collect())
    }

    /// Puts a message into a mailbox as it is.
    pub fn append(&mut self, mailbox: &str, message: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        self.runtime.block_on(self.connection.append(mailbox, message))
    }

    /// Sends a command and gives the untagged responses before its `OK`, byte for byte.
    pub fn verbatim(&mut self, command: &str) -> Result<Vec<Vec<u8>>> {
        self.runtime.block_on(self.connection.verbatim(command))
    }

    /// Begins to wait for mail (IDLE, RFC 2177).
    pub fn idle(&mut self) -> Result<()> {
        self.runtime.block_on(async {
            self.connection.select().await?;
            self.connection.idle().await.map(drop)
        })
    }

    /// Waits for mail in IDLE, and ends it.
    pub fn wait_for_mail(&mut self) -> Result<()> {
        self.runtime.block_on(self.connection.wait_for_mail())
    }

    /// The server's certificate, as PEM.
    pub fn certificate(&self) -> Result<String> {
        let chain = self.connection.get_ref().get_ref().1.peer_certificates();
        let certificate = STANDARD.encode(chain.and_then(<[_]>::first).context("no certificate")?);
        let lines: Vec<&str> =
            certificate.as_bytes().chunks(64).map(str::from_utf8).collect::<Result<_, _>>()?;
        Ok(format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")))
    }

    /// Sends a command and gives the untagged responses before its `OK`.
    pub fn command(&mut self, command: &str) -> Result<Vec<Response>> {
        self.runtime.block_on(self.connection.command(command))
    }
}

type Tls = TlsStream<TcpStream>;

/// Each connection has a runtime to itself, so that tests need not be asynchronous.
fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

async fn connect(server: Ipv4Addr, port: u16) -> Result<Tls> {
    let socket = TcpSocket::new_v4()?;
    // From there no other address can be reached.
    if server.is_loopback() {
        socket.bind((CLIENT, 0).into())?;
    }
    let stream = socket.connect((server, port).into()).await;
    Connector::new(None)?
        .secure(stream.with_context(|| format!("connecting to port {port} of {server}"))?)
        .await
}

/// A small message with the structure of an encrypted one.
#[must_use]
pub fn encrypted(address: &str, message_id: &str) -> String {
    message::header(address, address, message_id) + &message::body(ENCRYPTED_BYTES)
}

/// RFC 3986 section 2.1.
fn unescape(text: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after.get(..2).context("two digits after a percent sign")?;
        bytes.push(u8::from_str_radix(digits, 16)?);
        rest = after.get(2..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(String::from_utf8(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_taken_apart() {
        let link = "dclogin:ac1@h.local?p=a%26b%C3%A9c&v=1&ih=127.0.0.1&ip=40993&is=ssl&sh=127.0.0.1&sp=40465&ss=ssl&ic=3";
        let account = Account {
            address: "ac1@h.local".into(),
            password: "a&b\u{e9}c".into(),
            server: Ipv4Addr::LOCALHOST,
            imaps_port: 40993,
            submissions_port: 40465,
        };
        assert_eq!(Account::from_link(link).unwrap(), account);
        assert_eq!(account.link().unwrap(), link);
        assert!(Account::from_link("dclogin:ac1@h.local?p=x").is_err());
    }
}
