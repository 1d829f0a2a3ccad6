//! Expiry: removes old messages, unused accounts, the oldest mail of a mailbox that is nearly full, and frees on disk
//! what was deleted.
//!
//! The rules are `relay-policy`'s; here they meet the store. One run catches up with any number of days without power.

use std::collections::BTreeSet;

use mail_types::{Address, Uid, UnixTime};
use relay_policy::{ExpiryRules, Held, Noticed, Quota, token_is_expired};
use store::{Account, MailboxId, Store};

use crate::accounts::invites;
use crate::mailboxes::quota;

/// The number of things that one run removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) messages: usize,
    pub(crate) accounts: usize,
}

/// Removes everything that has expired.
pub(crate) fn sweep(
    store: &Store,
    rules: &ExpiryRules,
    quota: Quota,
    now: UnixTime,
) -> store::Result<Removed> {
    let mut removed = Removed::default();
    for account in store.accounts()? {
        if rules.account_expired(account.last_login, now.day()) {
            store.delete_account(&account.address, now.day())?;
            removed.accounts += 1;
            continue;
        }
        forget_devices(store, &account, now)?;
        let held = held(store, &account)?;
        removed.messages += expunge(store, rules.expired(now, &held))?;
        removed.messages += trim(store, rules, quota, now, &account.address)?.messages;
    }
    invites::sweep(store, now)?;
    // What was deleted leaves the disk with the second checkpoint after it. On a quiet server the journal would
    // take weeks to ask for one.
    store.checkpoint()?;
    Ok(removed)
}

/// Removes push tokens that no device has registered again for a long time.
fn forget_devices(store: &Store, account: &Account, now: UnixTime) -> store::Result<()> {
    let tokens = store.push_tokens(&account.address)?;
    let mut expired = tokens.iter().filter(|token| token_is_expired(token.registered, now));
    expired.try_for_each(|token| store.remove_push_token(&account.address, &token.token))
}

/// The result of a look at an account that may be nearly full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trimmed {
    /// The number of messages that went.
    pub(crate) messages: usize,
    /// The time at which more can go, if it is nearly full all the same.
    pub(crate) again: Option<UnixTime>,
}

/// Makes room in an account that is nearly full: its oldest messages go, but none of the last day.
pub(crate) fn trim(
    store: &Store,
    rules: &ExpiryRules,
    quota: Quota,
    now: UnixTime,
    address: &Address,
) -> store::Result<Trimmed> {
    if !quota.wants_trimming(quota::load(store, address)?) {
        return Ok(Trimmed::default());
    }
    let Some(account) = store.account(address)? else { return Ok(Trimmed::default()) };
    let held = held(store, &account)?;
    let trimmed = rules.trimmed(now, quota, &held);
    let gone: BTreeSet<&(MailboxId, Uid)> = trimmed.iter().copied().collect();
    let left = held.iter().filter(|message| !gone.contains(&message.key));
    let oldest = left.map(|message| message.received.0).min();
    let messages = expunge(store, trimmed)?;
    let is_full = quota.wants_trimming(quota::load(store, address)?);
    // An account that metadata fill has nothing that could ever go.
    let again = || UnixTime(oldest.unwrap_or(u64::MAX).saturating_add(rules.protected_seconds));
    Ok(Trimmed { messages, again: is_full.then(again) })
}

/// All messages of an account. A client that logged in on a later day has noticed what came before.
fn held(store: &Store, account: &Account) -> store::Result<Vec<Held<(MailboxId, Uid)>>> {
    let mut held = Vec::new();
    for mailbox in store.mailboxes(&account.address)? {
        for message in store.snapshot(mailbox.id)?.messages.iter() {
            let later = account.last_login > message.arrived.day();
            held.push(Held {
                key: (mailbox.id, message.uid),
                size: quota::message(message.size).bytes,
                received: message.arrived,
                noticed: if later { Noticed::ByAClient } else { Noticed::NotYet },
            });
        }
    }
    Ok(held)
}

