//! Data read from a card: the boot state, the partition table, the store's journal, and a package for the image.

use std::path::Path;

use boot_slot::mbr::PartitionTable;
use boot_slot::{BootState, Environment, choose};
use image_builder::debian::Package;
use store::{Store, inspect};

use crate::split_first;

/// Two blocks of boot state, and a first sector.
pub(crate) fn boot_state(data: &[u8]) {
    let (first, second) = data.split_at(data.len() / 2);
    let _ = choose(first, second);
    let _ = BootState::in_force(first, second);
    // With the checksum put right, so that what stands behind it is looked at.
    let mut block = data.to_vec();
    block.resize(boot_slot::BLOCK_SIZE, 0);
    let sum = crc32fast::hash(&block[4..]).to_le_bytes();
    block.splice(..4, sum);
    if let Ok(environment) = Environment::decode(&block) {
        let again = environment.encode().expect("what was read can be written");
        assert_eq!(Environment::decode(&again), Ok(environment));
    }
    if let Ok(state) = BootState::decode(&block) {
        let again = state.encode().expect("what was read can be written");
        assert_eq!(BootState::decode(&again), Ok(state));
    }
    if let Some(sector) = data.first_chunk::<512>()
        && let Ok(table) = PartitionTable::decode(sector)
        && let Ok(again) = table.encode()
    {
        assert_eq!(PartitionTable::decode(&again), Ok(table));
    }
}

/// A journal whose frames are whole and whose operations are anything: it opens, or is refused with an error; if it
/// opens, everything in it can be looked at.
pub(crate) fn journal(data: &[u8]) {
    let directory = tempfile::Builder::new().prefix("hearth-fuzz-").tempdir().expect("a directory");
    let (store, _) = Store::open(directory.path()).expect("an empty store");
    drop(store);
    let journal = only_journal(directory.path());
    let mut bytes = std::fs::read(&journal).expect("the journal");
    let mut sequence = 0;
    let mut rest = data;
    while !rest.is_empty() {
        sequence += 1;
        rest = put_frame(rest, sequence, &mut bytes);
    }
    std::fs::write(&journal, bytes).expect("a longer journal");
    let _ = inspect::check(directory.path());
    let _ = inspect::stats(directory.path());
}

fn only_journal(directory: &Path) -> std::path::PathBuf {
    let is_journal = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("journal-"))
    };
    let entries = std::fs::read_dir(directory).expect("the directory");
    let found: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_journal).collect();
    assert_eq!(found.len(), 1, "an empty store has one journal");
    found[0].clone()
}

/// Makes a frame of operations written as tag, two lengths, key and value; a tag above 127 ends the frame.
fn put_frame<'a>(data: &'a [u8], sequence: u64, journal: &mut Vec<u8>) -> &'a [u8] {
    let (mut rest, mut operations) = (data, Vec::new());
    while !rest.is_empty() {
        let (tag, after) = split_first(rest);
        let (key_length, after) = split_first(after);
        let (value_length, after) = split_first(after);
        let (key, after) = after.split_at(after.len().min(usize::from(key_length)));
        let (value, after) = after.split_at(after.len().min(usize::from(value_length) * 2));
        rest = after;
        operations.push(tag & 0x7f);
        for text in [key, value] {
            operations.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
            operations.extend(text);
        }
        if tag > 0x7f {
            break;
        }
    }
    let length = u32::try_from(operations.len()).unwrap_or(0).to_le_bytes();
    let (sequence, durable) = (sequence.to_le_bytes(), (sequence - 1).to_le_bytes());
    let sum = crc32fast::hash(&[&length[..], &sequence, &durable, &operations].concat()).to_le_bytes();
    journal.extend([&length[..], &sum, &sequence, &durable, &operations].concat());
    rest
}

/// Any bytes as a package: unpacked, or refused; every file of it can be read.
pub(crate) fn debian_package(data: &[u8]) {
    if let Ok(package) = Package::unpack("noise", "1", data) {
        for path in package.list("") {
            assert!(
                !path.starts_with('/') && !path.split('/').any(|part| part == ".."),
                "{path:?} leads out"
            );
            let _ = package.read(path);
        }
    }
}
