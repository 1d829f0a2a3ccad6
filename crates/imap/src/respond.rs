//! Responses as bytes: tagged completions, strings, and the one table of codes and texts for failures.

use std::borrow::Cow;

use crate::dialogue::CommandFailure;
use crate::fault::Fault;

/// A tagged completion response (RFC 3501 section 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// The condition.
    pub(crate) kind: Kind,
    /// The response code, without brackets.
    pub(crate) code: Option<Cow<'static, str>>,
    /// Human-readable text.
    pub(crate) text: Cow<'static, str>,
}

/// The condition of a status response (RFC 3501 sections 7.1.1 to 7.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `OK`: successful completion.
    Ok,
    /// `NO`: failure.
    No,
    /// `BAD`: a syntax error, or a command that is illegal in this state.
    Bad,
}

impl Completion {
    pub(crate) fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: Kind::Ok, code: None, text: text.into() }
    }

    pub(crate) fn no(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: Kind::No, code: None, text: text.into() }
    }

    pub(crate) fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: Kind::Bad, code: None, text: text.into() }
    }

    pub(crate) fn code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The completion of a command that names a sequence number beyond the last message.
    pub(crate) fn no_such_message() -> Self {
        Self::bad("There is no message with such a number")
    }

    /// The completion of a change to a mailbox opened by `EXAMINE`.
    pub(crate) fn read_only() -> Self {
        Self::no("The mailbox is read-only")
    }

    /// The completion of a command that needs `ENABLE QRESYNC` before it (RFC 7162 section 3.2.3).
    pub(crate) fn qresync_not_enabled() -> Self {
        Self::bad("Say ENABLE QRESYNC first")
    }

    /// The completion after an answer that does not belong to the question, a fault of the driver: `UNAVAILABLE`.
    pub(crate) fn unexpected() -> Self {
        Self::from(CommandFailure::Unavailable)
    }

    /// The tagged line.
    pub(crate) fn line(&self, tag: &str) -> String {
        let kind = match self.kind {
            Kind::Ok => "OK",
            Kind::No => "NO",
            Kind::Bad => "BAD",
        };
        match &self.code {
            Some(code) => format!("{tag} {kind} [{code}] {}\r\n", self.text),
            None => format!("{tag} {kind} {}\r\n", self.text),
        }
    }
}

impl From<CommandFailure> for Completion {
    /// Delta Chat takes any login error with the word "authentication" in it for a wrong password, and tells its
    /// user so: the word must stand in the first text and in no other. Codes are those of RFC 5530.
    fn from(failure: CommandFailure) -> Self {
        let (code, text) = match failure {
            CommandFailure::WrongPassword => ("AUTHENTICATIONFAILED", "Authentication failed."),
            CommandFailure::ForeignName => {
                ("AUTHENTICATIONFAILED", "Authentication failed. Invalid address.")
            }
            CommandFailure::Unavailable => ("UNAVAILABLE", "Temporary failure, try again later."),
            CommandFailure::NoRoomForAccounts => {
                ("LIMIT", "This server has no room for new accounts: its disk or memory is nearly full.")
            }
            CommandFailure::TooManyConnections => {
                ("LIMIT", "This account has too many connections already; close some of them first.")
            }
            CommandFailure::NoSuchMailbox => ("NONEXISTENT", "There is no such mailbox."),
            CommandFailure::MailboxExists => ("ALREADYEXISTS", "There is such a mailbox already."),
            CommandFailure::NotPossible => ("CANNOT", "This cannot be done with this mailbox."),
            CommandFailure::Gone => ("EXPUNGEISSUED", "Some messages are no longer there."),
            CommandFailure::OverQuota => ("OVERQUOTA", "There is no room left in the account."),
            CommandFailure::Limit => ("LIMIT", "This is over a limit of the server."),
            CommandFailure::NotPermitted => ("NOPERM", "Permission denied."),
        };
        Self::no(text).code(code)
    }
}

impl From<Fault> for Completion {
    /// A name that no mailbox can have is no mistake of the client's: `NO`, as when there is none of that name.
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Syntax(reason) => Self::bad(reason),
            Fault::Name => Self::no("A mailbox cannot have this name.").code("CANNOT"),
        }
    }
}

/// RFC 3501: string = quoted / literal; quoted if it is short and printable US-ASCII.
pub(crate) fn string(value: &[u8]) -> Vec<u8> {
    /// Longest quoted string in bytes; longer ones go as literals, which no client has to scan.
    const QUOTED_LIMIT: usize = 1_000;
    let printable = value.iter().all(|byte| (0x20..0x7f).contains(byte));
    if value.len() <= QUOTED_LIMIT && printable { quoted(value) } else { literal(value) }
}

/// RFC 3501: literal = "{" number "}" CRLF *CHAR8
pub(crate) fn literal(value: &[u8]) -> Vec<u8> {
    let mut written = format!("{{{}}}\r\n", value.len()).into_bytes();
    written.extend_from_slice(value);
    written
}

/// RFC 3501: quoted = DQUOTE *QUOTED-CHAR DQUOTE. The caller has checked that there is no CR, LF or NUL in it.
fn quoted(value: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(value.len() + 2);
    written.push(b'"');
    for &byte in value {
        if matches!(byte, b'"' | b'\\') {
            written.push(b'\\');
        }
        written.push(byte);
    }
    written.push(b'"');
    written
}
