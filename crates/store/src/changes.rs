//! Reading a mailbox: snapshots, changes since a modification sequence, bodies. Nothing here waits for the writer.

use std::fs::File;
use std::io::{self, Cursor};
use std::sync::Arc;

use mail_types::{Flags, KeywordDictionary, ModSeq, Uid};

use crate::bodies::{BodyReader, Source};
use crate::error::{Error, Result};
use crate::files;
use crate::frame;
use crate::keys;
use crate::message_list::MessageList;
use crate::records::BodyRef;
use crate::snapshots::ListHold;
use crate::state::{State, decode};
use crate::store::Store;
use crate::types::{MailboxChanges, MailboxId, Snapshot, UidRange};

impl Store {
    /// The mailbox's current messages and counters.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`]; see [`Error`] for those of every read.
    pub fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot> {
        self.with_list(mailbox, |state, messages, keywords| snapshot(state, mailbox, messages, keywords))
    }

    /// The same without ever waiting for the disk; `None` if it would have to.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`]; see [`Error`] for those of every read.
    pub fn snapshot_at_hand(&self, mailbox: MailboxId) -> Result<Option<Snapshot>> {
        let state = self.read();
        snapshot_at_hand(&state, mailbox)
    }

    /// Keeps the list of the mailbox's messages in memory as long as the result lives: for a session that has it open.
    #[must_use]
    pub fn hold_list(&self, mailbox: MailboxId) -> ListHold {
        self.read().snapshots.hold(mailbox)
    }

    /// Whether the mailbox knows all keywords among the flags, or has places for the others now.
    ///
    /// # Errors
    ///
    /// [`Error::KeywordsFull`], [`Error::NoSuchMailbox`]; see [`Error`] for those of every read.
    pub fn require_keywords(&self, mailbox: MailboxId, flags: &Flags) -> Result<()> {
        if flags.keywords.is_empty() {
            return Ok(());
        }
        let mut keywords = self.read().dictionary(mailbox)?;
        keywords.intern(flags).map(|_| ()).map_err(|_| Error::KeywordsFull)
    }

    /// The changes after a modification sequence.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`]; see [`Error`] for those of every read.
    pub fn changes_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<MailboxChanges> {
        self.with_list(mailbox, |state, messages, keywords| {
            Ok(changes(state, mailbox, since, snapshot(state, mailbox, messages, keywords)?))
        })
    }

    /// The same without ever waiting for the disk; `None` if it would have to.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`]; see [`Error`] for those of every read.
    pub fn changes_at_hand(&self, mailbox: MailboxId, since: ModSeq) -> Result<Option<MailboxChanges>> {
        let state = self.read();
        let snapshot = snapshot_at_hand(&state, mailbox)?;
        Ok(snapshot.map(|snapshot| changes(&state, mailbox, since, snapshot)))
    }

    /// A message's bytes.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMessage`], [`Error::Damaged`] when the body's file is missing; see [`Error`] for those of every read.
    pub fn body(&self, mailbox: MailboxId, uid: Uid) -> Result<BodyReader> {
        let key = keys::message(mailbox, uid);
        self.ensure_verified(mailbox)?;
        let find = |state: &State| {
            let value = state.message(mailbox, &key)?.ok_or(Error::NoSuchMessage)?;
            Ok(decode(&value)?.body)
        };
        self.open_body(find)
    }

    /// A message's bytes if they came a moment ago and are still in memory; never waits for the disk.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMessage`]; see [`Error`] for those of every read.
    pub fn body_at_hand(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<BodyReader>> {
        let state = self.read();
        let Some(record) = state.recent_message(&keys::message(mailbox, uid)) else { return Ok(None) };
        let body = decode(record.ok_or(Error::NoSuchMessage)?)?.body;
        let Some((place, container)) = state.places.find(body.body) else { return Ok(None) };
        let length = usize::try_from(place.length).unwrap_or(usize::MAX).min(frame::LIMIT);
        let bytes = files::read_at_hand(&container.file, place.offset, length);
        Ok(bytes.map(|bytes| BodyReader::new(Source::Memory(Cursor::new(bytes)), body.size, body.crc)))
    }

    /// Opens the body that `find` finds, again when the body moves or goes meanwhile.
    pub(crate) fn open_body(&self, find: impl Fn(&State) -> Result<BodyRef>) -> Result<BodyReader> {
        let (body, inline) = {
            let state = self.read();
            let body = find(&state)?;
            let place = state.places.find(body.body);
            (body, place.map(|(place, container)| (place, container.clone())))
        };
        let path = self.bodies().path(body.body);
        let source = match inline {
            Some((place, container)) => {
                let length = usize::try_from(place.length).unwrap_or(usize::MAX).min(frame::LIMIT);
                let bytes = files::read_at(&container.file, &container.path, place.offset, length)?;
                Source::Memory(Cursor::new(bytes))
            }
            None => match File::open(&path) {
                Ok(file) => Source::File(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // An expunge at this moment has removed the record before the file.
                    find(&self.read())?;
                    return Err(Error::Damaged { path, what: "the message's file is missing".to_owned() });
                }
                Err(error) => return Err(Error::io("open", path)(error)),
            },
        };
        Ok(BodyReader::new(source, body.size, body.crc))
    }
}

fn snapshot_at_hand(state: &State, mailbox: MailboxId) -> Result<Option<Snapshot>> {
    let known = state.snapshots.known(mailbox);
    known.map(|(messages, keywords)| snapshot(state, mailbox, messages, keywords)).transpose()
}

fn snapshot(
    state: &State,
    mailbox: MailboxId,
    messages: MessageList,
    keywords: Arc<KeywordDictionary>,
) -> Result<Snapshot> {
    let counters = state.counters(mailbox)?;
    Ok(Snapshot {
        uid_validity: counters.uid_validity,
        uid_next: counters.uid_next,
        highest_modseq: counters.modseq,
        keywords,
        messages,
    })
}

fn changes(state: &State, mailbox: MailboxId, since: ModSeq, snapshot: Snapshot) -> MailboxChanges {
    let changed = snapshot.messages.changed_since(since).copied().collect();
    let vanished = vanished(state, mailbox, since, &snapshot);
    MailboxChanges { snapshot, changed, vanished }
}

fn vanished(state: &State, mailbox: MailboxId, since: ModSeq, snapshot: &Snapshot) -> Vec<UidRange> {
    if since >= snapshot.highest_modseq {
        return Vec::new();
    }
    match state.expunged.since(mailbox, since) {
        Some(mut uids) => {
            uids.sort();
            ranges(uids)
        }
        None => holes(snapshot),
    }
}

/// Ascending UIDs as ranges.
fn ranges(uids: Vec<Uid>) -> Vec<UidRange> {
    let mut ranges: Vec<UidRange> = Vec::new();
    for uid in uids {
        match ranges.last_mut() {
            Some(range) if range.last.next() == Some(uid) => range.last = uid,
            _ => ranges.push(UidRange { first: uid, last: uid }),
        }
    }
    ranges
}

/// Every UID below UIDNEXT that the mailbox does not hold.
fn holes(snapshot: &Snapshot) -> Vec<UidRange> {
    let mut holes = Vec::new();
    let mut next = Uid::FIRST;
    let ends = snapshot.messages.iter().map(|message| message.uid).chain([snapshot.uid_next]);
    for uid in ends {
        if next < uid
            && let Some(last) = Uid::new(uid.get() - 1)
        {
            holes.push(UidRange { first: next, last });
        }
        match uid.next() {
            Some(after) => next = after,
            None => break,
        }
    }
    holes
}
