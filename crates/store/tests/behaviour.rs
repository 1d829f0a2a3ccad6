//! The store's promises to its callers, seen from outside, each time also after closing and opening it again.
//! Crashes and power cuts are elsewhere.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Seek, SeekFrom, Write};
use std::slice;
use std::sync::{Arc, Mutex};

use mail_types::{Address, Day, Flags, ModSeq, Secret, SystemFlag, Uid, UnixTime};
use store::{
    AccountState, Announce, Delivered, Error, FlagChange, FlagMode, InviteFlaw, MailboxId, OutboundDraft,
    RECORD_BYTES, Store, Submission, Target, UidRange,
};
use tempfile::TempDir;

const NOW: UnixTime = UnixTime(1_800_000_000);
const LIMIT: u64 = 30 << 20;

struct World {
    directory: TempDir,
    store: Option<Store>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path().join("store")).unwrap();
        Self { directory, store: Some(store) }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.store = None;
        let (store, report) = Store::open(self.directory.path().join("store")).unwrap();
        assert_eq!((report.torn_bytes, report.damage), (0, vec![]));
        self.store = Some(store);
    }

    fn account(&self, name: &str) -> (Address, MailboxId) {
        let address = address(name);
        self.store().create_account(&address, Secret::new("hash"), NOW).unwrap();
        let inbox = self.store().inbox(&address).unwrap();
        (address, inbox)
    }

    fn deliver(&self, bytes: &[u8], mailboxes: &[MailboxId]) -> Vec<u32> {
        let mut spool = self.store().spool(LIMIT);
        spool.write_all(bytes).unwrap();
        let outcome = self.store().deliver(spool, &targets(mailboxes)).unwrap();
        outcome.iter().map(|delivered| uid_of(*delivered)).collect()
    }

    fn body(&self, mailbox: MailboxId, uid: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.store().body(mailbox, Uid::new(uid).unwrap()).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn uids(&self, mailbox: MailboxId) -> Vec<u32> {
        let snapshot = self.store().snapshot(mailbox).unwrap();
        snapshot.messages.iter().map(|message| message.uid.get()).collect()
    }

    /// Message files and spool files on disk.
    fn files(&self) -> usize {
        let root = self.directory.path().join("store");
        let shards = std::fs::read_dir(root.join("messages")).unwrap();
        let messages: usize =
            shards.map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count()).sum();
        messages + std::fs::read_dir(root.join("spool")).unwrap().count()
    }
}

fn address(name: &str) -> Address {
    format!("{name}@box.test").parse().unwrap()
}

fn targets(mailboxes: &[MailboxId]) -> Vec<Target> {
    let target = |mailbox: &MailboxId| Target {
        mailbox: *mailbox,
        flags: Flags::default(),
        internal_date: NOW,
        arrived: NOW,
        announce: Announce::ToNobody,
    };
    mailboxes.iter().map(target).collect()
}

fn uid_of(delivered: Delivered) -> u32 {
    match delivered {
        Delivered::Stored { uid, .. } => uid.get(),
        Delivered::NoSuchMailbox => 0,
    }
}

fn uids(numbers: &[u32]) -> Vec<Uid> {
    numbers.iter().map(|number| Uid::new(*number).unwrap()).collect()
}

#[test]
fn accounts_keep_what_they_are_given_and_names_are_never_given_out_again() {
    let mut world = World::new();
    let (anna, _) = world.account("anna");
    let again = world.store().create_account(&anna, Secret::new("other"), NOW);
    assert!(matches!(again, Err(Error::AccountExists)));
    world.store().record_login(&anna, Day(20_900)).unwrap();
    world.store().set_account_state(&anna, AccountState::Suspended).unwrap();
    world.reopen();
    let account = world.store().account(&anna).unwrap().unwrap();
    assert_eq!(account.password_hash.expose(), b"hash");
    assert_eq!((account.created, account.last_login), (NOW.day(), Day(20_900)));
    assert_eq!(account.state, AccountState::Suspended);

    world.store().delete_account(&anna, Day(20_901)).unwrap();
    world.reopen();
    assert_eq!(world.store().account(&anna).unwrap(), None);
    assert_eq!(world.store().accounts().unwrap(), []);
    let again = world.store().create_account(&anna, Secret::new("other"), NOW);
    assert!(matches!(again, Err(Error::NameRetired)));
    assert!(world.store().is_name_taken(&anna));
}

