//! The events, actions, questions and answers that a session exchanges with its driver. Types only, no behaviour.

use std::time::{Duration, Instant};

use mail_types::{Address, Secret};

use crate::reply::Reply;

/// The usual slowest transmission of a message, in bytes a second: a sixth of what the slowest phones reach.
const SLOWEST_PACE: u64 = 256;

/// An event for the session.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes from the client; after [`Input::TlsStarted`], decrypted ones. Pass none while
    /// [`Session::wants_input`](crate::Session::wants_input) says no.
    Bytes(&'a [u8]),
    /// The answer to the question that is open.
    Answer(Answer),
    /// The TLS handshake that [`Output::StartTls`] asked for is done.
    TlsStarted,
    /// The time that [`Output::WakeAt`] named has come. An early or late tick does no harm, and each one makes the
    /// session name its next wake-up.
    Tick,
    /// The connection is gone. The session asks for nothing more but [`Output::DiscardSpool`], if a spool is open.
    Closed,
    /// The server is being stopped: say so and close, unless a question is open, which is answered first.
    Shutdown,
    /// The server needs the connection's place: say so and close, also within a message, unless a question is open, which is
    /// answered first.
    MakeRoom,
}

/// An action for the driver, in the order in which `poll` returns them.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes to the client.
    Send(Vec<u8>),
    /// Answer this with [`Input::Answer`]. At most one question is open at a time.
    Ask(Question),
    /// Append these bytes to the spool file of this connection; the first ones after a [`Question::Commit`], a
    /// [`Output::DiscardSpool`] or the start open a new one. A spool that cannot be written is remembered by the
    /// driver and told as the answer to `Commit`.
    Spool(Vec<u8>),
    /// Forget the open spool file: the message will not be complete, or is not acceptable.
    DiscardSpool,
    /// Flush what was sent, do a TLS handshake on the raw socket, then say [`Input::TlsStarted`].
    StartTls,
    /// Send [`Input::Tick`] at this time. It replaces any earlier wish.
    WakeAt(Instant),
    /// Flush what was sent and close.
    Close(CloseReason),
}

/// The reason why the session closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client said QUIT.
    Quit,
    /// The client was silent for too long.
    TimedOut,
    /// The client broke the protocol too often, or once in a way that leaves no common ground.
    Misbehaved,
    /// The server is being stopped.
    Shutdown,
    /// The server needs the connection's place.
    MakeRoom,
}

/// A decision or a piece of work that the session needs from its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Does this password open this account (which may come into being now)?
    /// Answer: [`Answer::Authenticated`] or [`Answer::Refused`] (see `table::AUTHENTICATION_*`).
    Authenticate {
        /// The account, lower-cased.
        user: Address,
        /// The password to check.
        password: Secret,
    },
    /// May this transaction start? Asked once per MAIL, which makes it the place to count a message for a rate limit.
    /// Answer: [`Answer::Accepted`], [`Answer::Refused`], or [`Answer::RefusedAtRecipients`].
    Sender {
        /// The authenticated account; none on the inbound port.
        login: Option<Address>,
        /// The envelope sender; none for `<>`.
        sender: Option<Address>,
        /// The size the client announced.
        size: Option<u64>,
    },
    /// May the message go to this recipient? Answer: [`Answer::Accepted`] or [`Answer::Refused`].
    Recipient {
        /// The authenticated account; none on the inbound port.
        login: Option<Address>,
        /// The envelope sender; none for `<>`.
        sender: Option<Address>,
        /// The recipient, with its `+suffix` if it has one.
        recipient: Address,
    },
    /// The spool file is complete: judge it and make it durable for all recipients, or refuse it for all.
    /// Answer: [`Answer::Accepted`] only after what was promised is on disk, else [`Answer::Refused`].
    Commit {
        /// The authenticated account; none on the inbound port.
        login: Option<Address>,
        /// Sender and recipients.
        envelope: Envelope,
        /// The size of the spool file in bytes: never zero.
        size: u64,
    },
}

/// The answer to a [`Question`]. An answer that does not fit its question is told to the client as our own trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The login is good; the session goes on as this account.
    Authenticated(Address),
    /// Yes.
    Accepted,
    /// No, with the reply for the client.
    Refused(Reply),
    /// Only to [`Question::Sender`]: MAIL is taken, and every RCPT gets this reply. This is how relays refuse a wrong
    /// sender or too much mail, and what clients and tests expect.
    RefusedAtRecipients(Reply),
}

/// The envelope of a message (RFC 5321 section 2.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The envelope sender; none for `<>`.
    pub sender: Option<Address>,
    /// The accepted recipients, each once, in the order of their RCPT.
    pub recipients: Vec<Address>,
}

/// The service that the port provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Message submission (RFC 6409) on ports 587, 465 and ALPN `smtp` on 443: clients authenticate.
    Submission,
    /// Mail from other servers on port 25: without authentication.
    Inbound,
}

/// The state of TLS when the connection starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In clear text; STARTTLS is offered and needed before anything that matters.
    Plain,
    /// The driver has already done the TLS handshake.
    Tls,
}

/// The numbers and names of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name in the greeting and in the reply to EHLO.
    pub host_name: String,
    /// The largest message taken, in bytes after dot-unstuffing.
    pub message_limit: u64,
    /// The most recipients of one transaction.
    pub recipient_limit: usize,
    /// For submission: the longest time from the start of the connection to authentication, whatever the client says
    /// meanwhile, so that a byte a minute does not hold a connection for ever.
    pub login_timeout: Duration,
    /// For mail from other servers: the longest time from the start of the connection, or from the last message accepted, to
    /// the start of the next message, whatever the client says meanwhile.
    pub message_interval: Duration,
    /// The longest silence between two commands (RFC 5321 section 4.5.3.2.7).
    pub command_timeout: Duration,
    /// The longest silence within a message (RFC 5321 section 4.5.3.2.8).
    pub data_timeout: Duration,
    /// The longest transmission of one message.
    pub message_timeout: Duration,
    /// The slowest transmission of a message, in bytes a second, once the time of `data_timeout` is over: a byte a minute is no
    /// sign of life.
    pub slowest_pace: u64,
}

impl Settings {
    /// The settings of a chatmail relay under the given host name.
    #[must_use]
    pub fn new(host_name: impl Into<String>) -> Self {
        Self {
            host_name: host_name.into(),
            message_limit: 31_457_280,
            recipient_limit: 1000,
            login_timeout: Duration::from_secs(60),
            message_interval: Duration::from_secs(300),
            command_timeout: Duration::from_secs(300),
            data_timeout: Duration::from_secs(180),
            message_timeout: Duration::from_secs(7200),
            slowest_pace: SLOWEST_PACE,
        }
    }
}
