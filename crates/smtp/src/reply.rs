//! Replies (RFC 5321 section 4.2), and the table of all that this crate says by itself.
//!
//! No other file of the crate spells a reply code. Rules that refuse mail build theirs with [`Reply::new`].

use std::borrow::Cow;
use std::fmt;

/// A reply of one line: a code and a text, which opens with the enhanced status code (RFC 3463) where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    text: Cow<'static, str>,
}

/// The longest reply text, so that the line stays within the 512 bytes of RFC 5321 section 4.5.3.1.5.
const TEXT_LIMIT: usize = 500;

impl Reply {
    /// A reply from a code and a text. What could break the line is replaced, so the text may quote the client.
    #[must_use]
    pub fn new(code: u16, text: &str) -> Self {
        let printable = |character: char| if matches!(character, ' '..='~') { character } else { '?' };
        Self { code: code.clamp(200, 599), text: text.chars().take(TEXT_LIMIT).map(printable).collect() }
    }

    /// A reply known at compile time.
    const fn fixed(code: u16, text: &'static str) -> Self {
        Self { code, text: Cow::Borrowed(text) }
    }

    /// The three-digit code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The text after the code.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether this is a success (2xx).
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code < 300
    }

    /// Whether this is a transient failure (4xx): the client retries later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// The line as it goes to the client.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        format!("{} {}\r\n", self.code, self.text).into_bytes()
    }
}

impl fmt::Display for Reply {
    /// `250 2.0.0 Ok`: also the body of an answer to HTTPS delivery.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// Every fixed reply, by what it says.
pub mod table {
    use super::Reply;

    /// The connection ends because the client asked for it.
    pub const BYE: Reply = Reply::fixed(221, "2.0.0 Bye");
    /// TLS may begin.
    pub const READY_FOR_TLS: Reply = Reply::fixed(220, "2.0.0 Ready to start TLS");
    /// The login worked.
    pub const AUTHENTICATED: Reply = Reply::fixed(235, "2.7.0 Authentication successful");
    /// A command without a reply of its own succeeded.
    pub const OK: Reply = Reply::fixed(250, "2.0.0 Ok");
    /// MAIL was taken.
    pub const SENDER_OK: Reply = Reply::fixed(250, "2.1.0 Ok");
    /// RCPT was taken.
    pub const RECIPIENT_OK: Reply = Reply::fixed(250, "2.1.5 Ok");
    /// The message is on disk.
    pub const ACCEPTED: Reply = Reply::fixed(250, "2.0.0 Ok: message accepted");
    /// VRFY: the same for every name, so that it tells no account.
    pub const CANNOT_VERIFY: Reply = Reply::fixed(252, "2.0.0 Cannot verify, but will try to deliver");
    /// HELP.
    pub const HELP: Reply = Reply::fixed(214, "2.0.0 See RFC 5321");
    /// DATA may begin.
    pub const SEND_DATA: Reply = Reply::fixed(354, "End data with <CR><LF>.<CR><LF>");

    /// The server is being stopped.
    pub const SHUTTING_DOWN: Reply = Reply::fixed(421, "4.3.2 Shutting down, please come again");
    /// The client was silent for too long.
    pub const TIMED_OUT: Reply = Reply::fixed(421, "4.4.2 Timeout, closing the connection");
    /// Too many commands that made no sense.
    pub const TOO_MANY_ERRORS: Reply = Reply::fixed(421, "4.7.0 Too many errors, closing the connection");
    /// More input than the machine keeps.
    pub const FLOODED: Reply = Reply::fixed(421, "4.7.0 Too much pipelined input, closing the connection");
    /// The limit of all connections (RFC 3463 section 3.4: the system does not accept network messages now).
    pub const TOO_MANY_CONNECTIONS: Reply = Reply::fixed(421, "4.3.2 Too many connections; try again later.");
    /// The limit of the connections from one address (RFC 3463 section 3.8: policy), as relays say it.
    pub const TOO_MANY_FROM_NETWORK: Reply =
        Reply::fixed(421, "4.7.0 Too many connections from your network; try again later.");
    /// Our own trouble: the client shall retry.
    pub const LOCAL_TROUBLE: Reply = Reply::fixed(451, "4.3.0 Local trouble, please try again later");
    /// The disk is full.
    pub const NO_SPACE: Reply = Reply::fixed(452, "4.3.1 No space left, please try again later");
    /// The recipient limit of one transaction.
    pub const TOO_MANY_RECIPIENTS: Reply = Reply::fixed(452, "4.5.3 Too many recipients");
    /// The login could not be checked.
    pub const AUTHENTICATION_TROUBLE: Reply =
        Reply::fixed(454, "4.7.0 Temporary trouble, please try again later");
    /// The account may be created, but the machine has no room for it.
    pub const NO_ROOM_FOR_ACCOUNTS: Reply = Reply::fixed(
        454,
        "4.7.0 This server has no room for new accounts: its disk or memory is nearly full",
    );
    /// The account has as many connections as it may.
    pub const TOO_MANY_OF_ACCOUNT: Reply = Reply::fixed(
        454,
        "4.7.0 This account has too many connections already, please close some of them first",
    );
    /// Too many guesses for one account, or from one network.
    pub const AUTHENTICATION_THROTTLED: Reply =
        Reply::fixed(454, "4.7.0 Too many attempts, please try again later");

