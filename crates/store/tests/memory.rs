//! The memory that one account can make the store take, under a limit that the kernel enforces. Alone in its binary, since
//! the limit is the process's.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use mail_types::{Address, Flags, Secret, SystemFlag, Uid, UnixTime};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use store::{Announce, FlagChange, FlagMode, MailboxId, RECORD_BYTES, Store, Submission, Target};

const NOW: UnixTime = UnixTime(1_800_000_000);
const MESSAGES: u32 = 10_000;
/// As many as a command of 64 kB has room for, of the longest.
const KEYWORDS: u32 = 62;
/// Bytes that the process may take beside what an empty store takes: stacks of threads, what the allocator keeps, buffers. As
/// strings, the keywords would be ten thousand times 4 kB in the records and twice that in a list.
const ROOM: u64 = 64 << 20;
/// Tells the second life of the test that it is the second.
const AGAIN: &str = "HEARTH_MEMORY_TEST";

fn poison() -> Flags {
    let keywords = (0..KEYWORDS).map(|number| format!("{number:02}{}", "x".repeat(62)).parse().unwrap());
    Flags { system: [SystemFlag::Seen].into(), keywords: keywords.collect() }
}

fn append(store: &Store, mailbox: MailboxId, flags: &Flags, count: u32) {
    let submission = |_| {
        let mut spool = store.spool(100);
        spool.write_all(b"x").unwrap();
        let (flags, announce) = (flags.clone(), Announce::ToNobody);
        let target = Target { mailbox, flags, internal_date: NOW, arrived: NOW, announce };
        Submission { spool, targets: vec![target], outbound: Vec::new() }
    };
    store.submit_all((0..count).map(submission).collect()).unwrap();
}

/// Bytes of the newest export.
fn export_bytes(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let exports = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("export-"));
    exports.max().unwrap().metadata().unwrap().len()
}

/// Bytes of the process's data, as the kernel's limit counts them.
fn data_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

/// The test's body in a process whose threads share one arena of the allocator, since on a busy machine there are more of
/// them, each with memory that it keeps.
#[test]
fn an_account_full_of_keywords_harms_nobody() {
    if std::env::var_os(AGAIN).is_some() {
        return story();
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "an_account_full_of_keywords_harms_nobody", "--nocapture"]);
    let output = again.env(AGAIN, "1").env("MALLOC_ARENA_MAX", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn story() {
    let directory = tempfile::tempdir().unwrap();
    let mallory: Address = "mallory@box.test".parse().unwrap();
    let (store, _) = Store::open(directory.path()).unwrap();
    store.create_account(&mallory, Secret::new("hash"), NOW).unwrap();
    let inbox = store.inbox(&mallory).unwrap();
    let flags = poison();
    append(&store, inbox, &flags, 1);
    store.checkpoint().unwrap();
    let before = getrlimit(Resource::Data);
    let limit = Rlimit { current: Some(data_bytes() + ROOM), ..before };
    setrlimit(Resource::Data, limit).unwrap();
    append(&store, inbox, &flags, 99);
    for _ in 1..MESSAGES / 100 {
        append(&store, inbox, &flags, 100);
    }
    let usage = store.usage(&mallory).unwrap();
    assert_eq!(usage.messages, u64::from(MESSAGES));
    assert!(usage.bytes >= u64::from(MESSAGES) * RECORD_BYTES, "{usage:?}");
    store.checkpoint().unwrap();
    let export = export_bytes(directory.path());
    assert!(export < u64::from(MESSAGES) * 150, "{export} bytes in an export");
    drop(store);

    // The next start, with somebody else's mail, and a checkpoint again.
    let (store, report) = Store::open(directory.path()).unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
    let anna: Address = "anna@box.test".parse().unwrap();
    store.create_account(&anna, Secret::new("hash"), NOW).unwrap();
    append(&store, store.inbox(&anna).unwrap(), &Flags::default(), 1);
    store.checkpoint().unwrap();
    let snapshot = store.snapshot(inbox).unwrap();
    let all: Vec<Uid> = snapshot.messages.iter().map(|message| message.uid).collect();
    assert_eq!(all.len(), usize::try_from(MESSAGES).unwrap());
    let change = |mode| {
        let change = FlagChange { mode, flags: flags.clone(), unchanged_since: None };
        assert_eq!(store.change_flags(inbox, &all, &change).unwrap().messages.len(), all.len());
    };
    change(FlagMode::Remove);
    change(FlagMode::Add);
    assert_eq!(store.expunge(inbox, &all).unwrap(), all);
    store.delete_account(&mallory, NOW.day()).unwrap();
    assert_eq!(store.snapshot(store.inbox(&anna).unwrap()).unwrap().messages.len(), 1);
    store.checkpoint().unwrap();
    assert!(export_bytes(directory.path()) < 10_000);
    setrlimit(Resource::Data, before).unwrap();
}
