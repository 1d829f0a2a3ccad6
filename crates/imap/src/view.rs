//! The selected mailbox as this session has reported it to its client: the mapping of sequence numbers to messages.
//!
//! Changes by other sessions enter the view through [`View::apply`]. An expunged message keeps its sequence number
//! until the session may report the expunge (RFC 3501 sections 5.5 and 7.4.1) and calls [`View::remove_expunged`].

use std::sync::Arc;

use mail_types::{CompactFlags, Keyword, KeywordDictionary, ModSeq, SystemFlag, Uid, UidValidity, UnixTime};

use crate::dialogue::Question;
use crate::mail::{Access, Expunged, MailboxChanges, MessageFlags, MessageInfo, Snapshot};
use crate::mailbox_name::MailboxName;
use crate::recent::Recent;
use crate::sequence::{Numbering, SequenceSet};

/// A selected mailbox.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) mailbox: MailboxName,
    pub(crate) access: Access,
    pub(crate) uid_validity: UidValidity,
    pub(crate) uid_next: Uid,
    /// All changes up to this modification sequence are in the view.
    pub(crate) synced: ModSeq,
    /// All changes up to this modification sequence were reported to the client, expunges included.
    pub(crate) reported: ModSeq,
    /// The modification sequence of the latest change that the client made itself.
    own_change: ModSeq,
    /// In order of sequence numbers, which is ascending by UID.
    messages: Vec<Message>,
    recent: Recent,
    /// The keywords that messages of the mailbox have or had, in the order in which they became known.
    keywords: Arc<KeywordDictionary>,
    /// The number of them that were announced; `None` before the first time.
    announced: Option<usize>,
}

/// A message that has a sequence number.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) uid: Uid,
    pub(crate) size: u64,
    pub(crate) internal_date: UnixTime,
    pub(crate) modseq: ModSeq,
    pub(crate) flags: CompactFlags,
    presence: Presence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Present,
    /// Expunged in the mailbox, not yet reported to the client.
    Expunged,
}

/// The untagged responses that are due after changes were applied, apart from expunges, which stay in the view.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Updates {
    /// True if there are new messages: `EXISTS`.
    pub(crate) arrived: bool,
    /// Messages whose flags changed: `FETCH`.
    pub(crate) flagged: Vec<Uid>,
}

/// The error of a sequence number beyond the last message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoSuchMessage;

impl View {
    pub(crate) fn new(mailbox: MailboxName, access: Access, snapshot: Snapshot) -> Self {
        let mut view = Self {
            mailbox,
            access,
            uid_validity: snapshot.uid_validity,
            uid_next: snapshot.uid_next,
            synced: snapshot.highest_modseq,
            reported: snapshot.highest_modseq,
            own_change: snapshot.highest_modseq,
            messages: Vec::with_capacity(snapshot.messages.len()),
            recent: Recent::default(),
            keywords: snapshot.keywords,
            announced: None,
        };
        view.recent.add(snapshot.recent_from, snapshot.uid_next);
        for message in snapshot.messages {
            view.append(message);
        }
        view
    }

    /// The number of messages with a sequence number, unreported expunges included: `EXISTS`.
    pub(crate) fn exists(&self) -> usize {
        self.messages.len()
    }

