//! Keywords: the dictionary of a mailbox, its limit, and the records of releases that had none.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use mail_types::{Address, Flags, ModSeq, Secret, SystemFlag, Uid, UnixTime};
use store::{
    Announce, Delivered, Error, FlagChange, FlagMode, MailboxId, MetadataScope, Snapshot, Store, Target,
    inspect,
};
use tempfile::TempDir;

const NOW: UnixTime = UnixTime(1_800_000_000);
/// Keywords that a mailbox can have.
const LIMIT: usize = 64;

fn anna() -> Address {
    "anna@box.test".parse().unwrap()
}

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn flags(names: impl IntoIterator<Item = impl AsRef<str>>) -> Flags {
    let keywords = names.into_iter().map(|name| name.as_ref().parse().unwrap());
    Flags { system: [SystemFlag::Seen].into(), keywords: keywords.collect() }
}

fn numbered(numbers: impl IntoIterator<Item = usize>) -> Flags {
    flags(numbers.into_iter().map(|number| format!("k{number:02}")))
}

fn open(directory: &TempDir) -> Store {
    let (store, report) = Store::open(directory.path().join("store")).unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
    store
}

fn new_store() -> (TempDir, Store, MailboxId) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    store.create_account(&anna(), Secret::new("hash"), NOW).unwrap();
    let inbox = store.inbox(&anna()).unwrap();
    (directory, store, inbox)
}

fn append(store: &Store, mailbox: MailboxId, flags: Flags) -> Result<Delivered, Error> {
    let mut spool = store.spool(100);
    spool.write_all(b"Subject: x\r\n\r\n").unwrap();
    let (internal_date, announce) = (NOW, Announce::ToNobody);
    let target = Target { mailbox, flags, internal_date, arrived: NOW, announce };
    store.deliver(spool, &[target]).map(|delivered| *delivered.first().unwrap())
}

fn change(mode: FlagMode, flags: Flags) -> FlagChange {
    FlagChange { mode, flags, unchanged_since: None }
}

fn flags_of(snapshot: &Snapshot) -> Vec<Flags> {
    snapshot.messages.iter().map(|message| snapshot.keywords.expand(message.flags)).collect()
}

#[test]
fn keywords_stay_through_changes_copies_checkpoints_and_starts() {
    let (directory, store, inbox) = new_store();
    append(&store, inbox, flags(["work", "$Forwarded"])).unwrap();
    append(&store, inbox, flags([] as [&str; 0])).unwrap();
    store.checkpoint().unwrap();
    store.change_flags(inbox, &[uid(2)], &change(FlagMode::Add, flags(["WORK", "later"]))).unwrap();
    let removed = change(FlagMode::Remove, flags(["$forwarded", "unknown"]));
    let removed = store.change_flags(inbox, &[uid(1)], &removed).unwrap();
    assert_eq!(removed.keywords.expand(removed.messages[0].flags).keywords, flags(["work"]).keywords);
    let archive = store.create_mailbox(&anna(), "Archive", None, NOW).unwrap();
    append(&store, archive, flags(["other", "later"])).unwrap();
    store.copy(inbox, &[uid(1), uid(2)], archive).unwrap();
    store.move_messages(inbox, &[uid(1)], inbox).unwrap();
    for _ in 0..3 {
        let inbox = store.snapshot(inbox).unwrap();
        let work = Flags { system: [].into(), ..flags(["work"]) };
        assert_eq!(flags_of(&inbox), [flags(["work", "later"]), work.clone()]);
        let archive = store.snapshot(archive).unwrap();
        assert_eq!(flags_of(&archive), [flags(["other", "later"]), work, flags(["work", "later"])]);
        store.checkpoint().unwrap();
    }
    let before = flags_of(&store.snapshot(archive).unwrap());
    drop(store);
    assert_eq!(flags_of(&open(&directory).snapshot(archive).unwrap()), before);
}

