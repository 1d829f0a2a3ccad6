//! Making the list of a mailbox's messages, piece by piece, without keeping the state from changing meanwhile.
//!
//! ```text
//! ticket: changes are noted ─▶ recent edits, copied ─▶ the index ─▶ the noted changes on top ─▶ compared with the counters
//! ```
//!
//! In this order nothing is missed: an edit that goes from memory into the index meanwhile was copied before, and what came
//! later is noted.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail_types::{KeywordDictionary, Uid};

use crate::codec;
use crate::error::{Error, Result};
use crate::index::Reading;
use crate::keys::{self, Edits, Key};
use crate::layers::{self, Layers};
use crate::message_list::MessageList;
use crate::records::{Counters, MessageRecord};
use crate::snapshots::{Begin, Ticket};
use crate::state::State;
use crate::store::Store;
use crate::types::MailboxId;

/// Recent edits that are copied before others get their turn at the state.
const PIECE: usize = 1000;

impl Store {
    /// Reads the list of a mailbox, and other things of the same moment. The list is made where it is not known.
    pub(crate) fn with_list<T>(
        &self,
        mailbox: MailboxId,
        read: impl FnOnce(&State, MessageList, Arc<KeywordDictionary>) -> Result<T>,
    ) -> Result<T> {
        loop {
            let begin = {
                let state = self.read();
                state.counters(mailbox)?;
                match state.snapshots.begin(mailbox) {
                    Begin::Ready(messages, keywords) => return read(&state, messages, keywords),
                    other => other,
                }
            };
            match begin {
                Begin::Wait(snapshots) => snapshots.wait(mailbox),
                Begin::Load(ticket) => return self.load(ticket, read),
                Begin::Ready(..) => {}
            }
        }
    }

    /// Compares a mailbox's records with its counters, if nobody has since the start.
    pub(crate) fn ensure_verified(&self, mailbox: MailboxId) -> Result<()> {
        let known = self.read().is_verified(mailbox);
        if known { Ok(()) } else { self.with_list(mailbox, |_, _, _| Ok(())) }
    }

    fn load<T>(
        &self,
        ticket: Ticket,
        read: impl FnOnce(&State, MessageList, Arc<KeywordDictionary>) -> Result<T>,
    ) -> Result<T> {
        let mailbox = ticket.mailbox;
        for reading in [Reading::First, Reading::Repeated] {
            let mut collected = self.collect(mailbox, reading)?;
            // From here on nothing changes.
            let state = self.read();
            let counters = state.counters(mailbox)?;
            for (uid, record) in ticket.take_changes() {
                collected.change(mailbox, uid, record);
            }
            if collected.agrees(&counters) {
                state.set_verified(mailbox);
                // Keywords may have been added since; the others have their places as before.
                let (messages, keywords) = (collected.messages, Arc::new(state.dictionary(mailbox)?));
                ticket.finish(messages.clone(), Arc::clone(&keywords));
                return read(&state, messages, keywords);
            }
            // From the export, once: what disagrees then is damage in the export itself.
            if reading == Reading::First {
                let index = Arc::clone(state.index()?);
                drop(state);
                index.rebuild()?;
            }
        }
        Err(Error::MailboxDamaged)
    }

    fn collect(&self, mailbox: MailboxId, reading: Reading) -> Result<Collected> {
        let prefix = keys::messages(mailbox);
        let mut recent = Edits::new();
        let mut from = prefix.clone();
        loop {
            let state = self.read();
            let piece = Layers::new(&prefix, &from, state.recent()).take(PIECE);
            let piece: Vec<(Key, Option<Vec<u8>>)> =
                piece.map(|(key, value)| (key.clone(), value.cloned())).collect();
            let full = piece.len() == PIECE;
            recent.extend(piece);
            match recent.last_key_value().filter(|_| full) {
                Some((last, _)) => {
                    from.clone_from(last);
                    from.push(0);
                }
                None => break,
            }
        }
        let (index, keywords) = {
            let state = self.read();
            (Arc::clone(state.index()?), Arc::new(state.dictionary(mailbox)?))
        };
        let mut collected =
            Collected { messages: MessageList::default(), keywords, hashes: BTreeMap::new(), hash: 0 };
        layers::visit(
            Some(&index),
            &prefix,
            reading,
            Layers::new(&prefix, &prefix, [&recent]),
            |key, value| {
                // What is no message is damage of the index: it is left out, and so the sum disagrees.
                if let Some((_, uid)) = keys::parse_message(key) {
                    collected.put(uid, key, value);
                }
                Ok(())
            },
        )?;
        Ok(collected)
    }
}