    /// All messages with their sequence numbers, unreported expunges included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Message)> {
        self.messages.iter().enumerate().map(|(index, message)| (index + 1, message))
    }

    /// The message with this UID, and its sequence number.
    pub(crate) fn find(&self, uid: Uid) -> Option<(usize, &Message)> {
        let index = self.index(uid)?;
        Some((index + 1, self.messages.get(index)?))
    }

    /// The UIDs of the messages that a command names, ascending. UIDs without a message are passed over (RFC 3501
    /// section 6.4.8). A sequence number or range that lies beyond the last message is an error; as a quirk, a range that
    /// only ends there is not: RFC 3501 section 9 forbids it, but clients send it.
    pub(crate) fn resolve(&self, set: &SequenceSet, numbering: Numbering) -> Result<Vec<Uid>, NoSuchMessage> {
        if numbering == Numbering::Sequence && set.has_range_beyond(self.largest_number().unwrap_or(0)) {
            return Err(NoSuchMessage);
        }
        Ok(self.members(set, numbering))
    }

    /// The UIDs of the messages in a set, ascending; numbers without a message are passed over.
    pub(crate) fn members(&self, set: &SequenceSet, numbering: Numbering) -> Vec<Uid> {
        let mut uids = Vec::new();
        match numbering {
            Numbering::Uid => {
                // `*` is the largest UID in use, so that `999:*` names at least the last message.
                let largest = self.messages.last().map(|message| message.uid.get());
                for (from, to) in set.ranges(largest) {
                    // A range may span 4 billion UIDs: only those of messages are visited.
                    let first = self.messages.partition_point(|message| message.uid.get() < from);
                    let within = self.messages.iter().skip(first).map(|message| message.uid);
                    uids.extend(within.take_while(|uid| uid.get() <= to));
                }
            }
            Numbering::Sequence => {
                for (from, to) in set.ranges(self.largest_number()) {
                    // Sequence numbers begin at 1, and `take` cuts a range at the last message.
                    let skip = usize::try_from(from).unwrap_or(usize::MAX).saturating_sub(1);
                    let count = usize::try_from(to - from).unwrap_or(usize::MAX).saturating_add(1);
                    uids.extend(self.messages.iter().skip(skip).take(count).map(|message| message.uid));
                }
            }
        }
        uids
    }

    /// The sequence number of the last message, if there is one.
    fn largest_number(&self) -> Option<u32> {
        u32::try_from(self.messages.len()).ok().filter(|&count| count > 0)
    }

    /// The UIDs of the messages with `\Deleted` that are not expunged.
    pub(crate) fn deleted(&self) -> Vec<Uid> {
        let present = self.messages.iter().filter(|message| message.presence == Presence::Present);
        let deleted = present.filter(|message| message.flags.has(SystemFlag::Deleted));
        deleted.map(|message| message.uid).collect()
    }

    /// All keywords, if some were not announced yet; they count as announced from now on.
    pub(crate) fn unannounced_keywords(&mut self) -> Option<&KeywordDictionary> {
        let known = self.keywords.len();
        let is_new = self.announced.is_none_or(|announced| announced < known);
        self.announced = Some(known);
        is_new.then_some(&*self.keywords)
    }

    /// The names of the mailbox's keywords.
    pub(crate) fn keywords(&self) -> &KeywordDictionary {
        &self.keywords
    }

    /// Takes the names that came with an answer. Names are only ever added, and an answer may be older than the one before.
    pub(crate) fn note_keywords(&mut self, keywords: Arc<KeywordDictionary>) {
        if keywords.len() > self.keywords.len() {
            self.keywords = keywords;
        }
    }

    /// The flags of a message. RFC 3501: "(" [flag-fetch *(SP flag-fetch)] ")"
    pub(crate) fn flag_list(&self, message: &Message) -> String {
        let set = SystemFlag::ALL.into_iter().filter(|&flag| message.flags.has(flag));
        let mut names: Vec<&str> = set.map(SystemFlag::as_str).collect();
        if self.recent.contains(message.uid) {
            names.push("\\Recent");
        }
        names.extend(self.keywords.names(message.flags).map(Keyword::as_str));
        format!("({})", names.join(" "))
    }

    /// The messages with `\Recent`, ascending.
    pub(crate) fn recent_uids(&self) -> impl Iterator<Item = Uid> {
        self.recent.ranges().iter().flat_map(|range| {
            let first = self.messages.partition_point(|message| message.uid.get() < range.start);
            let uids = self.messages.iter().skip(first).map(|message| message.uid);
            uids.take_while(|uid| uid.get() < range.end)
        })
    }

    /// The number of messages with `\Recent`: `RECENT`.
    pub(crate) fn recent(&self) -> usize {
        self.recent_uids().count()
    }

    /// The question for all changes after a modification sequence.
    pub(crate) fn changes_since(&self, since: ModSeq) -> Question {
        Question::Changes { mailbox: self.mailbox.clone(), access: self.access, since }
    }

    /// Records the messages of which this session is the first to be notified.
    pub(crate) fn note_recent(&mut self, changes: &MailboxChanges) {
        self.recent.add(changes.recent_from, changes.uid_next);
    }

    /// The expunged UIDs in the ranges for `VANISHED (EARLIER)`, ascending. Messages that still have a sequence number
    /// are left out: they are reported by `VANISHED` when the number is removed.
    pub(crate) fn vanished(&self, expunged: &Expunged, ranges: &[(u32, u32)]) -> Vec<u32> {
        match expunged {
            Expunged::These(uids) => {
                let vanished = uids.iter().map(|uid| uid.get()).filter(|&uid| !self.has_number(uid));
                vanished.filter(|uid| ranges.iter().any(|(from, to)| (from..=to).contains(&uid))).collect()
            }
            // Without a list, every UID given so far that has no message counts as expunged.
            Expunged::AllBut(_) => {
                let last = self.uid_next.get().saturating_sub(1);
                let all = ranges.iter().flat_map(|&(from, to)| from..=to.min(last));
                all.filter(|&uid| !self.has_number(uid)).collect()
            }
        }
    }

    /// Records the modification sequence of a change that the client made itself.
    pub(crate) fn note_own_change(&mut self, modseq: ModSeq) {
        self.own_change = self.own_change.max(modseq);
    }

    /// True if the view may lack changes of other sessions that precede the client's own last change.
    pub(crate) fn is_behind_own_change(&self) -> bool {
        self.own_change > self.synced
    }

    /// True if there are expunges that were not reported.
    pub(crate) fn has_unreported_expunges(&self) -> bool {
        self.messages.iter().any(|message| message.presence == Presence::Expunged)
    }

    /// Applies changes of the mailbox, and returns the updates that are due.
    pub(crate) fn apply(&mut self, changes: MailboxChanges) -> Updates {
        self.note_recent(&changes);
        self.note_keywords(changes.keywords);
        let mut updates = Updates::default();
        for message in changes.changed {
            match self.index(message.uid) {
                Some(_) => {
                    let MessageInfo { uid, flags, modseq, .. } = message;
                    if self.set_flags(MessageFlags { uid, flags, modseq }) {
                        updates.flagged.push(uid);
                    }
                }
                None => updates.arrived |= self.append(message),
            }
        }
        match changes.expunged {
            Expunged::These(uids) => self.mark_expunged(&uids),
            Expunged::AllBut(uids) => {
                for message in &mut self.messages {
                    if uids.binary_search(&message.uid).is_err() {
                        message.presence = Presence::Expunged;
                    }
                }
            }
        }
        self.uid_next = self.uid_next.max(changes.uid_next);
        self.synced = self.synced.max(changes.highest_modseq);
        updates
    }

    /// Sets the flags of a message; true if they are newer than those in the view.
    pub(crate) fn set_flags(&mut self, flags: MessageFlags) -> bool {
        let message = self.index(flags.uid).and_then(|index| self.messages.get_mut(index));
        // An answer may be older than the client's own change: the higher modification sequence wins.
        let Some(message) = message.filter(|message| message.modseq < flags.modseq) else {
            return false;
        };
        message.modseq = flags.modseq;
        message.flags = flags.flags;
        true
    }

    /// Marks messages as expunged; they keep their sequence numbers.
    pub(crate) fn mark_expunged(&mut self, uids: &[Uid]) {
        for &uid in uids {
            if let Some(message) = self.index(uid).and_then(|index| self.messages.get_mut(index)) {
                message.presence = Presence::Expunged;
            }
        }
    }

    /// Removes the expunged messages, and returns them with their sequence numbers, each counted after its predecessors
    /// in the list were removed, as `EXPUNGE` demands (RFC 3501 section 7.4.1).
    pub(crate) fn remove_expunged(&mut self) -> Vec<(usize, Uid)> {
        let mut removed = Vec::new();
        // The number of messages kept so far: an expunged message has the next number, and so has its successor.
        let mut number = 0;
        self.messages.retain(|message| {
            let present = message.presence == Presence::Present;
            if present {
                number += 1;
            } else {
                removed.push((number + 1, message.uid));
            }
            present
        });
        removed
    }

    /// True if the message with this UID has a sequence number.
    fn has_number(&self, uid: u32) -> bool {
        self.messages.binary_search_by_key(&uid, |message| message.uid.get()).is_ok()
    }

    fn index(&self, uid: Uid) -> Option<usize> {
        self.messages.binary_search_by_key(&uid, |message| message.uid).ok()
    }

    /// Adds a message at the end; false if its UID does not exceed all others, as new UIDs do (RFC 3501
    /// section 2.3.1.1).
    fn append(&mut self, message: MessageInfo) -> bool {
        if self.messages.last().is_some_and(|last| last.uid >= message.uid) {
            return false;
        }
        self.messages.push(Message {
            uid: message.uid,
            size: message.size,
            internal_date: message.internal_date,
            modseq: message.modseq,
            flags: message.flags,
            presence: Presence::Present,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mail_types::{CompactFlags, ModSeq, Uid, UidValidity, UnixTime};

    use super::{NoSuchMessage, Updates, View};
    use crate::mail::{Access, Expunged, MailboxChanges, MessageInfo, Snapshot};
    use crate::mailbox_name::MailboxName;
    use crate::sequence::Bound::{Number, Star};
    use crate::sequence::{Numbering, SequenceSet};

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    fn message(number: u32) -> MessageInfo {
        let (flags, internal_date, modseq) = (CompactFlags::default(), UnixTime(0), ModSeq(1));
        MessageInfo { uid: uid(number), flags, size: 1, internal_date, modseq }
    }

    fn view(uids: &[u32]) -> View {
        let snapshot = Snapshot {
            uid_validity: UidValidity::new(1).unwrap(),
            uid_next: uid(100),
            highest_modseq: ModSeq(1),
            recent_from: uid(100),
            keywords: Arc::default(),
            messages: uids.iter().map(|&uid| message(uid)).collect(),
        };
        View::new(MailboxName::inbox(), Access::ReadWrite, snapshot)
    }

    fn changes(new: &[u32], expunged: Expunged) -> MailboxChanges {
        let changed = new.iter().map(|&uid| message(uid)).collect();
        MailboxChanges {
            keywords: Arc::default(),
            changed,
            expunged,
            uid_next: uid(200),
            highest_modseq: ModSeq(2),
            recent_from: uid(200),
        }
    }

    #[test]
    fn a_message_takes_what_drivers_reckon_with() {
        assert!(size_of::<super::Message>() <= crate::MESSAGE_BYTES);
        assert!(size_of::<MessageInfo>() <= crate::MESSAGE_BYTES);
    }

    #[test]
    fn sets_name_messages() {
        let view = view(&[10, 20, 30]);
        let check = |numbering, from, to, expected: Result<&[u32], NoSuchMessage>| {
            let found = view.resolve(&SequenceSet(vec![(from, to)]), numbering);
            let found = found.map(|uids| uids.iter().map(|uid| uid.get()).collect::<Vec<_>>());
            assert_eq!(found, expected.map(<[u32]>::to_vec));
        };
        check(Numbering::Sequence, Number(2), Star, Ok(&[20, 30]));
        check(Numbering::Sequence, Number(2), Number(99), Ok(&[20, 30]));
        check(Numbering::Sequence, Number(4), Number(4), Err(NoSuchMessage));
        check(Numbering::Uid, Number(15), Number(25), Ok(&[20]));
        check(Numbering::Uid, Number(99), Star, Ok(&[30]));
        check(Numbering::Uid, Number(99), Number(100), Ok(&[]));
    }

    #[test]
    fn expunged_messages_keep_their_numbers_until_told() {
        let mut view = view(&[10, 20, 30, 40]);
        let updates = view.apply(changes(&[50], Expunged::These(vec![uid(10), uid(30), uid(77)])));
        assert_eq!(updates, Updates { arrived: true, flagged: Vec::new() });
        assert_eq!(view.find(uid(40)).unwrap().0, 4);
        assert_eq!(view.remove_expunged(), [(1, uid(10)), (2, uid(30))]);
        assert_eq!(view.find(uid(40)).unwrap().0, 2);
        assert_eq!(view.exists(), 3);
    }

    #[test]
    fn a_store_may_list_the_survivors_instead() {
        let mut view = view(&[10, 20, 30]);
        view.apply(changes(&[], Expunged::AllBut(vec![uid(20)])));
        assert_eq!(view.remove_expunged(), [(1, uid(10)), (2, uid(30))]);
    }
}
