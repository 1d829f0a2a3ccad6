//! Accounts, mailboxes and messages on disk; the only crate that names sled.
//!
//! The journal, which is append-only, and the message files are the truth; everything else can be rebuilt from them.
//!
//! ```text
//! DIR/lock                    held while a process has the store open
//! DIR/export-POSITION         every record as of one journal position (a checkpoint)
//! DIR/journal-POSITION        transactions after that position; small message bodies live inside
//! DIR/pack-POSITION           small bodies that outlived their journal
//! DIR/messages/SHARD/BODY     a large body
//! DIR/spool/                  bodies on their way in; emptied when the store is opened
//! DIR/index/                  sled: a copy of the message records, may be deleted at any time
//! ```
//!
//! A change is a transaction: a few keys put or deleted, perhaps a body. One writer thread runs the transactions
//! that wait, appends them to the journal, syncs once for all of them, and only then shows them to readers and
//! answers the callers. Readers never wait for the disk, and never see what could still be lost. Checkpoints are made
//! beside it.
//!
//! Deliberately absent: protocol words, policy, clock, tokio. Calls block; a caller in an asynchronous program brings its
//! own threads, or uses the calls that `start` something and return a future.
#![forbid(unsafe_code)]

mod accounts;
mod bodies;
mod changes;
mod checkpoint;
mod checkpointing;
mod codec;
mod conversion;
mod delivery;
mod error;
mod export;
mod expunged;
mod files;
mod frame;
mod index;
pub mod inspect;
mod journal;
mod keys;
mod layers;
mod loading;
mod log;
mod mailboxes;
mod message_list;
mod messages;
mod metadata;
mod opening;
mod outbound;
mod pending;
mod pieces;
mod places;
mod push;
mod records;
mod recovery;
mod settings;
mod shared;
mod snapshots;
mod state;
mod store;
mod task;
mod transaction;
mod types;
mod usage;
mod writer;
mod writer_state;

pub use bodies::{BodyReader, SmallBody, Spool};
pub use delivery::Submission;
pub use error::{Error, InviteFlaw, Result};
pub use message_list::{MessageEntry, MessageList};
pub use pending::Pending;
pub use shared::{ChangeCallback, Options};
pub use snapshots::ListHold;
pub use store::Store;
pub use types::{
    Account, AccountState, Announce, Delivered, DiskSpace, FlagChange, FlagMode, FlagsChanged, Invite,
    MailboxChanges, MailboxId, MailboxInfo, MetadataScope, Moved, OpenReport, Outbound, OutboundDraft,
    OutboundId, OutboundSummary, PasswordRecord, PendingPush, PushToken, RECORD_BYTES, Snapshot, SpecialUse,
    Submitted, Target, UidRange, Usage,
};
