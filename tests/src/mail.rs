//! The smallest mail client that can tell whether a box keeps its word: logs in, submits, lists. Not a judge of
//! protocols; real clients are.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_types::Secret;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Where these clients come from: a loopback address like no other, so that traces of it can be looked for.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 7, 7, 7);

/// What a pairing link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The address, which is also the login.
    pub address: String,
    /// The password.
    pub password: String,
    /// IMAP over TLS at 127.0.0.1.
    pub imaps_port: u16,
    /// Submission over TLS at 127.0.0.1.
    pub submissions_port: u16,
}

impl Account {
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
            imaps_port: field("ip")?.parse()?,
            submissions_port: field("sp")?.parse()?,
        })
    }

    /// The link that says so.
    pub fn link(&self) -> Result<String> {
        let Self { imaps_port, submissions_port, .. } = *self;
        let endpoint = pairing::Endpoint { host: "127.0.0.1".to_owned(), imaps_port, submissions_port };
        Ok(pairing::login_link(&self.address.parse()?, &Secret::new(self.password.as_str()), &endpoint))
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
        let mut imap = Imap { stream: connect(self.imaps_port)?, next: 1 };
        imap.line()?;
        imap.command(&format!("LOGIN \"{}\" \"{}\"", self.address, self.password))?;
        Ok(imap)
    }

    /// Submits a message of encrypted shape to oneself; when this returns, the box has said `250`.
    pub fn submit_to_self(&self, message_id: &str) -> Result<()> {
        self.submit(&[&self.address], &encrypted(&self.address, message_id))
    }

    /// Submits a message; when this returns, the box has said `250`. What it says instead is in the error.
    pub fn submit(&self, to: &[&str], message: &str) -> Result<()> {
        let mut smtp = Smtp { stream: connect(self.submissions_port)? };
        smtp.expect("220")?;
        smtp.command("EHLO [127.0.0.1]", "250")?;
        let plain = STANDARD.encode(format!("\0{}\0{}", self.address, self.password));
        smtp.command(&format!("AUTH PLAIN {plain}"), "235")?;
        smtp.command(&format!("MAIL FROM:<{}>", self.address), "250")?;
        for address in to {
            smtp.command(&format!("RCPT TO:<{address}>"), "250")?;
        }
        smtp.command("DATA", "354")?;
        smtp.command(&format!("{message}\r\n."), "250")
    }
}

/// An IMAP connection after login.
pub struct Imap {
    stream: Tls,
    next: u32,
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
        let found = found.iter().find_map(|line| line.strip_prefix("* SEARCH ")).unwrap_or_default();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let set = found.replace(' ', ",");
        let lines = self.command(&format!("UID FETCH {set} (BODY.PEEK[HEADER.FIELDS ({field})])"))?;
        let values = lines.iter().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(field).then(|| value.trim().to_owned())
        });
        Ok(values.collect())
    }

    /// Puts a message into a mailbox as it is.
    pub fn append(&mut self, mailbox: &str, message: &str) -> Result<()> {
        self.command(&format!("APPEND \"{mailbox}\" {{{}+}}\r\n{message}", message.len()))?;
        Ok(())
    }

    /// The server's certificate, as PEM.
    pub fn certificate(&self) -> Result<String> {
        let chain = self.stream.get_ref().conn.peer_certificates();
        let certificate = STANDARD.encode(chain.and_then(<[_]>::first).context("no certificate")?);
        let lines: Vec<&str> =
            certificate.as_bytes().chunks(64).map(str::from_utf8).collect::<Result<_, _>>()?;
        Ok(format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")))
    }

    /// Sends a command and gives the lines before its `OK`.
    pub fn command(&mut self, command: &str) -> Result<Vec<String>> {
        let tag = format!("t{}", self.next);
        self.next += 1;
        self.stream.get_mut().write_all(format!("{tag} {command}\r\n").as_bytes())?;
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            if let Some(end) = line.strip_prefix(&format!("{tag} ")) {
                let verb = command.split(' ').next().unwrap_or_default();
                ensure!(end.starts_with("OK"), "{verb} was answered with {end:?}");
                return Ok(lines);
            }
            lines.push(line);
        }
    }

    fn line(&mut self) -> Result<String> {
        line(&mut self.stream)
    }
}

struct Smtp {
    stream: Tls,
}

impl Smtp {
    fn command(&mut self, command: &str, code: &str) -> Result<()> {
        self.stream.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        self.expect(code)
    }

    fn expect(&mut self, code: &str) -> Result<()> {
        loop {
            let line = line(&mut self.stream)?;
            ensure!(line.starts_with(code), "SMTP: wanted {code}, got {line:?}");
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

type Tls = BufReader<StreamOwned<ClientConnection, TcpStream>>;

fn connect(port: u16) -> Result<Tls> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrV4::new(CLIENT, 0))?;
    rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("connecting to port {port}"))?;
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(ANSWER_LIMIT))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    let name = ServerName::try_from("hearth.local")?;
    let connection = ClientConnection::new(Arc::new(config), name)?;
    Ok(BufReader::new(StreamOwned::new(connection, socket)))
}

fn line(stream: &mut Tls) -> Result<String> {
    let mut bytes = Vec::new();
    stream.read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        bail!("the box closed the connection");
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// A box at home signs its certificate itself; its pairing link says so (`ic=3`).
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
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A message with the structure of an encrypted one: a PKESK and a SEIPD packet (RFC 9580 section 5) around nothing
/// of interest. The armour has no checksum, which is optional.
#[must_use]
pub fn encrypted(address: &str, message_id: &str) -> String {
    let mut packets = vec![0xc1, 12, 3];
    packets.extend_from_slice(&[7; 11]);
    packets.extend_from_slice(&[0xd2, 64, 1]);
    packets.extend_from_slice(&[9; 63]);
    let armour = STANDARD.encode(&packets);
    format!(
        "From: <{address}>\r\nTo: <{address}>\r\nSubject: [...]\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\
         Message-ID: <{message_id}>\r\nChat-Version: 1.0\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n\
         --b\r\nContent-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n{armour}\r\n\
         -----END PGP MESSAGE-----\r\n\r\n--b--"
    )
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
            imaps_port: 40993,
            submissions_port: 40465,
        };
        assert_eq!(Account::from_link(link).unwrap(), account);
        assert_eq!(account.link().unwrap(), link);
        assert!(Account::from_link("dclogin:ac1@h.local?p=x").is_err());
    }
}
