//! One attempt at one destination: its hosts one after the other, by HTTPS first, then by SMTP.
//!
//! A host that answers decides; one that cannot be reached, or with which no secure connection comes about, leaves it to
//! the next (RFC 5321 section 5.1).

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use config::{Outbound as Mode, Smarthost};
use dns::{LookupError, MailHosts, Resolver};
use host::clock;
use host::locks::Mutex;
use mail_types::{Address, Domain};
use smtp::Reply;
use smtp::client::{Body, Encryption, Fate, Settings, Transaction, Trouble};

use super::content::{Content, Envelope};
use super::dial::dial;
use super::https::{Answer, HttpsConnection};
use super::memory::{Connection, PeerMemory};
use super::smtp::SmtpConnection;
use super::trust::Trusts;

/// The most hosts of one destination that are tried.
const HOSTS: usize = 5;
/// The time for all that goes before the first byte of HTTPS: a port that is filtered must not hold up SMTP for long.
const HTTPS_OPEN_LIMIT: Duration = Duration::from_secs(8);

/// The ports of other servers, and the time that their answers are waited for while a sender waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peers {
    pub(crate) smtp: u16,
    pub(crate) https: u16,
    /// That of name servers.
    pub(crate) names: u16,
    pub(crate) patience: Duration,
}

impl Default for Peers {
    fn default() -> Self {
        Self { smtp: 25, https: 443, names: 53, patience: Duration::from_secs(4) }
    }
}

/// The outcome of an attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    /// One for each recipient.
    pub(super) fates: Vec<(Address, Fate)>,
    /// Whether any server of the destination answered, or the name servers said for good that there is none.
    pub(super) reached: bool,
    /// The host that answered.
    pub(super) host: Option<String>,
}

/// The ways to other servers.
pub(super) struct Transport {
    pub(super) resolver: Resolver,
    pub(super) trusts: Trusts,
    /// The argument of EHLO.
    pub(super) host_name: String,
    pub(super) mode: Mode,
    pub(super) smarthost: Option<Smarthost>,
    pub(super) peers: Peers,
    pub(super) memory: Mutex<PeerMemory>,
}

/// A host to be tried.
struct Host {
    name: String,
    addresses: Vec<IpAddr>,
}

/// The way to a host that is not tried by HTTPS, or not any more.
enum Next {
    Answered(Attempt),
    /// The host is a relay, or may be one.
    Smtp,
    /// The host answers by HTTPS, and is no relay.
    Classic,
    /// HTTPS does not come about, so that nothing is known.
    Unknown(Trouble),
}

impl Transport {
    /// Delivers a message to a destination, if a server of it answers.
    pub(super) async fn deliver(
        &self,
        destination: &Domain,
        envelope: &Envelope,
        content: &mut Content,
    ) -> Attempt {
        let idle = self.memory.lock().take(clock::now(), destination);
        if let Some(idle) = idle
            && let Ok(attempt) = self.over(destination, idle.host, idle.connection, envelope, content).await
        {
            return attempt;
        }
        if let Some(smarthost) = self.smarthost.as_ref().filter(|smarthost| smarthost.for_relays) {
            return self.by_smarthost(smarthost, envelope, content).await;
        }
        let hosts = match self.hosts(destination).await {
            Ok(hosts) => hosts,
            Err(fate) => return all(envelope, fate, None),
        };
        let mut trouble = Trouble::ConnectionLost;
        for name in hosts.into_iter().take(HOSTS) {
            match self.try_host(destination, name, envelope, content).await {
                Ok(attempt) => return attempt,
                Err(other) => trouble = other,
            }
        }
        all(envelope, Fate::Unsettled(trouble), None)
    }