#[test]
fn a_second_process_is_kept_out() {
    let world = World::new();
    let second = Store::open(world.directory.path().join("store"));
    assert!(matches!(second, Err(Error::Locked(_))));
}

#[test]
fn a_message_to_several_people_is_one_file_until_the_last_of_them_deletes_it() {
    let mut world = World::new();
    let (_, anna) = world.account("anna");
    let (_, ben) = world.account("ben");
    let large = vec![b'x'; 300_000];
    assert_eq!(world.deliver(&large, &[anna, ben]), [1, 1]);
    assert_eq!(world.files(), 1);
    world.reopen();
    world.store().expunge(anna, &uids(&[1])).unwrap();
    assert_eq!((world.files(), world.body(ben, 1)), (1, large));
    world.store().expunge(ben, &uids(&[1])).unwrap();
    assert_eq!(world.files(), 0);
}

#[test]
fn bodies_are_read_from_anywhere_small_or_large() {
    let mut world = World::new();
    let (_, inbox) = world.account("anna");
    for length in [0, 1, 65_536, 65_537, 200_000] {
        let bytes: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
        let uid = world.deliver(&bytes, &[inbox])[0];
        for _ in 0..2 {
            assert_eq!(world.body(inbox, uid), bytes);
            let mut reader = world.store().body(inbox, Uid::new(uid).unwrap()).unwrap();
            assert_eq!(reader.size(), u64::from(length));
            let middle = length / 2;
            reader.seek(SeekFrom::Start(u64::from(middle))).unwrap();
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, bytes[middle as usize..]);
            world.reopen();
        }
    }
}

#[test]
fn a_small_message_comes_and_goes_without_a_thread_that_waits() {
    let mut world = World::new();
    let (_, inbox) = world.account("anna");
    let (first, large) = (b"Subject: x\r\n\r\nhello\r\n".to_vec(), vec![b'x'; 100_000]);
    let mut spool = world.store().spool(LIMIT);
    spool.write_all(&first).unwrap();
    assert!(spool.stays_small(1000) && !spool.stays_small(100_000));
    let small = spool.into_small().unwrap();
    let delivered =
        world.store().start_submission(small, &targets(&[inbox]), vec![]).unwrap().wait().unwrap().delivered;
    assert_eq!(uid_of(delivered[0]), 1);
    let mut spool = world.store().spool(LIMIT);
    spool.write_all(&large).unwrap();
    assert!(spool.into_small().is_err());

    // No list is known before somebody asked for one.
    assert!(world.store().snapshot_at_hand(inbox).unwrap().is_none());
    assert_eq!(world.uids(inbox), [1]);
    world.deliver(&large, &[inbox]);
    let at_hand = world.store().snapshot_at_hand(inbox).unwrap().unwrap();
    assert_eq!(at_hand, world.store().snapshot(inbox).unwrap());
    let changes = world.store().changes_at_hand(inbox, ModSeq::default()).unwrap().unwrap();
    assert_eq!(changes, world.store().changes_since(inbox, ModSeq::default()).unwrap());

    let at_hand = |world: &World, uid| {
        let reader = world.store().body_at_hand(inbox, Uid::new(uid).unwrap()).unwrap();
        reader.map(|mut reader| std::io::read_to_string(&mut reader).unwrap().into_bytes())
    };
    // Some file systems never tell what they have in memory.
    assert!(at_hand(&world, 1).is_none_or(|bytes| bytes == first));
    assert_eq!(at_hand(&world, 2), None, "a large body is a file");
    world.reopen();
    assert_eq!(world.body(inbox, 1), first);
    assert_eq!(world.store().expunge(inbox, &uids(&[1])).unwrap(), uids(&[1]));
    assert!(matches!(world.store().body_at_hand(inbox, Uid::new(1).unwrap()), Err(Error::NoSuchMessage)));
    world.store().checkpoint().unwrap();
    assert_eq!(at_hand(&world, 1), None, "only what came a moment ago is at hand");
}

#[test]
fn a_spool_over_its_limit_is_refused_and_leaves_nothing() {
    let world = World::new();
    let mut spool = world.store().spool(100_000);
    spool.write_all(&[0; 100_000]).unwrap();
    assert!(spool.write_all(&[0]).is_err());
    assert_eq!(world.files(), 1);
    drop(spool);
    assert_eq!(world.files(), 0);
}