#[test]
fn the_sixty_fifth_keyword_of_a_mailbox_is_refused_and_changes_nothing() {
    let (directory, store, inbox) = new_store();
    append(&store, inbox, numbered(0..LIMIT - 1)).unwrap();
    append(&store, inbox, numbered([])).unwrap();
    let before = store.snapshot(inbox).unwrap();
    let two_more = change(FlagMode::Add, numbered([90, 91]));
    assert!(matches!(store.change_flags(inbox, &[uid(1), uid(2)], &two_more), Err(Error::KeywordsFull)));
    assert!(matches!(append(&store, inbox, numbered([90, 91])), Err(Error::KeywordsFull)));
    assert_eq!(store.snapshot(inbox).unwrap(), before);
    // A change of no message makes no keyword known.
    store.change_flags(inbox, &[uid(7)], &change(FlagMode::Add, numbered([80]))).unwrap();
    store.change_flags(inbox, &[uid(2)], &change(FlagMode::Set, numbered([90]))).unwrap();
    assert!(store.snapshot(inbox).unwrap().keywords.is_full());

    let archive = store.create_mailbox(&anna(), "Archive", None, NOW).unwrap();
    append(&store, archive, numbered([95])).unwrap();
    assert!(matches!(store.copy(archive, &[uid(1)], inbox), Err(Error::KeywordsFull)));
    assert!(matches!(store.move_messages(archive, &[uid(1)], inbox), Err(Error::KeywordsFull)));
    assert_eq!(store.snapshot(archive).unwrap().messages.len(), 1);
    // What needs no new name still goes.
    store.copy(inbox, &[uid(2)], inbox).unwrap();
    store.change_flags(inbox, &[uid(1)], &change(FlagMode::Remove, numbered([0]))).unwrap();
    store.rename_mailbox(&anna(), "INBOX", "old", NOW).unwrap();
    let expected = [numbered(1..LIMIT - 1), numbered([90]), numbered([90])].map(|flags| flags.keywords);
    drop(store);
    let store = open(&directory);
    let old = store.mailbox(&anna(), "old").unwrap().unwrap().id;
    let found = flags_of(&store.snapshot(old).unwrap()).into_iter().map(|flags| flags.keywords);
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn keywords_count_in_the_usage_and_go_with_their_mailbox() {
    let (_directory, store, inbox) = new_store();
    append(&store, inbox, numbered([])).unwrap();
    let without = store.usage(&anna()).unwrap();
    let archive = store.create_mailbox(&anna(), "Archive", None, NOW).unwrap();
    append(&store, archive, numbered(0..LIMIT)).unwrap();
    let with = store.usage(&anna()).unwrap();
    let names = (LIMIT * "k00".len()) as u64;
    assert!(with.bytes > 2 * without.bytes + names && with.bytes < 2 * without.bytes + 10 * names);
    store.delete_mailbox(&anna(), "Archive").unwrap();
    assert_eq!(store.usage(&anna()).unwrap(), without);
}

/// A store of a release that wrote format 1: INBOX and "Many", of which one message each is in the export, and others and a
/// change in the journal. Made by that release.
fn of_format_1() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    fs::create_dir(&store).unwrap();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/format-1")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), store.join(file.file_name())).unwrap();
    }
    directory
}

/// The content that this release finds in the store of format 1.
fn check_converted(store: &Store) {
    let inbox = store.snapshot(store.inbox(&anna()).unwrap()).unwrap();
    let found: Vec<Flags> = flags_of(&inbox);
    let keywords = |names: &[&str]| flags(names).keywords;
    let names = [&["$Forwarded", "work"][..], &["late"], &["$forwarded"]];
    assert_eq!(found.iter().map(|flags| &flags.keywords).collect::<Vec<_>>(), names.map(keywords).each_ref());
    let system = [SystemFlag::Seen, SystemFlag::Answered, SystemFlag::Flagged];
    assert!(found.iter().zip(system).all(|(flags, flag)| flags.system == [flag].into()));
    let arrived = |number| inbox.messages.get(uid(number)).unwrap().arrived.0;
    assert_eq!((arrived(1), arrived(3)), (NOW.0, NOW.0 + 7));

    let many = store.mailbox(&anna(), "Many").unwrap().unwrap().id;
    let found: Vec<_> =
        flags_of(&store.snapshot(many).unwrap()).into_iter().map(|flags| flags.keywords).collect();
    // 58 keywords are on two messages; of those on one, the first in order got the places that were left.
    let [first, second] =
        [0..64, 6..64].map(|numbers| numbered(numbers.filter(|number| *number != 5)).keywords);
    assert_eq!(found, [first, second, keywords(&["$forwarded"])]);
    assert_eq!(
        store.metadata(&anna(), MetadataScope::Account, "/private/comment").unwrap().unwrap(),
        b"kept"
    );
    let mut text = String::new();
    store.body(many, uid(2)).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "Subject: second\r\n\r\n");
}

#[test]
fn a_store_of_format_1_keeps_the_keywords_that_have_a_place() {
    let directory = of_format_1();
    let path = directory.path().join("store");
    let (store, report) = Store::open(&path).unwrap();
    assert_eq!(
        report.damage,
        ["1 mailboxes had more keywords than a mailbox can have; the 7 that were used least were dropped"]
    );
    check_converted(&store);
    let many = store.mailbox(&anna(), "Many").unwrap().unwrap();
    // Clients are told of the two messages that lost keywords, and of no other.
    let before = ModSeq(many.highest_modseq.0 - 1);
    let changes = store.changes_since(many.id, before).unwrap();
    assert_eq!(changes.changed.iter().map(|message| message.uid.get()).collect::<Vec<_>>(), [1, 2]);
    // Once converted, at each start as long as the old files are there, and when they are gone.
    drop(store);
    for _ in 0..4 {
        let store = open(&directory);
        check_converted(&store);
        assert_eq!(store.mailbox(&anna(), "Many").unwrap().unwrap(), many);
        append(&store, store.inbox(&anna()).unwrap(), flags(["late"])).unwrap();
        let last = store.mailbox(&anna(), "INBOX").unwrap().unwrap().uid_next.get() - 1;
        store.expunge(store.inbox(&anna()).unwrap(), &[uid(last)]).unwrap();
        store.checkpoint().unwrap();
    }
    assert_eq!(inspect::check(&path).unwrap().findings, Vec::<String>::new());
}
