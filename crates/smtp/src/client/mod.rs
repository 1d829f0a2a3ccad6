//! The other side of SMTP: one connection to another server as a machine that delivers messages over it.
//!
//! ```text
//! Greeting -> EHLO -> STARTTLS -> handshake -> EHLO -> [AUTH] -> Ready
//! Ready -> MAIL, RCPT.., DATA -> content -> one fate per recipient -> Ready
//! ```
//!
//! It does not know where to connect, which certificate to believe, or when to try again: the driver does the first
//! two, and the third is a rule. Trouble of the connection ([`Trouble`]) is apart from a refusal of the message
//! ([`Fate::Refused`]): after the former another host may be tried, after the latter not.

mod dialogue;
mod replies;
mod session;

pub use dialogue::{Body, Encryption, Fate, Input, Output, Settings, Transaction, Trouble};
pub use session::Client;