#[test]
fn uids_are_dense_and_never_used_twice() {
    let mut world = World::new();
    let (_, inbox) = world.account("anna");
    for expected in 1..=3 {
        assert_eq!(world.deliver(b"a", &[inbox]), [expected]);
    }
    let all = uids(&[1, 2, 3]);
    assert_eq!(world.store().expunge(inbox, &all).unwrap(), all);
    assert_eq!(world.store().expunge(inbox, &all).unwrap(), []);
    world.reopen();
    assert_eq!(world.store().snapshot(inbox).unwrap().uid_next.get(), 4);
    assert_eq!(world.deliver(b"b", &[inbox]), [4]);
}

#[test]
fn a_recreated_mailbox_has_a_larger_uidvalidity() {
    let mut world = World::new();
    let (anna, inbox) = world.account("anna");
    let first = world.store().create_mailbox(&anna, "DeltaChat", None, NOW).unwrap();
    world.deliver(b"a", &[first]);
    let old = world.store().snapshot(first).unwrap().uid_validity;
    world.store().delete_mailbox(&anna, "DeltaChat").unwrap();
    world.reopen();
    assert!(matches!(world.store().snapshot(first), Err(Error::NoSuchMailbox)));
    let second = world.store().create_mailbox(&anna, "DeltaChat", None, UnixTime(5)).unwrap();
    assert!(world.store().snapshot(second).unwrap().uid_validity > old);
    assert!(old > world.store().snapshot(inbox).unwrap().uid_validity);
    let names: Vec<_> =
        world.store().mailboxes(&anna).unwrap().into_iter().map(|mailbox| mailbox.name).collect();
    assert_eq!(names, ["DeltaChat", "INBOX"]);
    assert!(matches!(world.store().delete_mailbox(&anna, "inbox"), Err(Error::InboxIsFixed)));
    assert!(matches!(world.store().create_mailbox(&anna, "Inbox", None, NOW), Err(Error::MailboxExists)));
}

#[test]
fn a_name_stays_subscribed_until_somebody_unsubscribes() {
    let mut world = World::new();
    let (anna, _) = world.account("anna");
    let (ben, _) = world.account("ben");
    world.store().create_mailbox(&anna, "Old", None, NOW).unwrap();
    world.store().create_mailbox(&anna, "Quiet", None, NOW).unwrap();
    for name in ["Old", "Nowhere", "inbox"] {
        world.store().subscribe(&anna, name).unwrap();
    }
    world.store().delete_mailbox(&anna, "Old").unwrap();
    world.reopen();
    let subscribed = |world: &World, who| Vec::from_iter(world.store().subscriptions(who).unwrap());
    assert_eq!(subscribed(&world, &anna), ["INBOX", "Nowhere", "Old"]);
    assert_eq!(subscribed(&world, &ben), ["INBOX"]);
    world.store().unsubscribe(&anna, "Inbox").unwrap();
    world.store().unsubscribe(&anna, "Old").unwrap();
    world.store().unsubscribe(&anna, "Never").unwrap();
    world.reopen();
    assert_eq!(subscribed(&world, &anna), ["Nowhere"]);
}

