//! The messages of a mailbox as a list that many hold at once: in chunks, so that a change copies one chunk and the small
//! top, and only where somebody still holds what was before.

use std::fmt;
use std::sync::Arc;

use mail_types::{CompactFlags, ModSeq, Uid, UnixTime};

/// Messages in a full chunk: few enough to copy in microseconds, enough for the top to stay small (80 000 messages are a top
/// of 8 kB).
const CHUNK: usize = 256;

/// One message of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageEntry {
    /// The UID.
    pub uid: Uid,
    /// System flags and keywords; the names of these are in the mailbox's dictionary.
    pub flags: CompactFlags,
    /// The size in bytes.
    pub size: u64,
    /// INTERNALDATE (RFC 3501 section 2.3.3): what the client that appended it says, or the time of arrival.
    pub internal_date: UnixTime,
    /// The time at which it came to this store; a copy has its original's.
    pub arrived: UnixTime,
    /// The modification sequence of its last change.
    pub modseq: ModSeq,
}

/// The messages of a mailbox at one moment, ascending by UID; later changes do not touch it. A clone shares everything.
#[derive(Clone, Default)]
pub struct MessageList {
    chunks: Arc<Vec<Chunk>>,
    length: usize,
}

#[derive(Clone)]
struct Chunk {
    /// Never empty.
    messages: Arc<Vec<MessageEntry>>,
    last: Uid,
    /// No message of the chunk changed after this.
    highest: ModSeq,
}

impl MessageList {
    /// The number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// All messages, ascending by UID.
    pub fn iter(&self) -> impl Iterator<Item = &MessageEntry> {
        self.chunks.iter().flat_map(|chunk| chunk.messages.iter())
    }

    /// The message with this UID.
    #[must_use]
    pub fn get(&self, uid: Uid) -> Option<&MessageEntry> {
        let chunk = self.chunks.get(self.chunk_of(uid))?;
        let place = chunk.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        chunk.messages.get(place)
    }

    /// The messages that changed after a modification sequence, ascending by UID. Chunks without a change are passed over.
    pub fn changed_since(&self, since: ModSeq) -> impl Iterator<Item = &MessageEntry> {
        let chunks = self.chunks.iter().filter(move |chunk| chunk.highest > since);
        chunks.flat_map(|chunk| chunk.messages.iter()).filter(move |message| message.modseq > since)
    }

    /// The bytes that the list takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.length * size_of::<MessageEntry>() + self.chunks.len() * 2 * size_of::<Chunk>()
    }

    /// Puts a message, in place of the one with its UID if there is one.
    pub(crate) fn put(&mut self, entry: MessageEntry) {
        let place = self.chunk_of(entry.uid);
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(chunk) = chunks.get_mut(place) else {
            self.length += 1;
            return append(chunks, entry);
        };
        chunk.highest = chunk.highest.max(entry.modseq);
        match chunk.messages.binary_search_by_key(&entry.uid, |message| message.uid) {
            Ok(at) => {
                if let Some(message) = Arc::make_mut(&mut chunk.messages).get_mut(at) {
                    *message = entry;
                }
            }
            // UIDs ascend, so this is rare: a change that overtook the reading of the mailbox.
            Err(at) => {
                self.length += 1;
                Arc::make_mut(&mut chunk.messages).insert(at, entry);
                split_if_long(chunks, place);
            }
        }
    }

    /// Removes a message, if it is there.
    pub(crate) fn remove(&mut self, uid: Uid) {
        if self.get(uid).is_none() {
            return;
        }
        let place = self.chunk_of(uid);
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(chunk) = chunks.get_mut(place) else { return };
        let messages = Arc::make_mut(&mut chunk.messages);
        messages.retain(|message| message.uid != uid);
        if messages.capacity() > 4 * messages.len() {
            messages.shrink_to_fit();
        }
        self.length -= 1;
        match messages.last() {
            Some(last) => {
                chunk.last = last.uid;
                merge_if_short(chunks, place);
            }
            None => {
                chunks.remove(place);
            }
        }
    }

    /// The place of the chunk that the UID belongs to; behind the last one for a UID above all.
    fn chunk_of(&self, uid: Uid) -> usize {
        self.chunks.partition_point(|chunk| chunk.last < uid)
    }
}

fn append(chunks: &mut Vec<Chunk>, entry: MessageEntry) {
    if let Some(chunk) = chunks.last_mut().filter(|chunk| chunk.messages.len() < CHUNK) {
        chunk.last = entry.uid;
        chunk.highest = chunk.highest.max(entry.modseq);
        let messages = Arc::make_mut(&mut chunk.messages);
        if messages.len() == messages.capacity() {
            // Doubled as usual, but never beyond a full chunk.
            messages.reserve_exact(messages.len().min(CHUNK - messages.len()));
        }
        return messages.push(entry);
    }
    chunks.push(Chunk { last: entry.uid, highest: entry.modseq, messages: Arc::new(vec![entry]) });
}