fn expunge(store: &Store, keys: Vec<&(MailboxId, Uid)>) -> store::Result<usize> {
    let mut sorted: Vec<(MailboxId, Uid)> = keys.into_iter().copied().collect();
    sorted.sort_unstable();
    let mut count = 0;
    for of_one_mailbox in sorted.chunk_by(|(first, _), (second, _)| first == second) {
        let Some(&(mailbox, _)) = of_one_mailbox.first() else { continue };
        let uids: Vec<Uid> = of_one_mailbox.iter().map(|(_, uid)| *uid).collect();
        count += store.expunge(mailbox, &uids)?.len();
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use mail_types::{Flags, Secret, UnixTime};
    use relay_policy::{ExpiryRules, Quota};
    use store::{Announce, Store, Target};

    use crate::mailboxes::expiry::{Removed, Trimmed, sweep, trim};

    const DAY: u64 = 86_400;
    const START: UnixTime = UnixTime(20_000 * DAY);

    fn after(days: u64) -> UnixTime {
        UnixTime(START.0 + days * DAY)
    }

    struct Server {
        store: Store,
        directory: tempfile::TempDir,
    }

    impl Server {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let (store, _) = Store::open(directory.path()).unwrap();
            store.create_account(&anna(), Secret::new("hash"), START).unwrap();
            Self { store, directory }
        }

        fn deliver(&self, size: usize, at: UnixTime) {
            self.append(size, at, at);
        }

        fn append(&self, size: usize, internal_date: UnixTime, arrived: UnixTime) {
            let mut spool = self.store.spool(1 << 20);
            spool.write_all(&vec![b'x'; size]).unwrap();
            let mailbox = self.store.inbox(&anna()).unwrap();
            self.store
                .deliver(
                    spool,
                    &[Target {
                        mailbox,
                        flags: Flags::default(),
                        internal_date,
                        arrived,
                        announce: Announce::ToNobody,
                    }],
                )
                .unwrap();
        }

        fn has_on_disk(&self, text: &[u8]) -> bool {
            let files = std::fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path());
            files
                .filter(|path| path.is_file())
                .any(|path| std::fs::read(path).unwrap().windows(text.len()).any(|part| part == text))
        }

        fn sweep(&self, now: UnixTime) -> Removed {
            sweep(&self.store, &ExpiryRules::default(), Quota::of_bytes(1000 * 1000), now).unwrap()
        }
    }

    fn anna() -> mail_types::Address {
        "anna@example.org".parse().unwrap()
    }

    #[test]
    fn messages_go_after_their_days_and_accounts_after_theirs() {
        let server = Server::new();
        server.deliver(100, START);
        server.deliver(100, after(5));
        assert_eq!(server.sweep(after(20)), Removed::default());
        assert_eq!(server.sweep(after(21)), Removed { messages: 1, accounts: 0 });
        assert_eq!(server.sweep(after(91)), Removed { messages: 0, accounts: 1 });
        assert!(server.store.is_name_taken(&anna()));
    }

    #[test]
    fn old_mail_that_a_client_copies_in_stays_as_long_as_new_mail() {
        let server = Server::new();
        let years_ago = UnixTime(START.0 - 3000 * DAY);
        server.append(300_000, years_ago, after(5));
        assert_eq!(server.sweep(after(5)), Removed::default());
        assert_eq!(server.sweep(after(25)), Removed::default());
        // Moving it about makes it no younger.
        let inbox = server.store.inbox(&anna()).unwrap();
        let archive = server.store.create_mailbox(&anna(), "Archive", None, START).unwrap();
        let uid = server.store.snapshot(inbox).unwrap().messages.iter().next().unwrap().uid;
        server.store.move_messages(inbox, &[uid], archive).unwrap();
        assert_eq!(server.sweep(after(26)), Removed { messages: 1, accounts: 0 });
    }

    #[test]
    fn what_was_deleted_leaves_the_disk_of_a_quiet_server() {
        let server = Server::new();
        server.deliver(100, START);
        assert!(server.has_on_disk(&[b'x'; 100]));
        assert_eq!(server.sweep(after(21)), Removed { messages: 1, accounts: 0 });
        server.store.record_login(&anna(), after(21).day()).unwrap();
        server.sweep(after(21));
        assert!(!server.has_on_disk(&[b'x'; 100]));
    }

    #[test]
    fn devices_go_that_did_not_register_for_ninety_days() {
        let server = Server::new();
        server.store.register_push_token(&anna(), "old", START).unwrap();
        server.store.register_push_token(&anna(), "new", after(50)).unwrap();
        server.store.record_login(&anna(), after(50).day()).unwrap();
        let tokens = || server.store.push_tokens(&anna()).unwrap().len();
        server.sweep(after(90));
        assert_eq!(tokens(), 2);
        server.sweep(after(91));
        assert_eq!(tokens(), 1);
    }

    #[test]
    fn large_messages_go_early_once_a_client_has_been_there() {
        let server = Server::new();
        server.deliver(300_000, START);
        assert_eq!(server.sweep(after(8)), Removed::default());
        server.store.record_login(&anna(), after(8).day()).unwrap();
        assert_eq!(server.sweep(after(8)), Removed { messages: 1, accounts: 0 });
    }

    #[test]
    fn a_nearly_full_mailbox_loses_its_oldest_mail_but_none_of_the_last_day() {
        let server = Server::new();
        for day in 0..4 {
            server.deliver(200_000, after(day));
        }
        let quota = Quota::of_bytes(1000 * 1000);
        let trim = |now| trim(&server.store, &ExpiryRules::default(), quota, now, &anna()).unwrap();
        assert_eq!(trim(after(3)), Trimmed { messages: 1, again: None });
        assert_eq!(trim(after(3)), Trimmed::default());
        assert_eq!(server.store.usage(&anna()).unwrap().messages, 3);
        for _ in 0..2 {
            server.deliver(150_000, after(3));
        }
        // The mail of two days goes, and the rest is too young for another day.
        assert_eq!(trim(after(3)), Trimmed { messages: 2, again: None });
        for _ in 0..3 {
            server.deliver(150_000, after(3));
        }
        assert_eq!(trim(after(3)), Trimmed { messages: 0, again: Some(after(4)) });
    }
}
