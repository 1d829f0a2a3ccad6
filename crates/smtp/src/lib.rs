//! One SMTP connection as a machine: bytes, answers and time in; replies, questions and message content out.
//!
//! The crate holds the wire format: commands, replies, SASL, the framing of message content (RFC 5321, 4954, 2920, 1870,
//! 3207, 2034). No queue, no account, no rule about who may write to whom, no socket, no clock: [`Session`] asks
//! the driver, and says when to wake it.
//!
//! ```text
//! socket -> Session::handle -> [lines] -> [command] -> [session] -> Session::poll -> socket, spool, questions
//!                           \-> [content] ---------/
//! ```
//!
//! [`client`] is the other side, for mail to other servers.
//!
//! CHUNKING is not offered: no mail program around chatmail uses it, and its content escapes the line checks that
//! stop message smuggling. SMTPUTF8 is not offered either: an address here is ASCII ([`mail_types::Address`]).
#![forbid(unsafe_code)]

pub mod client;

mod auth;
mod command;
mod content;
mod dialogue;
mod lines;
mod reply;
mod session;
mod stuffing;

pub use content::{Content, ContentError, Progress};
pub use dialogue::{Answer, CloseReason, Envelope, Input, Output, Question, Role, Settings, Transport};
pub use reply::{Reply, table};
pub use session::Session;
pub use stuffing::Stuffing;