/// Cuts a chunk of twice the usual length in two.
fn split_if_long(chunks: &mut Vec<Chunk>, place: usize) {
    let Some(chunk) = chunks.get_mut(place).filter(|chunk| chunk.messages.len() >= 2 * CHUNK) else { return };
    let upper = Arc::make_mut(&mut chunk.messages).split_off(CHUNK);
    let (last, highest) = (chunk.last, chunk.highest);
    chunk.last = chunk.messages.last().map_or(last, |message| message.uid);
    chunks.insert(place + 1, Chunk { messages: Arc::new(upper), last, highest });
}

/// Joins a chunk that has become short with its successor or predecessor, if that is not long: a mailbox out of whose middle
/// messages went for years must not be a list of tiny chunks.
fn merge_if_short(chunks: &mut Vec<Chunk>, place: usize) {
    let length = |place: usize| chunks.get(place).map(|chunk| chunk.messages.len());
    let Some(own) = length(place).filter(|own| *own < CHUNK / 4) else { return };
    let joins = |other: Option<usize>| other.is_some_and(|other| own + other <= CHUNK / 2);
    let first = if joins(length(place + 1)) {
        place
    } else if joins(place.checked_sub(1).and_then(length)) {
        place - 1
    } else {
        return;
    };
    let upper = chunks.remove(first + 1);
    let Some(chunk) = chunks.get_mut(first) else { return };
    Arc::make_mut(&mut chunk.messages).extend_from_slice(&upper.messages);
    chunk.last = upper.last;
    chunk.highest = chunk.highest.max(upper.highest);
}

impl FromIterator<MessageEntry> for MessageList {
    fn from_iter<I: IntoIterator<Item = MessageEntry>>(entries: I) -> Self {
        let mut list = Self::default();
        entries.into_iter().for_each(|entry| list.put(entry));
        list
    }
}

impl PartialEq for MessageList {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for MessageList {}

impl fmt::Debug for MessageList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use mail_types::{CompactFlags, ModSeq, Uid, UnixTime};

    use super::{CHUNK, MessageEntry, MessageList};

    fn entry(uid: u32, modseq: u64) -> MessageEntry {
        let (flags, date) = (CompactFlags::default(), UnixTime(0));
        let uid = Uid::new(uid).unwrap();
        MessageEntry { uid, flags, size: 1, internal_date: date, arrived: date, modseq: ModSeq(modseq) }
    }

    fn list(count: u32) -> MessageList {
        (1..=count).map(|uid| entry(uid, u64::from(uid))).collect()
    }

    #[test]
    fn any_changes_give_what_a_map_would() {
        let (mut list, mut map) = (MessageList::default(), BTreeMap::new());
        let mut random = 1_u64;
        for modseq in 1..40_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let uid = u32::try_from(random >> 40).unwrap() % 4000 + 1;
            if random & (1 << 35) == 0 {
                list.put(entry(uid, modseq));
                map.insert(uid, modseq);
            } else {
                list.remove(Uid::new(uid).unwrap());
                map.remove(&uid);
            }
            assert_eq!(list.len(), map.len());
        }
        assert!(list.iter().map(|message| (message.uid.get(), message.modseq.0)).eq(map.clone()));
        let since = ModSeq(39_000);
        let changed = map.iter().filter(|(_, modseq)| **modseq > since.0).map(|(uid, _)| *uid);
        assert!(list.changed_since(since).map(|message| message.uid.get()).eq(changed));
        for uid in 1..=4000 {
            assert_eq!(list.get(Uid::new(uid).unwrap()).is_some(), map.contains_key(&uid));
        }
        assert!(list.chunks.len() <= 4 * list.len() / CHUNK + 2);
    }

    #[test]
    fn a_change_copies_one_chunk_and_leaves_what_others_hold() {
        let mut list = list(80_000);
        let before = list.clone();
        list.put(entry(80_001, 80_001));
        list.put(entry(7, 80_002));
        list.remove(Uid::new(400).unwrap());
        assert_eq!((before.len(), list.len()), (80_000, 80_000));
        assert_eq!(before.get(Uid::new(7).unwrap()).unwrap().modseq, ModSeq(7));
        let shared = before.chunks.iter().zip(list.chunks.iter());
        let copied = shared.filter(|(one, other)| !Arc::ptr_eq(&one.messages, &other.messages)).count();
        assert_eq!(copied, 3);
        assert_eq!(list.changed_since(ModSeq(80_000)).count(), 2);
    }

    #[test]
    fn a_list_out_of_which_most_messages_went_takes_little() {
        let mut list = list(80_000);
        for uid in (1..=80_000).filter(|uid| uid % 500 != 0) {
            list.remove(Uid::new(uid).unwrap());
        }
        assert_eq!(list.len(), 160);
        let kept: usize = list.chunks.iter().map(|chunk| chunk.messages.capacity()).sum();
        assert!(list.chunks.len() <= 8 && kept <= 8 * CHUNK, "{} chunks, {kept} places", list.chunks.len());
    }
}
