//! A card that rots: bits flip, files end early, files are gone. Whatever happens, the store says so or repairs it; what
//! it shows without a word is what was there.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use mail_types::{Address, Flags, Secret, SystemFlag, Uid, UnixTime};
use store::{Announce, Error, FlagChange, FlagMode, OpenReport, Options, Store, Target, inspect};
use tempfile::TempDir;

const NOW: UnixTime = UnixTime(1_800_000_000);
const OPTIONS: Options =
    Options { checkpoint_bytes: 1 << 30, inline_limit: 2_000, reserve_bytes: 0, list_bytes: 1 << 20 };

/// The readable content: the checksum of each message's text, or the reason why it cannot be read.
type Content = BTreeMap<(String, u32), Result<u32, String>>;

/// A store with two exports, two journals, packs, large messages and an index, closed.
struct Original {
    directory: TempDir,
    content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    FlipBit,
    Truncate,
    Noise,
    Remove,
}

const HARMS: [Harm; 4] = [Harm::FlipBit, Harm::Truncate, Harm::Noise, Harm::Remove];

fn original() -> Original {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_with(directory.path(), OPTIONS).unwrap();
    let names = ["anna", "ben"].map(address);
    for name in &names {
        store.create_account(name, Secret::new("hash"), NOW).unwrap();
    }
    for round in 0..4 {
        for number in 0..12_u32 {
            let large = number % 6 == 5;
            let mut spool = store.spool(1 << 20);
            let text = format!("message {number} of round {round}\r\n").repeat(if large { 300 } else { 3 });
            spool.write_all(text.as_bytes()).unwrap();
            let inboxes = names.iter().filter(|_| number % 4 != 3).map(|name| store.inbox(name).unwrap());
            let target = |mailbox| Target {
                mailbox,
                flags: Flags::default(),
                internal_date: NOW,
                arrived: NOW,
                announce: Announce::ToNobody,
            };
            let mut targets: Vec<Target> = inboxes.map(target).collect();
            targets.truncate(1 + number as usize % 2);
            store.deliver(spool, &targets).unwrap();
        }
        let inbox = store.inbox(&names[0]).unwrap();
        let first = store.snapshot(inbox).unwrap().messages.iter().next().unwrap().uid;
        store.expunge(inbox, &[first]).unwrap();
        let flags = [SystemFlag::Seen].into_iter().collect();
        let change = FlagChange { mode: FlagMode::Add, flags, unchanged_since: None };
        store.change_flags(inbox, &[Uid::new(first.get() + 1).unwrap()], &change).unwrap();
        if round < 3 {
            store.checkpoint().unwrap();
        }
    }
    let content = content(&store);
    drop(store);
    let original = Original { directory, content };
    for prefix in ["export-", "journal-", "pack-", "messages", "index"] {
        assert!(
            original.files().iter().any(|file| file.to_str().unwrap().starts_with(prefix)),
            "no {prefix}"
        );
    }
    original
}

impl Original {
    /// All files, relative to the directory.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut directories = vec![self.directory.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else if fs::metadata(&path).unwrap().len() > 0 {
                    files.push(path.strip_prefix(self.directory.path()).unwrap().to_owned());
                }
            }
        }
        files.sort();
        files
    }

    fn files_like(&self, prefix: &str) -> Vec<PathBuf> {
        self.files().into_iter().filter(|file| file.to_str().unwrap().starts_with(prefix)).collect()
    }

    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for file in self.files() {
            let to = copy.path().join(&file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(self.directory.path().join(&file), to).unwrap();
        }
        copy
    }

    /// Harms one file of a copy, opens it, and gives what is to be seen; the copy must open again afterwards.
    fn after(&self, file: &Path, harm: Harm, place: u64) -> Result<(Content, OpenReport, TempDir), Error> {
        let copy = self.copy();
        do_harm(&copy.path().join(file), harm, place);
        let (store, report) = Store::open_with(copy.path(), OPTIONS)?;
        let seen = content(&store);
        drop(store);
        let (store, _) = Store::open_with(copy.path(), OPTIONS).unwrap();
        assert_eq!(content(&store), seen, "another start shows something else after {harm:?} of {file:?}");
        Ok((seen, report, copy))
    }

    /// Harms each of these files in each way at some places.
    fn each(
        &self,
        prefix: &str,
        harms: &[Harm],
        mut look: impl FnMut(&Path, Harm, Result<(Content, OpenReport, TempDir), Error>),
    ) {
        for file in self.files_like(prefix) {
            for harm in harms {
                let places = if *harm == Harm::Remove { 1 } else { 8 };
                for place in 0..places {
                    // A prime, to reach headers, middles and ends.
                    look(&file, *harm, self.after(&file, *harm, place * 7_919 + 5));
                }
            }
        }
    }
}

