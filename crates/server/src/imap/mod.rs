//! Answers an IMAP session's questions from the store: here the words of the protocol meet the words of the disk.

mod append;
mod backend;
mod convert;
mod mailboxes;
mod messages;
mod metadata;

pub(crate) use backend::ImapBackend;