#[test]
fn flags_obey_unchangedsince_and_count_modifications() {
    let mut world = World::new();
    let (_, inbox) = world.account("anna");
    world.deliver(b"a", &[inbox]);
    world.deliver(b"b", &[inbox]);
    let delivered = world.store().snapshot(inbox).unwrap().highest_modseq;
    let seen: Flags = [SystemFlag::Seen].into_iter().collect();
    let add = FlagChange { mode: FlagMode::Add, flags: seen.clone(), unchanged_since: None };
    let changed = world.store().change_flags(inbox, &uids(&[2, 9]), &add).unwrap();
    assert_eq!(changed.messages.len(), 1);
    let flags = changed.keywords.expand(changed.messages[0].flags);
    assert_eq!((flags, changed.messages[0].modseq), (seen, ModSeq(delivered.0 + 1)));

    let guarded =
        FlagChange { mode: FlagMode::Set, flags: Flags::default(), unchanged_since: Some(delivered) };
    let refused = world.store().change_flags(inbox, &uids(&[1, 2]), &guarded).unwrap();
    assert_eq!(refused.refused, uids(&[2]));
    // Nothing differed, so nothing was counted.
    assert_eq!(world.store().snapshot(inbox).unwrap().highest_modseq, ModSeq(delivered.0 + 1));
    world.reopen();
    let changes = world.store().changes_since(inbox, delivered).unwrap();
    assert_eq!(changes.changed.iter().map(|message| message.uid.get()).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_change_of_many_messages_lets_others_in_between() {
    let mut world = World::new();
    let (_, inbox) = world.account("anna");
    let submission = |_| {
        let mut spool = world.store().spool(LIMIT);
        spool.write_all(b"x").unwrap();
        Submission { spool, targets: targets(&[inbox]), outbound: Vec::new() }
    };
    world.store().submit_all((0..3_500).map(submission).collect()).unwrap();
    let all = uids(&(1..=3_500).collect::<Vec<_>>());
    let flags: Flags = [SystemFlag::Deleted].into_iter().collect();
    let add = FlagChange { mode: FlagMode::Add, flags, unchanged_since: None };
    let pending = world.store().start_flag_change(inbox, &all, &add);
    let between = world.deliver(b"in between", &[inbox])[0];
    let changed = pending.wait().unwrap();
    assert_eq!(changed.messages.iter().map(|message| message.uid).collect::<Vec<_>>(), all);
    let snapshot = world.store().snapshot(inbox).unwrap();
    let between = snapshot.messages.get(Uid::new(between).unwrap()).unwrap();
    assert!(between.modseq < changed.messages.last().unwrap().modseq);
    // Each piece is one change.
    let mut modseqs: Vec<u64> = changed.messages.iter().map(|message| message.modseq.0).collect();
    modseqs.dedup();
    assert_eq!(modseqs.len(), 4);

    let pending = world.store().start_expunge_deleted(inbox, &all);
    let between = world.deliver(b"in between", &[inbox])[0];
    assert_eq!(pending.wait().unwrap(), all);
    let vanished = world.store().changes_since(inbox, snapshot.highest_modseq).unwrap().vanished;
    assert_eq!(vanished, [UidRange { first: all[0], last: all[3_499] }]);
    world.reopen();
    assert_eq!(world.uids(inbox), [between - 1, between]);
}

#[test]
fn changes_of_many_messages_go_on_when_the_store_is_closed() {
    let mut world = World::new();
    let (_, inbox) = world.account("anna");
    let message = |_| world.deliver(b"x", &[inbox])[0];
    let all = uids(&(0..3).map(message).collect::<Vec<_>>());
    let many: Vec<Uid> = (1..2_500).filter_map(Uid::new).collect();
    let pending = world.store().start_expunge_deleted(inbox, &many);
    let gone = world.store().clone();
    world.store = None;
    drop(gone);
    assert_eq!(pending.wait().unwrap(), []);
    world.store = None;
    let (store, _) = Store::open(world.directory.path().join("store")).unwrap();
    assert_eq!(store.expunge(inbox, &many).unwrap(), all);
    world.store = Some(store);
}

#[test]
fn what_is_no_longer_flagged_as_deleted_stays() {
    let world = World::new();
    let (_, inbox) = world.account("anna");
    for _ in 0..3 {
        world.deliver(b"x", &[inbox]);
    }
    let flags: Flags = [SystemFlag::Deleted].into_iter().collect();
    let change = |mode, uid| {
        let change = FlagChange { mode, flags: flags.clone(), unchanged_since: None };
        world.store().change_flags(inbox, &uids(&[uid]), &change).unwrap();
    };
    change(FlagMode::Add, 1);
    change(FlagMode::Add, 2);
    // Another client takes it back before the expunge of the first one comes.
    change(FlagMode::Remove, 1);
    let expunged = world.store().start_expunge_deleted(inbox, &uids(&[1, 2, 9])).wait();
    assert_eq!((expunged.unwrap(), world.uids(inbox)), (uids(&[2]), vec![1, 3]));
}

#[test]
fn vanished_uids_are_told_exactly_while_remembered_and_generously_afterwards() {
    let mut world = World::new();
    let (_, inbox) = world.account("anna");
    for _ in 0..6 {
        world.deliver(b"a", &[inbox]);
    }
    world.store().expunge(inbox, &uids(&[1])).unwrap();
    let between = world.store().snapshot(inbox).unwrap().highest_modseq;
    world.store().expunge(inbox, &uids(&[3, 4])).unwrap();
    let range = |first, last| UidRange { first: Uid::new(first).unwrap(), last: Uid::new(last).unwrap() };
    assert_eq!(world.store().changes_since(inbox, between).unwrap().vanished, [range(3, 4)]);
    world.reopen();
    let vanished = world.store().changes_since(inbox, between).unwrap().vanished;
    assert_eq!(vanished, [range(1, 1), range(3, 4)]);
    let now = world.store().snapshot(inbox).unwrap().highest_modseq;
    assert_eq!(world.store().changes_since(inbox, now).unwrap().vanished, []);
}

#[test]
fn copy_and_move_keep_bytes_and_flags_and_give_new_uids() {
    let mut world = World::new();
    let (anna, inbox) = world.account("anna");
    let archive = world.store().create_mailbox(&anna, "Archive", None, NOW).unwrap();
    let large = vec![b'y'; 100_000];
    world.deliver(&large, &[inbox]);
    world.deliver(b"small", &[inbox]);
    let copied = world.store().copy(inbox, &uids(&[2, 1, 7]), archive).unwrap();
    assert_eq!(copied.uids, [(uids(&[1])[0], uids(&[1])[0]), (uids(&[2])[0], uids(&[2])[0])]);
    world.store().expunge(inbox, &uids(&[1])).unwrap();
    world.reopen();
    assert_eq!(world.body(archive, 1), large);
    let moved = world.store().move_messages(archive, &uids(&[1]), inbox).unwrap();
    assert_eq!(moved.uids, [(uids(&[1])[0], uids(&[3])[0])]);
    world.reopen();
    assert_eq!((world.uids(inbox), world.uids(archive)), (vec![2, 3], vec![2]));
    assert_eq!(world.body(inbox, 3), large);
    assert_eq!(world.store().usage(&anna).unwrap().bytes, 100_010 + 3 * RECORD_BYTES);
    world.store().expunge(inbox, &uids(&[2, 3])).unwrap();
    assert_eq!((world.files(), world.body(archive, 2)), (0, b"small".to_vec()));
}

#[test]
fn renaming_inbox_leaves_an_empty_inbox() {
    let world = World::new();
    let (anna, inbox) = world.account("anna");
    world.deliver(b"a", &[inbox]);
    world.store().rename_mailbox(&anna, "inbox", "old", NOW).unwrap();
    let old = world.store().mailbox(&anna, "old").unwrap().unwrap();
    assert_eq!((world.uids(inbox), world.body(old.id, 1)), (vec![], b"a".to_vec()));
    world.store().rename_mailbox(&anna, "old", "older", NOW).unwrap();
    assert_eq!(world.store().mailbox(&anna, "older").unwrap().unwrap().id, old.id);
}

#[test]
fn mailboxes_are_renamed_together_or_not_at_all() {
    let mut world = World::new();
    let (anna, _) = world.account("anna");
    for name in ["a", "a/b", "c", "d"] {
        world.store().create_mailbox(&anna, name, None, NOW).unwrap();
    }
    let rename = |world: &World, pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned()));
        world.store().rename_mailboxes(&anna, pairs.collect())
    };
    let names = |world: &World| {
        let mailboxes = world.store().mailboxes(&anna).unwrap();
        mailboxes.into_iter().map(|mailbox| mailbox.name).collect::<Vec<_>>()
    };
    assert!(matches!(rename(&world, &[("a", "x"), ("a/b", "c")]), Err(Error::MailboxExists)));
    assert!(matches!(rename(&world, &[("a", "x"), ("c", "x")]), Err(Error::MailboxExists)));
    assert!(matches!(rename(&world, &[("a", "inbox")]), Err(Error::MailboxExists)));
    assert!(matches!(rename(&world, &[("a", "x"), ("gone", "y")]), Err(Error::NoSuchMailbox)));
    assert!(matches!(rename(&world, &[("a", "x"), ("Inbox", "y")]), Err(Error::InboxIsFixed)));
    assert_eq!(names(&world), ["INBOX", "a", "a/b", "c", "d"]);
    rename(&world, &[("a", "x"), ("a/b", "x/b"), ("c", "d"), ("d", "c")]).unwrap();
    world.reopen();
    assert_eq!(names(&world), ["INBOX", "c", "d", "x", "x/b"]);
}

