//! One IMAP4rev1 connection as a machine: bytes in; bytes, and questions about mail, out.
//!
//! ```text
//! bytes ──► frame ──► parse ──► act ──► respond ──► bytes
//!          lines and  Command   one file  quoting,
//!          literals             a command  literals
//!                                 │ ▲
//!                        Question ▼ │ Answer          (dialogue.rs: all that a driver must know)
//! ```
//!
//! Deliberately absent: sockets, files, clocks, randomness, accounts, how mail is kept. The grammar is parsed here
//! and not by a library because literals have to stream, quirks have to be let through by name, and a malformed
//! command has to be answered with its tag.
#![forbid(unsafe_code)]

mod act;
mod command;
mod datetime;
mod dialogue;
mod frame;
mod limits;
mod mailbox_name;
mod message;
mod parse;
mod respond;
mod search;
mod sequence;
mod session;
mod view;
mod writer;

pub use dialogue::{
    Access, Answer, Changes, Existence, Expunged, FlagChange, FlagMode, HEAD_LIMIT, Input, Mailbox,
    MailboxStatus, MessageFlags, MessageInfo, MetadataDepth, MetadataOwner, Output, Push, Question,
    QuotaUsage, READ_LIMIT, Refusal, Settings, Snapshot, SpecialUse, Subscription, Transport,
};
pub use mailbox_name::{MailboxName, MailboxNameError};
pub use session::Session;