    /// The destination's mail hosts, the best first.
    async fn hosts(&self, destination: &Domain) -> Result<Vec<String>, Fate> {
        let refused = |text: String| Err(Fate::Refused(Reply::new(550, &text)));
        match destination {
            Domain::Ipv4(address) => Ok(vec![address.to_string()]),
            Domain::Ipv6(address) => Ok(vec![address.to_string()]),
            Domain::Name(name) => match self.resolver.mail_hosts(name).await {
                Ok(MailHosts::Hosts(hosts)) => Ok(hosts),
                // RFC 7505 section 4.1
                Ok(MailHosts::Null) => refused(format!("5.1.10 The domain {name} takes no mail")),
                Err(LookupError::NoSuchDomain) => {
                    refused(format!("5.1.2 The domain {name} does not exist: is the address right?"))
                }
                Err(LookupError::NoData) => refused(format!("5.1.2 The domain {name} has no mail server")),
                Err(error @ LookupError::Unavailable(_)) => Err(Fate::Unsettled(lookup(&error))),
            },
        }
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Trouble> {
        match host.parse::<IpAddr>() {
            Ok(address) => Ok(vec![address]),
            Err(_) => self.resolver.addresses(host).await.map_err(|error| lookup(&error)),
        }
    }

    /// # Errors
    ///
    /// The trouble for which another host is to be tried.
    async fn try_host(
        &self,
        destination: &Domain,
        name: String,
        envelope: &Envelope,
        content: &mut Content,
    ) -> Result<Attempt, Trouble> {
        let addresses = self.addresses(&name).await?;
        let host = Host { name, addresses };
        let next = if self.memory.lock().is_smtp_only(clock::now(), &host.name) {
            Next::Smtp
        } else {
            self.try_https(destination, &host, envelope, content).await
        };
        let classic = match next {
            Next::Answered(attempt) => return Ok(attempt),
            Next::Smtp => false,
            Next::Classic | Next::Unknown(_) => true,
        };
        match (self.mode, next) {
            (Mode::Relays, Next::Classic) => {
                let text =
                    format!("5.7.1 {destination} is no chatmail relay, and this server writes to no others");
                return Ok(all(envelope, Fate::Refused(Reply::new(550, &text)), Some(host.name)));
            }
            (Mode::Relays, Next::Unknown(trouble)) => return Err(trouble),
            _ => {}
        }
        if let Some(smarthost) = self.smarthost.as_ref().filter(|_| classic) {
            return Ok(self.by_smarthost(smarthost, envelope, content).await);
        }
        self.try_smtp(destination, host, envelope, content).await
    }

    async fn try_https(
        &self,
        destination: &Domain,
        host: &Host,
        envelope: &Envelope,
        content: &mut Content,
    ) -> Next {
        let opening = async {
            let trust = self.trusts.for_host(destination, &host.name)?;
            let stream = dial(&host.addresses, self.peers.https).await?;
            HttpsConnection::open(stream, &host_field(&host.name, self.peers.https), &trust).await
        };
        let mut connection = match tokio::time::timeout(HTTPS_OPEN_LIMIT, opening).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Next::Unknown(no_connection("HTTPS delivery", &error)),
            Err(_) => return Next::Unknown(Trouble::TimedOut),
        };
        match connection.post(envelope, content).await {
            Ok(Answer::Accepted) => {
                if connection.is_usable() {
                    let idle = Connection::Https(connection);
                    self.memory.lock().keep(clock::now(), destination, host.name.clone(), idle);
                }
                Next::Answered(all(envelope, Fate::Delivered, Some(host.name.clone())))
            }
            Ok(Answer::Refused(reply)) => {
                Next::Answered(all(envelope, Fate::Refused(reply), Some(host.name.clone())))
            }
            Ok(Answer::NotThisOne) => Next::Smtp,
            Ok(Answer::NoRelay) => Next::Classic,
            Err(error) => Next::Unknown(no_connection("HTTPS delivery", &error)),
        }
    }

    async fn try_smtp(
        &self,
        destination: &Domain,
        host: Host,
        envelope: &Envelope,
        content: &mut Content,
    ) -> Result<Attempt, Trouble> {
        let opened = self.open_smtp(destination, &host).await;
        let connection = opened.inspect_err(|_| self.memory.lock().forget(&host.name))?;
        self.memory.lock().remember_smtp_only(clock::now(), &host.name);
        self.over(destination, host.name, Connection::Smtp(connection), envelope, content).await
    }

    async fn open_smtp(&self, destination: &Domain, host: &Host) -> Result<SmtpConnection, Trouble> {
        let trust = self
            .trusts
            .for_host(destination, &host.name)
            .map_err(|error| no_connection("checking the name", &error))?;
        let stream = dial(&host.addresses, self.peers.smtp)
            .await
            .map_err(|error| no_connection("connecting", &error))?;
        SmtpConnection::open(stream, Settings::new(self.host_name.clone()), &trust).await
    }

