//! The events and actions that a client session exchanges with its driver. Types only, no behaviour.

use std::time::{Duration, Instant};

use mail_types::{Address, Secret};

use crate::content::ContentError;
use crate::reply::Reply;

/// An event for the session.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes from the server; after [`Input::TlsStarted`], decrypted ones.
    Bytes(&'a [u8]),
    /// The TLS handshake that [`Output::StartTls`] asked for is done, and the certificate is believed.
    TlsStarted,
    /// Deliver this; only after [`Output::Ready`].
    Deliver(Transaction),
    /// The next bytes of the message, as [`Output::WantContent`] asked: plain, with CR LF line ends.
    Content(&'a [u8]),
    /// The message is over.
    ContentEnd,
    /// The message cannot be read to its end: the connection is given up, so that no half of it is delivered.
    ContentLost,
    /// No more messages: say goodbye.
    Quit,
    /// The time that [`Output::WakeAt`] named has come. An early or late tick does no harm, and each one makes the
    /// session name its next wake-up.
    Tick,
    /// The connection is gone.
    Closed,
}

/// An action for the driver, in the order in which `poll` returns them.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes to the server.
    Send(Vec<u8>),
    /// Do a TLS handshake on the raw socket, then say [`Input::TlsStarted`].
    StartTls,
    /// A message may be delivered now.
    Ready,
    /// Say [`Input::Content`] with the next bytes, or [`Input::ContentEnd`].
    WantContent,
    /// The end of a transaction: one fate for each recipient, in the order given. Content that was still wanted is not
    /// any more.
    Done(Vec<(Address, Fate)>),
    /// Send [`Input::Tick`] at this time. It replaces any earlier wish.
    WakeAt(Instant),
    /// Flush what was sent and close. With a trouble the connection was of no use, or is of none any more.
    Close(Option<Trouble>),
}

/// A message to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The envelope sender; none for `<>`.
    pub sender: Option<Address>,
    /// The recipients at this server; at least one.
    pub recipients: Vec<Address>,
    /// The size of the content in bytes.
    pub size: u64,
    /// The body type (RFC 6152).
    pub body: Body,
}

/// Whether content has bytes beyond ASCII (RFC 6152).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It has none.
    SevenBit,
    /// It has some, or is not known to have none. A server that does not offer 8BITMIME gets them all the same.
    EightBit,
}

/// The outcome of a transaction for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server has taken responsibility.
    Delivered,
    /// The server said no; its code tells whether for good (5xx) or for now (4xx).
    Refused(Reply),
    /// The outcome is unknown: to be tried again.
    Unsettled(Trouble),
}

/// A failure of the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The server went away.
    #[error("the other server closed the connection")]
    ConnectionLost,
    /// The server was silent for too long.
    #[error("the other server did not answer in time")]
    TimedOut,
    /// The server said no before any message was offered.
    #[error("the other server does not want to talk: {0}")]
    Unwilling(Reply),
    /// TLS is required, and the server does not offer it.
    #[error("the other server offers no encryption")]
    NoTls,
    /// A login is required, and the server does not offer a way that is known here.
    #[error("the other server offers no known way to log in")]
    NoLogin,
    /// The server's reply is no SMTP.
    #[error("the other server does not speak SMTP")]
    Protocol,
    /// The driver could not make a connection that is of use: a sentence.
    #[error("{0}")]
    NoConnection(String),
    /// The message could not be read, or holds line ends that two programs read differently.
    #[error("the message cannot be sent as it is")]
    Content(ContentError),
}

/// The TLS policy of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// STARTTLS or nothing.
    Required,
    /// STARTTLS if it is offered: for the few servers that are known not to offer it.
    IfOffered,
    /// The driver did the handshake before the first byte, as on port 465.
    Already,
}

/// The identity, the security policy and the timeouts of a connection.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The argument of EHLO: the mail domain, or an address literal.
    pub host_name: String,
    /// The TLS policy.
    pub encryption: Encryption,
    /// User name and password for AUTH at a provider that relays for us.
    pub login: Option<(String, Secret)>,
    /// The longest wait for a reply, or for the driver's TLS handshake.
    pub reply_timeout: Duration,
    /// The longest wait for the reply to the end of the content (RFC 5321 section 4.5.3.2.6).
    pub verdict_timeout: Duration,
}

impl Settings {
    /// The settings between two relays.
    #[must_use]
    pub fn new(host_name: impl Into<String>) -> Self {
        Self {
            host_name: host_name.into(),
            encryption: Encryption::Required,
            login: None,
            reply_timeout: Duration::from_secs(60),
            verdict_timeout: Duration::from_secs(300),
        }
    }
}