#[test]
fn the_queue_shares_its_body_with_local_mailboxes() {
    let mut world = World::new();
    let (anna, inbox) = world.account("anna");
    let draft = OutboundDraft {
        sender: Some(anna.clone()),
        recipients: vec![address("far")],
        created: NOW,
        due: NOW,
        attempts: 0,
        last_reply: String::new(),
        prefix: "DKIM-Signature: v=1\r\n".to_owned(),
    };
    let mut spool = world.store().spool(LIMIT);
    spool.write_all(b"to both").unwrap();
    let submitted = world.store().submit(spool, &targets(&[inbox]), slice::from_ref(&draft)).unwrap();
    assert_eq!((submitted.delivered.len(), submitted.queued.len()), (1, 1));
    world.store().expunge(inbox, &uids(&[1])).unwrap();
    world.reopen();
    let queue = world.store().outbound().unwrap();
    assert_eq!((queue.len(), &queue[0].draft), (1, &draft));
    assert_eq!(world.store().outbound_entry(queue[0].id).unwrap(), queue.first().cloned());
    let later = OutboundDraft { attempts: 1, due: UnixTime(NOW.0 + 60), ..draft };
    world.store().update_outbound(queue[0].id, later.clone()).unwrap();
    world.reopen();
    assert_eq!(world.store().outbound().unwrap()[0].draft, later);
    let mut body = Vec::new();
    world.store().outbound_body(queue[0].id).unwrap().read_to_end(&mut body).unwrap();
    assert_eq!(body, b"to both");
    let summary = world.store().outbound_summary().unwrap();
    assert_eq!((summary.messages, summary.oldest), (queue.len(), Some(later.created)));
    let pages = |after| world.store().outbound_after(after, 1).unwrap();
    assert_eq!(pages(None)[0].id, queue[0].id);
    assert_eq!(pages(queue.last().map(|entry| entry.id)), []);
    world.store().finish_outbound(queue[0].id).unwrap();
    assert!(matches!(world.store().outbound_body(queue[0].id), Err(Error::NoSuchMessage)));
    assert_eq!(world.store().outbound_entry(queue[0].id).unwrap(), None);
}