    /// Delivers over an open connection, and keeps it if it can deliver more.
    ///
    /// # Errors
    ///
    /// The trouble of a connection that ended before the server had the whole message: another may be tried.
    async fn over(
        &self,
        destination: &Domain,
        host: String,
        connection: Connection,
        envelope: &Envelope,
        content: &mut Content,
    ) -> Result<Attempt, Trouble> {
        let (attempt, idle) = match connection {
            Connection::Https(mut connection) => {
                let answer = connection.post(envelope, content).await;
                let fate = match answer.map_err(|error| no_connection("HTTPS delivery", &error))? {
                    Answer::Accepted => Fate::Delivered,
                    Answer::Refused(reply) => Fate::Refused(reply),
                    Answer::NotThisOne | Answer::NoRelay => return Err(Trouble::Protocol),
                };
                let idle = connection.is_usable().then_some(Connection::Https(connection));
                (all(envelope, fate, Some(host.clone())), idle)
            }
            Connection::Smtp(mut connection) => {
                let attempt = transact(&mut connection, &host, envelope, content).await?;
                let idle = attempt.1.then_some(Connection::Smtp(connection));
                (attempt.0, idle)
            }
        };
        if let Some(idle) = idle {
            self.memory.lock().keep(clock::now(), destination, host, idle);
        }
        Ok(attempt)
    }

    /// Hands the message to the provider that relays for us.
    async fn by_smarthost(
        &self,
        smarthost: &Smarthost,
        envelope: &Envelope,
        content: &mut Content,
    ) -> Attempt {
        let delivered = async {
            let mut connection = self.open_smarthost(smarthost).await?;
            let (attempt, usable) = transact(&mut connection, &smarthost.host, envelope, content).await?;
            if usable {
                connection.quit().await;
            }
            Ok(attempt)
        };
        delivered.await.unwrap_or_else(|trouble| all(envelope, Fate::Unsettled(trouble), None))
    }

    async fn open_smarthost(&self, smarthost: &Smarthost) -> Result<SmtpConnection, Trouble> {
        let addresses = self.addresses(&smarthost.host).await?;
        let trust = self
            .trusts
            .verified(&smarthost.host)
            .map_err(|error| no_connection("checking the name", &error))?;
        let stream =
            dial(&addresses, smarthost.port).await.map_err(|error| no_connection("connecting", &error))?;
        let mut settings = Settings::new(self.host_name.clone());
        if smarthost.implicit_tls {
            settings.encryption = Encryption::Already;
        }
        settings.login = smarthost.login.clone();
        SmtpConnection::open(stream, settings, &trust).await
    }
}

/// One message over an SMTP connection; the boolean tells whether it can deliver another one.
///
/// # Errors
///
/// The trouble of a connection that ended before the server had the whole message.
async fn transact(
    connection: &mut SmtpConnection,
    host: &str,
    envelope: &Envelope,
    content: &mut Content,
) -> Result<(Attempt, bool), Trouble> {
    content.rewind().map_err(|error| no_connection("reading the message", &error))?;
    let delivery = connection.deliver(transaction(envelope, content), content).await;
    let unsettled = |(_, fate): &(Address, Fate)| match fate {
        Fate::Unsettled(trouble) => Some(trouble.clone()),
        Fate::Delivered | Fate::Refused(_) => None,
    };
    // The server may have a message that was sent whole: it is not offered to another one now.
    if !delivery.sent
        && let Some(trouble) = delivery.fates.iter().find_map(unsettled)
    {
        return Err(trouble);
    }
    Ok((Attempt { fates: delivery.fates, reached: true, host: Some(host.to_owned()) }, delivery.usable))
}

fn no_connection(step: &str, error: &io::Error) -> Trouble {
    Trouble::NoConnection(format!("{step} failed: {error}"))
}

fn lookup(error: &LookupError) -> Trouble {
    Trouble::NoConnection(format!("the name server gave no answer: {error}"))
}

/// The same fate for all recipients. A refusal is an answer, be it of a host or of the name servers.
fn all(envelope: &Envelope, fate: Fate, host: Option<String>) -> Attempt {
    let reached = !matches!(fate, Fate::Unsettled(_));
    let fates = envelope.recipients.iter().map(|recipient| (recipient.clone(), fate.clone())).collect();
    Attempt { fates, reached, host }
}

fn transaction(envelope: &Envelope, content: &Content) -> Transaction {
    Transaction {
        sender: envelope.sender.clone(),
        recipients: envelope.recipients.clone(),
        size: content.size(),
        // Bodies are armoured, but nobody has looked whether all header fields are ASCII.
        body: Body::EightBit,
    }
}

/// uri-host [ ":" port ] (RFC 9110 section 7.2)
fn host_field(host: &str, port: u16) -> String {
    let host = if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    if port == 443 { host } else { format!("{host}:{port}") }
}
