//! Recently expunged UIDs, for exact VANISHED responses (RFC 7162). They are in memory only: what is forgotten is told
//! generously, by the holes between the UIDs that are left.

use std::collections::{BTreeMap, VecDeque};

use mail_types::{ModSeq, Uid};

use crate::types::MailboxId;

/// UIDs kept of one mailbox, so that one does not crowd out all others at once.
const MAILBOX_LIMIT: usize = 4096;
/// UIDs kept of all mailboxes together, 48 bytes each at most.
const TOTAL_LIMIT: usize = 32_768;

/// The expunged UIDs of all mailboxes that changed since the start, the oldest forgotten first.
#[derive(Debug, Default)]
pub(crate) struct ExpungedUids {
    mailboxes: BTreeMap<MailboxId, OfMailbox>,
    /// The mailbox of each remembered UID, oldest first, and of some that were forgotten since.
    order: VecDeque<(u64, MailboxId)>,
    /// The number of UIDs ever remembered.
    count: u64,
}

/// The expunged UIDs of a mailbox.
#[derive(Debug)]
pub(crate) struct OfMailbox {
    /// Expunges after this modification sequence are all in the list.
    complete_after: ModSeq,
    /// Ascending; the number is the place in the order of all.
    uids: VecDeque<(u64, ModSeq, Uid)>,
}

impl ExpungedUids {
    /// Remembers all expunges of a mailbox from now on, if that did not begin already; `before` is its modification sequence
    /// before the first of them.
    pub(crate) fn watch(&mut self, mailbox: MailboxId, before: ModSeq) -> &mut OfMailbox {
        let new = || OfMailbox { complete_after: before, uids: VecDeque::new() };
        self.mailboxes.entry(mailbox).or_insert_with(new)
    }

    /// Remembers a UID; `before` is the mailbox's modification sequence before the transaction.
    pub(crate) fn remember(&mut self, mailbox: MailboxId, uid: Uid, modseq: ModSeq, before: ModSeq) {
        let number = self.count;
        let expunged = self.watch(mailbox, before);
        expunged.uids.push_back((number, modseq, uid));
        if expunged.uids.len() > MAILBOX_LIMIT {
            expunged.forget_oldest();
        }
        self.order.push_back((number, mailbox));
        self.count += 1;
        while self.order.len() > TOTAL_LIMIT {
            self.forget_oldest();
        }
    }

    /// The UIDs expunged after a modification sequence, in the order of their expunges; `None` if that lies too far back.
    pub(crate) fn since(&self, mailbox: MailboxId, since: ModSeq) -> Option<Vec<Uid>> {
        let expunged = self.mailboxes.get(&mailbox).filter(|expunged| since >= expunged.complete_after)?;
        let first = expunged.uids.partition_point(|(_, modseq, _)| *modseq <= since);
        Some(expunged.uids.range(first..).map(|(_, _, uid)| *uid).collect())
    }

    /// Forgets a mailbox that was deleted.
    pub(crate) fn forget(&mut self, mailbox: MailboxId) {
        self.mailboxes.remove(&mailbox);
    }

    fn forget_oldest(&mut self) {
        let Some((number, mailbox)) = self.order.pop_front() else { return };
        // The mailbox may be gone, or have forgotten this one by its own limit.
        let Some(expunged) = self.mailboxes.get_mut(&mailbox) else { return };
        if expunged.uids.front().is_some_and(|(oldest, _, _)| *oldest == number) {
            expunged.forget_oldest();
        }
    }
}

impl OfMailbox {
    fn forget_oldest(&mut self) {
        if let Some((_, modseq, _)) = self.uids.pop_front() {
            self.complete_after = modseq;
        }
    }
}

#[cfg(test)]
mod tests {
    use mail_types::{ModSeq, Uid};

    use super::{ExpungedUids, MAILBOX_LIMIT, TOTAL_LIMIT};
    use crate::types::MailboxId;

    fn expunge(expunged: &mut ExpungedUids, mailbox: u64, count: usize) {
        for number in 0..u32::try_from(count).unwrap() {
            let modseq = u64::from(number) + 2;
            let uid = Uid::new(number + 1).unwrap();
            expunged.remember(MailboxId(mailbox), uid, ModSeq(modseq), ModSeq(modseq - 1));
        }
    }

    #[test]
    fn a_mailbox_remembers_its_last_uids() {
        let mut expunged = ExpungedUids::default();
        expunge(&mut expunged, 1, MAILBOX_LIMIT + 3);
        let since = |modseq| expunged.since(MailboxId(1), ModSeq(modseq)).map(|uids| uids.len());
        assert_eq!((since(3), since(4), since(5)), (None, Some(MAILBOX_LIMIT), Some(MAILBOX_LIMIT - 1)));
        assert_eq!((since(1 << 40), expunged.since(MailboxId(2), ModSeq(9))), (Some(0), None));
        // Of a mailbox that changed otherwise it is known that nothing went.
        expunged.watch(MailboxId(2), ModSeq(9));
        expunged.watch(MailboxId(2), ModSeq(10));
        let since = |modseq| expunged.since(MailboxId(2), ModSeq(modseq));
        assert_eq!((since(8), since(9)), (None, Some(Vec::new())));
    }

    #[test]
    fn all_mailboxes_together_have_a_bound_and_the_oldest_go_first() {
        let mut expunged = ExpungedUids::default();
        expunge(&mut expunged, 1, 10);
        for mailbox in 2..20_000 {
            expunge(&mut expunged, mailbox, 3);
        }
        assert_eq!(expunged.since(MailboxId(1), ModSeq(10)), None);
        assert_eq!(expunged.since(MailboxId(19_999), ModSeq(1)).map(|uids| uids.len()), Some(3));
        let kept: usize = expunged.mailboxes.values().map(|mailbox| mailbox.uids.len()).sum();
        assert_eq!((kept, expunged.order.len()), (TOTAL_LIMIT, TOTAL_LIMIT));
        expunged.forget(MailboxId(19_999));
        assert_eq!(expunged.since(MailboxId(19_999), ModSeq(9)), None);
    }
}
