//! One attempt at one host of a destination: by HTTPS, then by SMTP.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use config::Outbound as Mode;
use host::clock;
use mail_types::{Address, Domain};
use relay_policy::Policy;
use smtp::Reply;
use smtp::client::{Body, Fate, Settings, Transaction, Trouble};

use super::content::{Content, Envelope};
use super::dial::dial;
use super::https::{Answer, HttpsConnection};
use super::memory::Connection;
use super::reach::Reach;
use super::smtp::{SmtpConnection, Trust};
use super::transport::{Attempt, Transport, all, no_connection};
use super::trust::Way;

/// The most recipients of one request: their fields fit into the head that web servers take, 8 KiB as a rule.
const RECIPIENTS: usize = 50;
/// The time for all that goes before the first byte of HTTPS: a port that is filtered must not hold up SMTP for long.
const HTTPS_OPEN_LIMIT: Duration = Duration::from_secs(8);

/// A host to be tried.
pub(super) struct Host<'a> {
    pub(super) destination: &'a Domain,
    pub(super) policy: Option<&'a Policy>,
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
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
    /// Tries a host.
    ///
    /// # Errors
    ///
    /// The trouble for which another host is to be tried.
    pub(super) async fn try_host(
        &self,
        host: Host<'_>,
        envelope: &Envelope,
        content: &mut Content,
    ) -> Result<Attempt, Trouble> {
        let smtp_only = self.memory.lock().is_smtp_only(clock::now(), &host.name);
        let next = if smtp_only { Next::Smtp } else { self.try_https(&host, envelope, content).await };
        let answered = !smtp_only && matches!(next, Next::Smtp);
        let classic = match next {
            Next::Answered(attempt) => return Ok(attempt),
            Next::Smtp => false,
            Next::Classic | Next::Unknown(_) => true,
        };
        match (self.mode, next) {
            (Mode::Relays, Next::Classic) => {
                let text = format!(
                    "5.7.1 {} is no chatmail relay, and this server writes to no others",
                    host.destination
                );
                return Ok(all(envelope, Fate::Refused(Reply::new(550, &text)), Some(host.name)));
            }
            (Mode::Relays, Next::Unknown(trouble)) => return Err(trouble),
            _ => {}
        }
        if let Some(smarthost) = self.smarthost.as_ref().filter(|_| classic) {
            return Ok(self.by_smarthost(smarthost, envelope, content).await);
        }
        let name = host.name.clone();
        match self.try_smtp(host, envelope, content).await {
            // The relay answers, and has no other way for this message: others for it need not wait.
            Err(trouble) if answered => Ok(Attempt {
                reach: Reach::NotForThisOne,
                ..all(envelope, Fate::Unsettled(trouble), Some(name))
            }),
            tried => tried,
        }
    }

    async fn try_https(&self, host: &Host<'_>, envelope: &Envelope, content: &mut Content) -> Next {
        let trust = match self.trust(host, Way::Https).await {
            Ok(trust) => trust,
            Err(trouble) => return Next::Unknown(trouble),
        };
        let opening = async {
            let stream = dial(&host.addresses, self.peers.https).await?;
            HttpsConnection::open(stream, &host_field(&host.name, self.peers.https), &trust).await
        };
        let opened = tokio::time::timeout(HTTPS_OPEN_LIMIT, opening).await;
        match opened {
            Ok(Ok(connection)) => {
                self.over_https(host.destination, &host.name, connection, envelope, content).await
            }
            Ok(Err(error)) => Next::Unknown(no_connection("HTTPS delivery", &error)),
            Err(_) => Next::Unknown(Trouble::TimedOut),
        }
    }

    /// Posts over an open connection, and keeps it if it can deliver more.
    async fn over_https(
        &self,
        destination: &Domain,
        host: &str,
        mut connection: HttpsConnection,
        envelope: &Envelope,
        content: &mut Content,
    ) -> Next {
        match post(&mut connection, envelope, content).await {
            Ok(Posted::Answered { fates, lost }) => {
                if lost {
                    // The next attempt is by the other way: some web servers break every such request off.
                    self.memory.lock().remember_smtp_only(clock::now(), host);
                } else if connection.is_usable() {
                    let idle = Connection::Https(connection);
                    self.memory.lock().keep(clock::now(), destination, host.to_owned(), idle);
                }
                Next::Answered(Attempt { fates, reach: Reach::Answered, host: Some(host.to_owned()) })
            }
            Ok(Posted::NotThisOne) => Next::Smtp,
            Ok(Posted::NoRelay) => Next::Classic,
            Err(error) => Next::Unknown(no_connection("HTTPS delivery", &error)),
        }
    }

    async fn try_smtp(
        &self,
        host: Host<'_>,
        envelope: &Envelope,
        content: &mut Content,
    ) -> Result<Attempt, Trouble> {
        let opened = self.open_smtp(&host).await;
        let connection = opened.inspect_err(|_| self.memory.lock().forget(&host.name))?;
        self.memory.lock().remember_smtp_only(clock::now(), &host.name);
        self.over(host.destination, host.name, Connection::Smtp(Box::new(connection)), envelope, content)
            .await
    }

    async fn trust(&self, host: &Host<'_>, way: Way) -> Result<Trust, Trouble> {
        self.trusts.for_host(&self.resolver, (host.destination, &host.name), host.policy, way).await
    }

    async fn open_smtp(&self, host: &Host<'_>) -> Result<SmtpConnection, Trouble> {
        let trust = self.trust(host, Way::Smtp).await?;
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
    pub(super) async fn over(
        &self,
        destination: &Domain,
        host: String,
        connection: Connection,
        envelope: &Envelope,
        content: &mut Content,
    ) -> Result<Attempt, Trouble> {
        match connection {
            Connection::Https(connection) => {
                match self.over_https(destination, &host, connection, envelope, content).await {
                    Next::Answered(attempt) => Ok(attempt),
                    Next::Unknown(trouble) => Err(trouble),
                    Next::Smtp | Next::Classic => Err(Trouble::Protocol),
                }
            }
            Connection::Smtp(mut connection) => {
                let (attempt, usable) = transact(&mut connection, &host, envelope, content).await?;
                if usable {
                    let idle = Connection::Smtp(connection);
                    self.memory.lock().keep(clock::now(), destination, host, idle);
                }
                Ok(attempt)
            }
        }
    }
}

