//! One IMAP4rev1 connection as a machine: bytes in; bytes, and questions about mail, out.
//!
//! ```text
//! bytes ──► frame ──► parse ──► act ──► respond ──► bytes
//!          lines and  Command   one file  quoting,
//!          literals             a command  literals
//!                                 │ ▲
//!                        Question ▼ │ Answer          (dialogue.rs: the interface of the driver)
//! ```
//!
//! Deliberately absent: sockets, files, clocks, randomness, accounts, the storage of mail.
//!
//! Left out on purpose: COMPRESS=DEFLATE, since its windows would make an idle connection cost hundreds of kilobytes;
//! BINARY, since clients decode.
#![forbid(unsafe_code)]

mod act;
mod command;
mod datetime;
mod dialogue;
mod fault;
mod frame;
mod length;
mod limits;
mod mail;
mod mailbox_name;
mod message;
mod parse;
mod recent;
mod respond;
mod search_key;
mod sequence;
mod session;
mod settings;
mod state;
mod view;
mod writer;

pub use dialogue::{Answer, CommandFailure, HEAD_LIMIT, Input, Output, Question, READ_LIMIT};
pub use limits::MESSAGE_BYTES;
pub use mail::{
    Access, Existence, Expunged, FlagChange, FlagMode, Mailbox, MailboxChanges, MailboxStatus, MessageFlags,
    MessageInfo, MetadataDepth, MetadataOwner, QuotaUsage, Snapshot, SpecialUse, Subscription,
};
pub use mailbox_name::{MailboxName, MailboxNameError};
pub use session::Session;
pub use settings::{PushOffer, Settings, Transport};
