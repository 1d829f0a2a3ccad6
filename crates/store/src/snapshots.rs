//! The message lists of recently read mailboxes, shared by all readers, and kept up to date by every change.
//!
//! A list is made outside of every lock that others wait for. While that goes on, changes of the mailbox are noted beside,
//! and who else wants the list waits for it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, PoisonError};

use host::locks::Mutex;
use mail_types::{KeywordDictionary, Uid};

use crate::message_list::MessageList;
use crate::records::MessageRecord;
use crate::types::MailboxId;

/// Bytes counted for a list beside its messages: its dictionary and its place here.
const LIST_BYTES: usize = 1 << 10;

/// Lists of messages by mailbox.
pub(crate) struct Snapshots {
    lists: Mutex<Lists>,
    /// A list that somebody waits for was made, or could not be made.
    made: Condvar,
    /// Bytes of the lists that nobody holds, beyond which the one read least recently is dropped.
    limit: usize,
}

#[derive(Default)]
struct Lists {
    slots: BTreeMap<MailboxId, Slot>,
    /// Sessions that have the mailbox open.
    holders: BTreeMap<MailboxId, usize>,
    /// The lists that nobody holds, by the number of their last reading.
    idle: BTreeMap<u64, MailboxId>,
    /// Their bytes.
    idle_bytes: usize,
    readings: u64,
}

enum Slot {
    /// The list is being made. The changes since the begin: the last of each message, a record's bytes or its removal.
    Loading(BTreeMap<Uid, Option<Vec<u8>>>),
    Ready(Cached),
}

struct Cached {
    messages: MessageList,
    keywords: Arc<KeywordDictionary>,
    /// The number of the last reading.
    read: u64,
}

/// The answer to the wish for a list.
pub(crate) enum Begin {
    Ready(MessageList, Arc<KeywordDictionary>),
    /// Another thread makes it: see [`Snapshots::wait`].
    Wait(Arc<Snapshots>),
    /// The caller has to make it.
    Load(Ticket),
}

/// The duty to make a list. Dropped without one, it lets the next who wants the list try.
pub(crate) struct Ticket {
    snapshots: Arc<Snapshots>,
    pub(crate) mailbox: MailboxId,
}

/// Keeps the list of a mailbox in memory while a session has the mailbox open, once it is there.
pub struct ListHold {
    snapshots: Arc<Snapshots>,
    mailbox: MailboxId,
}