fn address(name: &str) -> Address {
    format!("{name}@box.test").parse().unwrap()
}

fn do_harm(path: &Path, harm: Harm, place: u64) {
    let mut bytes = fs::read(path).unwrap();
    let at = usize::try_from(place).unwrap() % bytes.len();
    match harm {
        Harm::FlipBit => bytes[at] ^= 1 << (place % 8),
        Harm::Truncate => bytes.truncate(at),
        Harm::Noise => {
            let end = (at + 64).min(bytes.len());
            for (count, byte) in bytes[at..end].iter_mut().enumerate() {
                *byte = (place as usize * 31 + count * 17) as u8;
            }
        }
        Harm::Remove => return fs::remove_file(path).unwrap(),
    }
    fs::write(path, bytes).unwrap();
}

fn content(store: &Store) -> Content {
    let mut content = Content::new();
    for account in store.accounts().unwrap() {
        for mailbox in store.mailboxes(&account.address).unwrap() {
            let name = format!("{} {}", account.address, mailbox.name);
            let snapshot = match store.snapshot(mailbox.id) {
                Ok(snapshot) => snapshot,
                Err(trouble) => {
                    content.insert((name, 0), Err(trouble.to_string()));
                    continue;
                }
            };
            for message in snapshot.messages.iter() {
                let mut text = Vec::new();
                let read = store.body(mailbox.id, message.uid).map_err(|trouble| trouble.to_string());
                let read = read
                    .and_then(|mut body| body.read_to_end(&mut text).map_err(|trouble| trouble.to_string()));
                content.insert((name.clone(), message.uid.get()), read.map(|_| crc32fast::hash(&text)));
            }
        }
    }
    content
}

/// Every message is there with its own text, or says that it cannot be read.
fn assert_same_or_told(seen: &Content, original: &Content, of: &str) {
    assert_eq!(seen.keys().collect::<Vec<_>>(), original.keys().collect::<Vec<_>>(), "{of}");
    for (message, text) in seen {
        assert!(text.is_err() || *text == original[message], "{of}: {message:?} has another text");
    }
}

#[test]
fn whatever_happens_to_the_index_everything_is_there() {
    let original = original();
    original.each("index", &HARMS, |file, harm, after| {
        let (seen, report, _) = after.unwrap();
        assert_eq!((&seen, &report.damage), (&original.content, &vec![]), "{harm:?} of {file:?}");
    });
}

#[test]
fn either_export_may_be_damaged_or_gone() {
    let original = original();
    let newest = original.files_like("export-").pop().unwrap();
    original.each("export-", &HARMS, |file, harm, after| {
        let (seen, report, _) = after.unwrap();
        assert_eq!(seen, original.content, "{harm:?} of {file:?}");
        // The older one is not read at a start; without the newer one, the older and its journals tell the same.
        let silent = file != newest || harm == Harm::Remove;
        assert!(!silent || report.damage.is_empty(), "{harm:?} of {file:?}: {report:?}");
    });
}

