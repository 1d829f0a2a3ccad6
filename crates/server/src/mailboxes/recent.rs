//! The messages that no session was told of yet: IMAP's `\Recent` (RFC 3501 section 2.3.2). Kept in memory only, so that
//! reading mail writes nothing on the card: messages that are there when the server starts count as announced.

use std::collections::BTreeMap;

use host::locks::Mutex;
use imap::Access;
use mail_types::Uid;
use store::{MailboxId, Store};

/// The first UID of each mailbox that no session was told of; UID 1 for a mailbox that is not listed.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    untold: Mutex<BTreeMap<MailboxId, Uid>>,
}

impl Recent {
    /// Counts all messages in the store as announced.
    pub(crate) fn since_now(store: &Store) -> store::Result<Self> {
        let mut untold = BTreeMap::new();
        for account in store.accounts()? {
            let mailboxes = store.mailboxes(&account.address)?;
            untold.extend(mailboxes.into_iter().map(|mailbox| (mailbox.id, mailbox.uid_next)));
        }
        Ok(Self { untold: Mutex::new(untold) })
    }

    /// The first UID that is recent for a session which is told of all UIDs before `next`.
    pub(crate) fn tell(&self, mailbox: MailboxId, access: Access, next: Uid) -> Uid {
        let mut untold = self.untold.lock();
        let from = untold.get(&mailbox).copied().unwrap_or(Uid::FIRST);
        if access == Access::ReadWrite && next > from {
            untold.insert(mailbox, next);
        }
        from
    }

    /// The first UID that no session was told of.
    pub(crate) fn untold_from(&self, mailbox: MailboxId) -> Uid {
        self.untold.lock().get(&mailbox).copied().unwrap_or(Uid::FIRST)
    }

    /// Forgets a deleted mailbox.
    pub(crate) fn forget(&self, mailbox: MailboxId) {
        self.untold.lock().remove(&mailbox);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use imap::Access;
    use mail_types::{Address, Flags, Secret, Uid, UnixTime};
    use store::{Announce, MailboxId, Store, Target};

    use crate::mailboxes::recent::Recent;

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    fn empty_inbox() -> (tempfile::TempDir, Store, MailboxId) {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        let anna: Address = "anna@box.test".parse().unwrap();
        store.create_account(&anna, Secret::new("hash"), UnixTime(1)).unwrap();
        let inbox = store.inbox(&anna).unwrap();
        (directory, store, inbox)
    }

    #[test]
    fn every_message_is_new_to_one_session() {
        let (_directory, store, inbox) = empty_inbox();
        let recent = Recent::since_now(&store).unwrap();
        let tell = |access, next| recent.tell(inbox, access, uid(next)).get();
        assert_eq!(tell(Access::ReadOnly, 5), 1);
        assert_eq!(tell(Access::ReadWrite, 5), 1);
        // Somebody who looked earlier comes later.
        assert_eq!(tell(Access::ReadWrite, 4), 5);
        assert_eq!(tell(Access::ReadWrite, 6), 5);
        assert_eq!(recent.untold_from(inbox), uid(6));
        recent.forget(inbox);
        assert_eq!(recent.untold_from(inbox), uid(1));
    }

    #[test]
    fn what_is_there_at_the_start_is_not_new() {
        let (_directory, store, inbox) = empty_inbox();
        let target = Target {
            mailbox: inbox,
            flags: Flags::default(),
            internal_date: UnixTime(1),
            arrived: UnixTime(1),
            announce: Announce::ToNobody,
        };
        let mut spool = store.spool(100);
        spool.write_all(b"Subject: x\r\n\r\n").unwrap();
        store.deliver(spool, &[target]).unwrap();
        assert_eq!(Recent::default().untold_from(inbox), uid(1));
        assert_eq!(Recent::since_now(&store).unwrap().untold_from(inbox), uid(2));
    }
}