impl Snapshots {
    /// No lists; those that nobody holds get so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { lists: Mutex::default(), made: Condvar::new(), limit }
    }

    /// The list of a mailbox, or what there is to do for it.
    pub(crate) fn begin(self: &Arc<Self>, mailbox: MailboxId) -> Begin {
        let mut lists = self.lists.lock();
        if let Some((messages, keywords)) = lists.read(mailbox) {
            return Begin::Ready(messages, keywords);
        }
        if lists.slots.contains_key(&mailbox) {
            return Begin::Wait(Arc::clone(self));
        }
        lists.slots.insert(mailbox, Slot::Loading(BTreeMap::new()));
        Begin::Load(Ticket { snapshots: Arc::clone(self), mailbox })
    }

    /// Waits until nobody makes the mailbox's list. The caller must have no lock.
    pub(crate) fn wait(&self, mailbox: MailboxId) {
        let mut lists = self.lists.lock();
        while matches!(lists.slots.get(&mailbox), Some(Slot::Loading(_))) {
            lists = self.made.wait(lists).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The list of a mailbox, if it is there.
    pub(crate) fn known(&self, mailbox: MailboxId) -> Option<(MessageList, Arc<KeywordDictionary>)> {
        self.lists.lock().read(mailbox)
    }

    /// Keeps the list of a mailbox from being dropped, as long as the result lives.
    pub(crate) fn hold(self: &Arc<Self>, mailbox: MailboxId) -> ListHold {
        let mut lists = self.lists.lock();
        lists.leave_idle(mailbox);
        *lists.holders.entry(mailbox).or_insert(0) += 1;
        ListHold { snapshots: Arc::clone(self), mailbox }
    }

    /// Notes that a message was added, changed or (without a record) removed.
    pub(crate) fn edit(&self, mailbox: MailboxId, uid: Uid, record: Option<&[u8]>) {
        let mut lists = self.lists.lock();
        match lists.slots.get_mut(&mailbox) {
            None => {}
            Some(Slot::Loading(changes)) => {
                changes.insert(uid, record.map(<[u8]>::to_vec));
            }
            Some(Slot::Ready(cached)) => {
                let before = cached.bytes();
                match record.and_then(MessageRecord::decode) {
                    Some(record) => cached.messages.put(record.entry(uid, &cached.keywords)),
                    None => cached.messages.remove(uid),
                }
                let (read, after) = (cached.read, cached.bytes());
                if lists.idle.contains_key(&read) {
                    lists.idle_bytes = (lists.idle_bytes + after).saturating_sub(before);
                    lists.shrink(self.limit);
                }
            }
        }
    }

    /// Notes that a mailbox knows new keywords.
    pub(crate) fn set_keywords(&self, mailbox: MailboxId, keywords: KeywordDictionary) {
        if let Some(Slot::Ready(cached)) = self.lists.lock().slots.get_mut(&mailbox) {
            cached.keywords = Arc::new(keywords);
        }
    }

    /// Drops a mailbox's list.
    pub(crate) fn forget(&self, mailbox: MailboxId) {
        let mut lists = self.lists.lock();
        lists.leave_idle(mailbox);
        lists.slots.remove(&mailbox);
        drop(lists);
        self.made.notify_all();
    }
}

impl Lists {
    fn read(&mut self, mailbox: MailboxId) -> Option<(MessageList, Arc<KeywordDictionary>)> {
        let Some(Slot::Ready(cached)) = self.slots.get_mut(&mailbox) else { return None };
        self.readings += 1;
        let last = std::mem::replace(&mut cached.read, self.readings);
        if self.idle.remove(&last).is_some() {
            self.idle.insert(self.readings, mailbox);
        }
        Some((cached.messages.clone(), Arc::clone(&cached.keywords)))
    }

    /// Counts a list as one that nobody holds.
    fn enter_idle(&mut self, mailbox: MailboxId) {
        if let Some(Slot::Ready(cached)) = self.slots.get(&mailbox)
            && self.idle.insert(cached.read, mailbox).is_none()
        {
            self.idle_bytes += cached.bytes();
        }
    }

    fn leave_idle(&mut self, mailbox: MailboxId) {
        if let Some(Slot::Ready(cached)) = self.slots.get(&mailbox)
            && self.idle.remove(&cached.read).is_some()
        {
            self.idle_bytes = self.idle_bytes.saturating_sub(cached.bytes());
        }
    }

    /// Drops lists one by one, the one read least recently first, until the others are within the limit.
    fn shrink(&mut self, limit: usize) {
        while self.idle_bytes > limit {
            let Some((_, mailbox)) = self.idle.pop_first() else { return };
            if let Some(Slot::Ready(cached)) = self.slots.remove(&mailbox) {
                self.idle_bytes = self.idle_bytes.saturating_sub(cached.bytes());
            }
        }
    }
}

impl Cached {
    fn bytes(&self) -> usize {
        self.messages.bytes() + LIST_BYTES
    }
}

impl Ticket {
    /// The changes that came since the begin. More may come until the caller keeps the state from changing.
    pub(crate) fn take_changes(&self) -> BTreeMap<Uid, Option<Vec<u8>>> {
        match self.snapshots.lists.lock().slots.get_mut(&self.mailbox) {
            Some(Slot::Loading(changes)) => std::mem::take(changes),
            _ => BTreeMap::new(),
        }
    }

    /// Makes the list known. The caller keeps the state from changing, so that the list lacks nothing.
    pub(crate) fn finish(self, messages: MessageList, keywords: Arc<KeywordDictionary>) {
        let mut lists = self.snapshots.lists.lock();
        lists.readings += 1;
        let read = lists.readings;
        if let Some(slot @ Slot::Loading(_)) = lists.slots.get_mut(&self.mailbox) {
            *slot = Slot::Ready(Cached { messages, keywords, read });
            if !lists.holders.contains_key(&self.mailbox) {
                lists.enter_idle(self.mailbox);
                lists.shrink(self.snapshots.limit);
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut lists = self.snapshots.lists.lock();
        if let Some(Slot::Loading(_)) = lists.slots.get(&self.mailbox) {
            lists.slots.remove(&self.mailbox);
        }
        drop(lists);
        self.snapshots.made.notify_all();
    }
}

impl Drop for ListHold {
    fn drop(&mut self) {
        let mut lists = self.snapshots.lists.lock();
        let Some(holders) = lists.holders.get_mut(&self.mailbox) else { return };
        *holders -= 1;
        if *holders == 0 {
            lists.holders.remove(&self.mailbox);
            lists.enter_idle(self.mailbox);
            lists.shrink(self.snapshots.limit);
        }
    }
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl fmt::Debug for ListHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListHold").field("mailbox", &self.mailbox).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mail_types::{CompactFlags, ModSeq, Uid, UnixTime};

    use super::{Begin, LIST_BYTES, Snapshots};
    use crate::message_list::{MessageEntry, MessageList};
    use crate::types::MailboxId;

    fn list(count: u32) -> MessageList {
        let entry = |uid| {
            let date = UnixTime(0);
            let (uid, flags) = (Uid::new(uid).unwrap(), CompactFlags::default());
            MessageEntry { uid, flags, size: 1, internal_date: date, arrived: date, modseq: ModSeq(1) }
        };
        (1..=count).map(entry).collect()
    }

    fn load(snapshots: &Arc<Snapshots>, mailbox: u64) {
        match snapshots.begin(MailboxId(mailbox)) {
            Begin::Load(ticket) => ticket.finish(list(1000), Arc::default()),
            Begin::Ready(..) | Begin::Wait(_) => panic!("there is a list of {mailbox}"),
        }
    }

    fn is_known(snapshots: &Snapshots, mailbox: u64) -> bool {
        snapshots.known(MailboxId(mailbox)).is_some()
    }

    #[test]
    fn the_list_read_least_recently_is_dropped_alone() {
        let room = list(1000).bytes() + LIST_BYTES;
        let snapshots = Arc::new(Snapshots::new(3 * room));
        (1..=3).for_each(|mailbox| load(&snapshots, mailbox));
        assert!(is_known(&snapshots, 1));
        load(&snapshots, 4);
        assert_eq!([1, 2, 3, 4].map(|mailbox| is_known(&snapshots, mailbox)), [true, false, true, true]);
        // A list that grows beyond the limit costs another its place, not all theirs.
        for uid in 2000..2100 {
            let record = crate::records::MessageRecord {
                body: crate::records::BodyRef { body: 1, size: 1, crc: 1 },
                modseq: ModSeq(2),
                internal_date: UnixTime(0),
                arrived: UnixTime(0),
                flags: CompactFlags::default(),
                named: Vec::new(),
            };
            snapshots.edit(MailboxId(4), Uid::new(uid).unwrap(), Some(&record.encode()));
        }
        assert_eq!([1, 3, 4].map(|mailbox| is_known(&snapshots, mailbox)), [false, true, true]);
        assert_eq!(snapshots.known(MailboxId(4)).unwrap().0.len(), 1100);
    }

    #[test]
    fn a_list_that_somebody_holds_stays() {
        let snapshots = Arc::new(Snapshots::new(0));
        let hold = snapshots.hold(MailboxId(1));
        let second = snapshots.hold(MailboxId(1));
        load(&snapshots, 1);
        load(&snapshots, 2);
        assert!(is_known(&snapshots, 1) && !is_known(&snapshots, 2));
        drop(hold);
        assert!(is_known(&snapshots, 1));
        drop(second);
        assert!(!is_known(&snapshots, 1));
        assert_eq!(snapshots.lists.lock().idle_bytes, 0);
    }

    #[test]
    fn one_makes_the_list_and_who_else_wants_it_waits() {
        let snapshots = Arc::new(Snapshots::new(1 << 20));
        let Begin::Load(ticket) = snapshots.begin(MailboxId(1)) else { panic!("nobody has it") };
        assert!(matches!(snapshots.begin(MailboxId(1)), Begin::Wait(_)));
        assert!(!is_known(&snapshots, 1));
        let waiting = Arc::clone(&snapshots);
        let waiting = std::thread::spawn(move || waiting.wait(MailboxId(1)));
        snapshots.edit(MailboxId(1), Uid::FIRST, None);
        assert_eq!(ticket.take_changes().into_iter().collect::<Vec<_>>(), [(Uid::FIRST, None)]);
        // It fails, and the next one tries.
        drop(ticket);
        waiting.join().unwrap();
        load(&snapshots, 1);
        assert!(matches!(snapshots.begin(MailboxId(1)), Begin::Ready(..)));
    }
}
