//! Conversion between the store's types and IMAP's.

use std::sync::Arc;

use imap::{CommandFailure, Expunged};
use mail_types::Uid;
use store::Error;

/// Expunged UIDs are listed one by one up to this many; beyond, the survivors are listed instead if they are fewer.
const LISTED_GONE: u64 = 4096;

/// The response to an error of the store. Failures of the server's own are logged here, where they are last known in
/// full.
pub(crate) fn failure(error: &Error) -> CommandFailure {
    match error {
        Error::NoSuchMailbox => CommandFailure::NoSuchMailbox,
        Error::MailboxExists => CommandFailure::MailboxExists,
        Error::InboxIsFixed => CommandFailure::NotPossible,
        Error::NoSuchMessage => CommandFailure::Gone,
        Error::TooLarge { .. } | Error::KeywordsFull => CommandFailure::Limit,
        Error::NoSuchAccount => CommandFailure::NotPermitted,
        _ => {
            tracing::error!(%error, "the store could not do what a mail program asked for");
            CommandFailure::Unavailable
        }
    }
}

pub(crate) fn message_info(entry: &store::MessageEntry) -> imap::MessageInfo {
    imap::MessageInfo {
        uid: entry.uid,
        flags: entry.flags,
        size: entry.size,
        internal_date: entry.internal_date,
        modseq: entry.modseq,
    }
}

pub(crate) fn message_flags(entry: &store::MessageEntry) -> imap::MessageFlags {
    imap::MessageFlags { uid: entry.uid, flags: entry.flags, modseq: entry.modseq }
}

pub(crate) fn snapshot(snapshot: &store::Snapshot, recent_from: Uid) -> imap::Snapshot {
    imap::Snapshot {
        uid_validity: snapshot.uid_validity,
        uid_next: snapshot.uid_next,
        highest_modseq: snapshot.highest_modseq,
        recent_from,
        keywords: Arc::clone(&snapshot.keywords),
        messages: snapshot.messages.iter().map(message_info).collect(),
    }
}

pub(crate) fn changes(changes: &store::MailboxChanges, recent_from: Uid) -> imap::MailboxChanges {
    imap::MailboxChanges {
        keywords: Arc::clone(&changes.snapshot.keywords),
        changed: changes.changed.iter().map(message_info).collect(),
        expunged: expunged(changes),
        uid_next: changes.snapshot.uid_next,
        highest_modseq: changes.snapshot.highest_modseq,
        recent_from,
    }
}

fn expunged(changes: &store::MailboxChanges) -> Expunged {
    let count = |range: &store::UidRange| u64::from(range.last.get().saturating_sub(range.first.get())) + 1;
    let gone: u64 = changes.vanished.iter().map(count).sum();
    if gone > LISTED_GONE {
        return Expunged::AllBut(changes.snapshot.messages.iter().map(|message| message.uid).collect());
    }
    let numbers = changes.vanished.iter().flat_map(|range| range.first.get()..=range.last.get());
    Expunged::These(numbers.filter_map(Uid::new).collect())
}

pub(crate) fn flag_change(
    change: imap::FlagChange,
    unchanged_since: Option<mail_types::ModSeq>,
) -> store::FlagChange {
    let mode = match change.mode {
        imap::FlagMode::Add => store::FlagMode::Add,
        imap::FlagMode::Remove => store::FlagMode::Remove,
        imap::FlagMode::Replace => store::FlagMode::Set,
    };
    store::FlagChange { mode, flags: change.flags, unchanged_since }
}

pub(crate) fn special_use(special_use: imap::SpecialUse) -> store::SpecialUse {
    match special_use {
        imap::SpecialUse::All => store::SpecialUse::All,
        imap::SpecialUse::Archive => store::SpecialUse::Archive,
        imap::SpecialUse::Drafts => store::SpecialUse::Drafts,
        imap::SpecialUse::Flagged => store::SpecialUse::Flagged,
        imap::SpecialUse::Junk => store::SpecialUse::Junk,
        imap::SpecialUse::Sent => store::SpecialUse::Sent,
        imap::SpecialUse::Trash => store::SpecialUse::Trash,
    }
}

pub(crate) fn shown_special_use(special_use: store::SpecialUse) -> imap::SpecialUse {
    match special_use {
        store::SpecialUse::All => imap::SpecialUse::All,
        store::SpecialUse::Archive => imap::SpecialUse::Archive,
        store::SpecialUse::Drafts => imap::SpecialUse::Drafts,
        store::SpecialUse::Flagged => imap::SpecialUse::Flagged,
        store::SpecialUse::Junk => imap::SpecialUse::Junk,
        store::SpecialUse::Sent => imap::SpecialUse::Sent,
        store::SpecialUse::Trash => imap::SpecialUse::Trash,
    }
}