#[test]
fn a_damaged_journal_is_told_of_or_is_a_cut_in_the_last_writes() {
    let original = original();
    let journals = original.files_like("journal-");
    let newest = journals.last().unwrap();
    original.each("journal-", &[Harm::FlipBit, Harm::Noise, Harm::Truncate], |file, harm, after| {
        let of = format!("{harm:?} of {file:?}");
        let (seen, report, _) = after.unwrap();
        if file != newest {
            // It is needed only for the small messages that still lie in it.
            return assert_same_or_told(&seen, &original.content, &of);
        }
        if seen != original.content && harm != Harm::Truncate {
            assert!(
                !report.damage.is_empty() || report.torn_bytes > 0,
                "{of}: something differs without a word"
            );
        }
    });
}

#[test]
fn a_missing_journal_is_told_of() {
    let original = original();
    let newest = original.files_like("journal-").pop().unwrap();
    let (seen, report, _) = original.after(&newest, Harm::Remove, 0).unwrap();
    assert!(!seen.is_empty() && !report.damage.is_empty(), "changes are missing without a word");
}

#[test]
fn a_damaged_message_says_so_and_a_check_finds_it() {
    let original = original();
    for prefix in ["messages", "pack-"] {
        original.each(prefix, &HARMS, |file, harm, after| {
            let of = format!("{harm:?} of {file:?}");
            let (seen, report, copy) = after.unwrap();
            assert_same_or_told(&seen, &original.content, &of);
            let check = inspect::check(copy.path()).unwrap();
            let found = !check.findings.is_empty() || !report.damage.is_empty();
            assert!(found, "{of}: nothing was found");
        });
    }
}

#[test]
fn without_journals_and_exports_messages_are_not_taken_for_an_empty_store() {
    let original = original();
    let copy = original.copy();
    for file in original.files_like("journal-").into_iter().chain(original.files_like("export-")) {
        fs::remove_file(copy.path().join(file)).unwrap();
    }
    assert!(matches!(Store::open_with(copy.path(), OPTIONS), Err(Error::Damaged { .. })));
}

#[test]
fn with_both_exports_damaged_the_store_does_not_open_half() {
    let original = original();
    let copy = original.copy();
    for file in original.files_like("export-") {
        do_harm(&copy.path().join(file), Harm::FlipBit, 100);
    }
    assert!(matches!(Store::open_with(copy.path(), OPTIONS), Err(Error::Damaged { .. })));
}

#[test]
fn a_format_of_a_later_release_is_left_alone() {
    let original = original();
    for prefix in ["journal-", "export-"] {
        let copy = original.copy();
        let path = copy.path().join(original.files_like(prefix).pop().unwrap());
        let mut bytes = fs::read(&path).unwrap();
        // The oldest release that can read it, and the header's checksum.
        bytes[12..16].copy_from_slice(&9_u32.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..24]);
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        let opened = Store::open_with(copy.path(), OPTIONS);
        assert!(matches!(opened, Err(Error::Version { found: 9, .. })), "{prefix}: {opened:?}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_sound_store_passes_its_check_and_its_copy_is_equal() {
    let original = original();
    let check = inspect::check(original.directory.path()).unwrap();
    assert_eq!((check.findings, check.accounts, check.stray_files), (vec![], 2, 0));
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("copy");
    let check = inspect::export(original.directory.path(), &copy).unwrap();
    assert_eq!(check.findings, Vec::<String>::new());
    let (store, report) = Store::open(&copy).unwrap();
    assert_eq!((content(&store), report.damage), (original.content.clone(), vec![]));
    drop(store);
    assert!(matches!(inspect::export(original.directory.path(), &copy), Err(Error::NotEmpty(_))));
    inspect::rebuild_index(&copy).unwrap();
    let stats = inspect::stats(&copy).unwrap();
    assert_eq!((stats.accounts, stats.mailboxes), (2, 2));
    assert_eq!(stats.messages, original.content.len() as u64);
    assert!(matches!(inspect::check(copies.path()), Err(Error::NoStore(_))));
}

#[test]
fn a_read_only_file_system_is_a_clear_error() {
    let directory = Path::new("/proc/self");
    match Store::open(directory.join("store")) {
        Err(Error::Io { .. }) => {}
        other => panic!("{other:?}"),
    }
}