/// A list that is being made.
struct Collected {
    messages: MessageList,
    keywords: Arc<KeywordDictionary>,
    /// The hash of each record, which goes out of the sum when the record changes.
    hashes: BTreeMap<Uid, u64>,
    hash: u64,
}

impl Collected {
    /// Puts a message; none if its record cannot be read.
    fn put(&mut self, uid: Uid, key: &[u8], value: &[u8]) {
        let Some(record) = MessageRecord::decode(value) else { return self.remove(uid) };
        let hash = codec::hash(&[key, value]);
        self.hash ^= hash ^ self.hashes.insert(uid, hash).unwrap_or(0);
        self.messages.put(record.entry(uid, &self.keywords));
    }

    fn remove(&mut self, uid: Uid) {
        self.hash ^= self.hashes.remove(&uid).unwrap_or(0);
        self.messages.remove(uid);
    }

    fn change(&mut self, mailbox: MailboxId, uid: Uid, record: Option<Vec<u8>>) {
        match record {
            Some(value) => self.put(uid, &keys::message(mailbox, uid), &value),
            None => self.remove(uid),
        }
    }

    fn agrees(&self, counters: &Counters) -> bool {
        u32::try_from(self.messages.len()).is_ok_and(|count| count == counters.messages)
            && self.hash == counters.hash
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use mail_types::{Address, Flags, Secret, Uid, UnixTime};
    use tempfile::TempDir;

    use crate::keys;
    use crate::store::Store;
    use crate::types::{Announce, MailboxId, Target};

    fn anna() -> Address {
        "anna@box.test".parse().unwrap()
    }

    /// A store with three messages in its index, one of whose records is not what it should be; nobody has read it yet.
    fn damaged(harm: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) -> (TempDir, Store, MailboxId) {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        store.create_account(&anna(), Secret::new("hash"), UnixTime(0)).unwrap();
        let mailbox = store.create_mailbox(&anna(), "Notes", None, UnixTime(0)).unwrap();
        for _ in 0..3 {
            let mut spool = store.spool(100);
            spool.write_all(b"text").unwrap();
            let (flags, internal_date, arrived) = (Flags::default(), UnixTime(0), UnixTime(0));
            let target = Target { mailbox, flags, internal_date, arrived, announce: Announce::ToNobody };
            store.deliver(spool, &[target]).unwrap();
        }
        store.checkpoint().unwrap();
        drop(store);
        let (store, _) = Store::open(directory.path()).unwrap();
        let index = Arc::clone(store.read().index().unwrap());
        let key = keys::message(mailbox, Uid::FIRST);
        let value = index.value(&key).unwrap().unwrap();
        let position = index.complete_to();
        index.apply(&Arc::new([(key, harm(value))].into()), position).unwrap();
        (directory, store, mailbox)
    }

    #[test]
    fn a_deletion_frees_the_bodies_of_messages_that_the_index_lost() {
        let (_directory, store, _) = damaged(|_| None);
        assert_eq!(store.read().places.iter().count(), 3);
        store.delete_mailbox(&anna(), "Notes").unwrap();
        assert_eq!(store.read().places.iter().count(), 0);
    }

    #[test]
    fn a_record_of_unknown_shape_makes_the_index_again() {
        let shorten = |mut value: Vec<u8>| {
            value.truncate(20);
            Some(value)
        };
        let (_directory, store, mailbox) = damaged(shorten);
        assert_eq!(store.snapshot(mailbox).unwrap().messages.len(), 3);
        let (_directory, store, mailbox) = damaged(shorten);
        assert_eq!(store.body(mailbox, Uid::FIRST).unwrap().size(), 4);
    }
}