#[test]
fn several_messages_each_have_their_body_and_survive_together() {
    let mut world = World::new();
    let (anna, inbox) = world.account("anna");
    let draft = OutboundDraft {
        sender: None,
        recipients: vec![address("far")],
        created: NOW,
        due: NOW,
        attempts: 0,
        last_reply: String::new(),
        prefix: String::new(),
    };
    let submission = |world: &World, text: &[u8], targets, outbound| {
        let mut spool = world.store().spool(LIMIT);
        spool.write_all(text).unwrap();
        Submission { spool, targets, outbound }
    };
    let large = vec![b'x'; 100_000];
    let both = vec![
        submission(&world, &large, targets(&[inbox]), vec![]),
        submission(&world, b"report", vec![], vec![draft]),
    ];
    let submitted = world.store().submit_all(both).unwrap();
    let results: Vec<_> = submitted.iter().map(|one| (one.delivered.len(), one.queued.len())).collect();
    assert_eq!(results, [(1, 0), (0, 1)]);
    world.reopen();
    let queue = world.store().outbound().unwrap();
    let mut body = Vec::new();
    world.store().outbound_body(queue[0].id).unwrap().read_to_end(&mut body).unwrap();
    assert_eq!((queue.len(), &body[..]), (1, &b"report"[..]));
    world.store().finish_outbound(queue[0].id).unwrap();
    let usage = world.store().usage(&anna).unwrap();
    assert_eq!((usage.messages, usage.bytes), (1, 100_000 + RECORD_BYTES));
}