/// The end of a message that was posted.
enum Posted {
    Answered {
        /// One for each recipient.
        fates: Vec<(Address, Fate)>,
        /// Whether an answer is missing.
        lost: bool,
    },
    NotThisOne,
    NoRelay,
}

/// Posts a message, to so many recipients at once as the head of a request has room for.
///
/// # Errors
///
/// When the first request was not sent to its end.
async fn post(
    connection: &mut HttpsConnection,
    envelope: &Envelope,
    content: &mut Content,
) -> io::Result<Posted> {
    let mut fates = Vec::new();
    let mut lost = false;
    for recipients in envelope.recipients.chunks(RECIPIENTS) {
        let part = Envelope { sender: envelope.sender.clone(), recipients: recipients.to_vec() };
        let fate = match connection.post(&part, content).await {
            Ok(Answer::Accepted) => Fate::Delivered,
            Ok(Answer::Refused(reply)) => Fate::Refused(reply),
            Ok(Answer::NotThisOne) if fates.is_empty() => return Ok(Posted::NotThisOne),
            Ok(Answer::NoRelay) if fates.is_empty() => return Ok(Posted::NoRelay),
            Err(error) if fates.is_empty() => return Err(error),
            Ok(Answer::NotThisOne | Answer::NoRelay) => Fate::Unsettled(Trouble::Protocol),
            Ok(Answer::Lost(reason)) => {
                lost = true;
                Fate::Unsettled(Trouble::NoConnection(format!("no answer to HTTPS delivery came: {reason}")))
            }
            Err(error) => Fate::Unsettled(no_connection("HTTPS delivery", &error)),
        };
        fates.extend(recipients.iter().map(|recipient| (recipient.clone(), fate.clone())));
    }
    Ok(Posted::Answered { fates, lost })
}

/// One message over an SMTP connection; the boolean tells whether it can deliver another one.
///
/// # Errors
///
/// The trouble of a connection that ended before the server had the whole message.
pub(super) async fn transact(
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
    Ok((
        Attempt { fates: delivery.fates, reach: Reach::Answered, host: Some(host.to_owned()) },
        delivery.usable,
    ))
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
    let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    if port == 443 { host } else { format!("{host}:{port}") }
}