    /// A line longer than the limit.
    pub const LINE_TOO_LONG: Reply = Reply::fixed(500, "5.5.2 Line too long");
    /// A line that does not end in CR LF, or holds one of them alone.
    pub const BARE_NEWLINE: Reply = Reply::fixed(500, "5.5.2 Lines must end in CR LF");
    /// No such command.
    pub const UNKNOWN_COMMAND: Reply = Reply::fixed(500, "5.5.1 Command not recognized");
    /// The message holds a bare CR or LF, or none at all.
    pub const INVALID_DATA: Reply = Reply::fixed(500, "Invalid DATA");
    /// The argument of a command cannot be parsed.
    pub const SYNTAX: Reply = Reply::fixed(501, "5.5.4 Syntax error in arguments");
    /// MAIL with something that is no address.
    pub const SENDER_SYNTAX: Reply = Reply::fixed(501, "5.1.7 Bad sender address syntax");
    /// RCPT with something that is no address.
    pub const RECIPIENT_SYNTAX: Reply = Reply::fixed(501, "5.1.3 Bad recipient address syntax");
    /// The client ended AUTH with `*`.
    pub const AUTHENTICATION_ABORTED: Reply = Reply::fixed(501, "5.7.0 Authentication aborted");
    /// A response within AUTH that is not base64, or not what the mechanism asks for.
    pub const AUTHENTICATION_SYNTAX: Reply = Reply::fixed(501, "5.5.2 Cannot decode the response");
    /// A mechanism that is not offered.
    pub const UNKNOWN_MECHANISM: Reply = Reply::fixed(504, "5.5.4 Unrecognized authentication mechanism");
    /// EHLO is missing.
    pub const EHLO_FIRST: Reply = Reply::fixed(503, "5.5.1 Send EHLO first");
    /// MAIL is missing.
    pub const MAIL_FIRST: Reply = Reply::fixed(503, "5.5.1 Send MAIL first");
    /// MAIL within a transaction.
    pub const NESTED_MAIL: Reply = Reply::fixed(503, "5.5.1 A transaction is already open");
    /// DATA although no recipient was accepted.
    pub const NO_RECIPIENTS: Reply = Reply::fixed(554, "5.5.1 No valid recipients");
    /// AUTH twice.
    pub const ALREADY_AUTHENTICATED: Reply = Reply::fixed(503, "5.5.1 Already authenticated");
    /// AUTH within a transaction.
    pub const AUTH_IN_TRANSACTION: Reply =
        Reply::fixed(503, "5.5.1 AUTH is not possible within a transaction");
    /// AUTH where it is not offered.
    pub const AUTH_NOT_OFFERED: Reply = Reply::fixed(503, "5.5.1 AUTH is not offered here");
    /// STARTTLS where it is not offered.
    pub const TLS_NOT_OFFERED: Reply = Reply::fixed(503, "5.5.1 STARTTLS is not offered here");
    /// Bytes after STARTTLS in clear text: an injection attack, or a client that does not wait.
    pub const PIPELINED_TLS: Reply = Reply::fixed(503, "5.5.1 Nothing may follow STARTTLS");
    /// AUTH or MAIL before TLS.
    pub const TLS_FIRST: Reply = Reply::fixed(530, "5.7.0 Must issue a STARTTLS command first");
    /// MAIL before AUTH on a submission port.
    pub const AUTH_FIRST: Reply = Reply::fixed(530, "5.7.0 Authentication required");
    /// Wrong name or password.
    pub const AUTHENTICATION_FAILED: Reply = Reply::fixed(535, "5.7.8 Error: authentication failed");
    /// Larger than the limit told at EHLO.
    pub const TOO_LARGE: Reply =
        Reply::fixed(552, "5.3.4 Message exceeds maximum size: on its way a file grows by nearly half");
    /// A parameter of MAIL or RCPT that was not offered.
    pub const UNKNOWN_PARAMETER: Reply = Reply::fixed(555, "5.5.4 Parameter not recognized");
    /// A recipient of another domain on the inbound port.
    pub const RELAY_DENIED: Reply = Reply::fixed(554, "5.7.1 Relay access denied");
}

#[cfg(test)]
mod tests {
    use super::Reply;

    #[test]
    fn a_reply_never_breaks_the_line() {
        let reply = Reply::new(550, "no <a\r\n250 b> é");
        assert_eq!(reply.to_string(), "550 no <a??250 b> ?");
        assert!(Reply::new(550, &"x".repeat(2000)).line().len() <= 512);
        assert_eq!(Reply::new(7, "odd").code(), 200);
    }
}