#[test]
fn a_message_and_its_pending_push_are_one_change_and_the_last_message_counts() {
    let mut world = World::new();
    let (anna, annas) = world.account("anna");
    let (_, bens) = world.account("ben");
    for token in ["t1", "t2"] {
        world.store().register_push_token(&anna, token, NOW).unwrap();
    }
    let announced = |world: &World, seconds| {
        let announce = |mailbox| Target {
            mailbox,
            flags: Flags::default(),
            internal_date: UnixTime(NOW.0 + seconds),
            arrived: UnixTime(NOW.0 + seconds),
            announce: Announce::ToDevices,
        };
        let mut spool = world.store().spool(LIMIT);
        spool.write_all(b"message").unwrap();
        world.store().deliver(spool, &[annas, bens].map(announce)).unwrap();
    };
    world.deliver(b"a copy of one's own", &[annas]);
    assert_eq!(world.store().pending_push(&anna).unwrap(), None);

    announced(&world, 0);
    let first = world.store().pending_push(&anna).unwrap().unwrap();
    world.reopen();
    assert_eq!(world.store().pending_pushes().unwrap(), slice::from_ref(&first), "Ben has no device");
    assert_eq!((&first.account, first.since), (&anna, NOW));

    announced(&world, 9);
    world.store().finish_push(&first).unwrap();
    world.reopen();
    let second = world.store().pending_push(&anna).unwrap().unwrap();
    assert_eq!(
        second.since,
        UnixTime(NOW.0 + 9),
        "the second message is not notified by what was sent before it"
    );
    world.store().finish_push(&second).unwrap();
    world.reopen();
    assert_eq!(world.store().pending_pushes().unwrap(), [], "a store that is closed loses nothing");
}

#[test]
fn changes_that_wait_for_company_wait_for_so_much_only() {
    let world = World::new();
    let (anna, inbox) = world.account("anna");
    world.store().register_push_token(&anna, "token", NOW).unwrap();
    let mut spool = world.store().spool(LIMIT);
    spool.write_all(b"message").unwrap();
    let announce = Announce::ToDevices;
    let target =
        Target { mailbox: inbox, flags: Flags::default(), internal_date: NOW, arrived: NOW, announce };
    world.store().deliver(spool, &[target]).unwrap();
    let push = world.store().pending_push(&anna).unwrap().unwrap();
    for _ in 0..256 {
        world.store().finish_push(&push).unwrap();
    }
    // A checkpoint is no company, but it comes after what was asked before it.
    world.store().checkpoint().unwrap();
    assert_eq!(world.store().pending_push(&anna).unwrap().as_ref(), Some(&push));
    world.store().finish_push(&push).unwrap();
    world.store().checkpoint().unwrap();
    assert_eq!(world.store().pending_push(&anna).unwrap(), None);
}

#[test]
fn push_tokens_are_refreshed_once_a_day_and_the_oldest_makes_room() {
    let world = World::new();
    let (anna, _) = world.account("anna");
    let register = |token: &str, seconds| {
        world.store().register_push_token(&anna, token, UnixTime(NOW.0 + seconds)).unwrap();
    };
    let registered = |token: &str| {
        let tokens = world.store().push_tokens(&anna).unwrap();
        tokens.into_iter().find(|known| known.token == token).map(|known| known.registered.0 - NOW.0)
    };
    register("first", 0);
    register("first", 86_399);
    assert_eq!(registered("first"), Some(0));
    register("first", 86_400);
    assert_eq!(registered("first"), Some(86_400));
    register("first", 100);
    assert_eq!(registered("first"), Some(100), "the clock was wrong");
    for number in 1..=32 {
        register(&format!("t{number}"), 200 + number);
    }
    assert_eq!((registered("first"), registered("t1")), (None, Some(201)));
    world.store().remove_push_token(&anna, "t1").unwrap();
    assert_eq!(world.store().push_tokens(&anna).unwrap().len(), 31);
}

#[test]
fn an_invite_makes_as_many_accounts_as_it_says() {
    let mut world = World::new();
    let invite =
        store::Invite { digest: "i".to_owned(), uses_left: 1, created: NOW, expires: UnixTime(NOW.0 + 9) };
    world.store().put_invite(&invite).unwrap();
    world.reopen();
    let create = |name, now| {
        world.store().create_account_by_invite(&address(name), Secret::new("h"), "i", UnixTime(now))
    };
    assert!(matches!(create("late", NOW.0 + 9), Err(Error::InviteInvalid(InviteFlaw::Expired))));
    create("anna", NOW.0).unwrap();
    assert!(matches!(create("ben", NOW.0), Err(Error::InviteInvalid(InviteFlaw::UsedUp))));
    assert!(matches!(create("anna", NOW.0), Err(Error::AccountExists)));
    world.reopen();
    assert_eq!(world.store().invite("i").unwrap().unwrap().uses_left, 0);
    world.store().remove_invite("i").unwrap();
    let late = world.store().create_account_by_invite(&address("ben"), Secret::new("h"), "i", NOW);
    assert!(matches!(late, Err(Error::InviteInvalid(InviteFlaw::Unknown))));
    assert_eq!(world.store().accounts().unwrap().len(), 1);
}

#[test]
fn settings_are_kept_and_a_key_is_made_only_once() {
    let mut world = World::new();
    assert_eq!(world.store().setting_or_insert("dkim", Secret::new("first")).unwrap().expose(), b"first");
    world.reopen();
    assert_eq!(world.store().setting_or_insert("dkim", Secret::new("second")).unwrap().expose(), b"first");
    world.store().set_setting("dkim", None).unwrap();
    assert_eq!(world.store().setting("dkim"), None);
}

#[test]
fn watchers_are_told_of_every_change_once_it_can_be_read() {
    let world = World::new();
    let (anna, inbox) = world.account("anna");
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    world.store().on_change(Box::new(move |address, mailbox| {
        log.lock().unwrap().push((address.clone(), mailbox));
    }));
    world.deliver(b"a", &[inbox]);
    world.store().expunge(inbox, &uids(&[1])).unwrap();
    assert_eq!(*told.lock().unwrap(), [(anna.clone(), inbox), (anna, inbox)]);
}

#[test]
fn many_threads_deliver_and_every_message_gets_its_own_uid() {
    let mut world = World::new();
    let (_, inbox) = world.account("anna");
    let store = world.store().clone();
    let deliver = |store: Store| {
        move || {
            let one = |_| {
                let mut spool = store.spool(LIMIT);
                spool.write_all(b"hello").unwrap();
                uid_of(store.deliver(spool, &targets(&[inbox])).unwrap()[0])
            };
            (0..25).map(one).collect::<Vec<_>>()
        }
    };
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(deliver(store.clone()))).collect();
    let mut given: Vec<u32> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    given.sort_unstable();
    assert_eq!(given, (1..=200).collect::<Vec<_>>());
    drop(store);
    world.reopen();
    assert_eq!(world.uids(inbox), given);
}

#[test]
fn everything_is_the_same_after_checkpoints_and_without_the_index() {
    let mut world = World::new();
    let (anna, inbox) = world.account("anna");
    let archive = world.store().create_mailbox(&anna, "Archive", None, NOW).unwrap();
    let mut expected = Vec::new();
    for round in 0..6_u32 {
        let text = |number: u32| format!("message {round}.{number}").into_bytes();
        for number in 0..4 {
            let uid = world.deliver(&text(number), &[inbox])[0];
            expected.push((uid, text(number)));
        }
        let gone = expected.remove(expected.len() / 2).0;
        world.store().expunge(inbox, &uids(&[gone])).unwrap();
        world.store().copy(inbox, &uids(&[expected[0].0]), archive).unwrap();
        world.store().checkpoint().unwrap();
        if round % 2 == 1 {
            world.reopen();
        }
        if round == 3 {
            world.store = None;
            std::fs::remove_dir_all(world.directory.path().join("store/index")).unwrap();
            let (store, report) = Store::open(world.directory.path().join("store")).unwrap();
            assert!(report.index_rebuilt && report.damage.is_empty());
            world.store = Some(store);
        }
        assert_eq!(world.uids(inbox), expected.iter().map(|(uid, _)| *uid).collect::<Vec<_>>());
        for (uid, text) in &expected {
            assert_eq!(&world.body(inbox, *uid), text);
        }
        let copies = world.uids(archive);
        assert_eq!(copies.len(), round as usize + 1);
        assert_eq!(world.body(archive, copies[round as usize]), expected[0].1);
    }
    let names: Vec<_> = std::fs::read_dir(world.directory.path().join("store")).unwrap().collect();
    let count = |prefix: &str| {
        names
            .iter()
            .filter(|name| name.as_ref().unwrap().file_name().to_str().unwrap().starts_with(prefix))
            .count()
    };
    assert_eq!((count("export-"), count("journal-")), (2, 2));
    assert!(count("pack-") >= 1, "what outlived two checkpoints is in a pack");
}
