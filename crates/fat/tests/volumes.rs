//! Volumes that `fatfs` has made and filled, which is the oracle: the same files, wherever their clusters are; and the same
//! volumes with damage.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "a test stops at the first thing that is wrong")]

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};

use fat::{Entry, EntryKind, Error, SECTOR, Volume};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions, format_volume};

/// Bytes in front of each volume.
const START: usize = 1024;
const LIMIT: u64 = 1 << 20;

fn volume(kind: FatType, fill: impl FnOnce(&fatfs::Dir<'_, &mut Cursor<Vec<u8>>>)) -> Vec<u8> {
    let size = if kind == FatType::Fat16 { 5 << 20 } else { 36 << 20 };
    let mut bytes = Cursor::new(vec![0; size]);
    let options =
        FormatVolumeOptions::new().fat_type(kind).bytes_per_cluster(512).volume_label(*b"HEARTH     ");
    format_volume(&mut bytes, options).unwrap();
    let system = FileSystem::new(&mut bytes, FsOptions::new()).unwrap();
    fill(&system.root_dir());
    drop(system);
    let mut whole = vec![0xee; START];
    whole.extend(bytes.into_inner());
    whole
}

fn write(directory: &fatfs::Dir<'_, &mut Cursor<Vec<u8>>>, name: &str, content: &[u8]) {
    let mut file = directory.create_file(name).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(content).unwrap();
}

fn open(bytes: &[u8]) -> Volume<Cursor<&[u8]>> {
    Volume::open(Cursor::new(bytes), START as u64).unwrap()
}

fn find(volume: &mut Volume<Cursor<&[u8]>>, name: &str) -> Entry {
    volume.root().unwrap().into_iter().find(|entry| entry.name == name).unwrap()
}

/// Files in turns, so that their clusters are, too.
fn fragments(directory: &fatfs::Dir<'_, &mut Cursor<Vec<u8>>>) {
    for round in 0..5_u8 {
        for name in ["a name that is longer than thirteen.letters", "hearth.toml", "PLAIN.TXT"] {
            write(directory, name, &[b'a' + round; 700]);
        }
    }
    write(directory, "empty", b"");
    let below = directory.create_dir("below").unwrap();
    write(&below, "deep", b"deep");
    write(directory, "gone", &[b'!'; 2000]);
    directory.remove("gone").unwrap();
}

#[test]
fn files_are_found_wherever_their_clusters_are() {
    for kind in [FatType::Fat16, FatType::Fat32] {
        let bytes = volume(kind, fragments);
        let mut volume = open(&bytes);
        assert_eq!(volume.label(), "HEARTH");
        let content: Vec<u8> = (0..5_u8).flat_map(|round| [b'a' + round; 700]).collect();
        let root: BTreeMap<String, Entry> =
            volume.root().unwrap().into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        let names: Vec<&str> = root.keys().map(String::as_str).collect();
        let long = "a name that is longer than thirteen.letters";
        assert_eq!(names, ["PLAIN.TXT", long, "below", "empty", "hearth.toml"]);
        for name in ["PLAIN.TXT", long, "hearth.toml"] {
            assert_eq!(root[name].kind, EntryKind::File { size: 3500 });
            assert_eq!(volume.content(&root[name], LIMIT).unwrap(), content, "{name}");
            assert!(volume.places(&root[name], LIMIT).unwrap().len() > 3, "{name} is in pieces");
            let slack = volume.slack(&root[name], LIMIT).unwrap().unwrap();
            assert_eq!(slack.end - slack.start, 7 * SECTOR - 3500);
            assert_eq!(slack.end % SECTOR, 0);
        }
        assert!(volume.content(&root["empty"], LIMIT).unwrap().is_empty());
        assert_eq!(volume.slack(&root["empty"], LIMIT).unwrap(), None);
        let below = volume.directory(&root["below"]).unwrap();
        assert_eq!(below.len(), 1);
        assert_eq!(volume.content(&below[0], LIMIT).unwrap(), b"deep");
    }
}

#[test]
fn what_was_deleted_is_in_free_places_and_what_was_not_is_not() {
    for kind in [FatType::Fat16, FatType::Fat32] {
        let bytes = volume(kind, fragments);
        let mut volume = open(&bytes);
        let mut free = Vec::new();
        for place in volume.free() {
            let mut bytes = vec![0; usize::try_from(place.end - place.start).unwrap()];
            volume.device().seek(SeekFrom::Start(place.start)).unwrap();
            volume.device().read_exact(&mut bytes).unwrap();
            free.extend(bytes);
        }
        assert_eq!(free.iter().filter(|byte| **byte == b'!').count(), 2000);
        assert!(!free.contains(&b'a') && !free.contains(&b'd'));
    }
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let bytes = volume(FatType::Fat16, fragments);
    let mut volume = open(&bytes);
    let file = find(&mut volume, "hearth.toml");
    assert!(volume.content(&file, 3500).is_ok());
    assert!(matches!(volume.content(&file, 3499), Err(Error::TooLong { limit: 3499, .. })));
}

/// The first byte of the table.
fn table(bytes: &[u8]) -> usize {
    let reserved = u16::from_le_bytes(bytes[START + 14..START + 16].try_into().unwrap());
    START + usize::from(reserved) * SECTOR as usize
}

#[test]
fn damage_in_the_table_is_an_error_and_costs_little() {
    let mut bytes = volume(FatType::Fat32, fragments);
    let table = table(&bytes);
    let mut refused = 0;
    for cluster in (2..36_u32).step_by(2) {
        for next in [0, 1, 2, cluster, cluster - 1, 80_000, 0x0fff_fff7, 0x0fff_ffff] {
            let place = table + cluster as usize * 4..table + cluster as usize * 4 + 4;
            let good: Vec<u8> = bytes[place.clone()].to_vec();
            bytes[place.clone()].copy_from_slice(&u32::to_le_bytes(next));
            refused += look_at_everything(&bytes);
            bytes[place].copy_from_slice(&good);
        }
    }
    assert_eq!(look_at_everything(&bytes), 0);
    assert!(refused > 50, "{refused}");
}

/// Reads what there is, and gives the number of errors.
fn look_at_everything(bytes: &[u8]) -> usize {
    let Ok(mut volume) = Volume::open(Cursor::new(bytes), START as u64) else { return 1 };
    let _ = volume.free();
    let Ok(entries) = volume.root() else { return 1 };
    let is_refused = |entry: &Entry| match entry.kind {
        EntryKind::File { .. } => volume.content(entry, LIMIT).is_err(),
        EntryKind::Directory => volume.directory(entry).is_err(),
    };
    entries.iter().map(is_refused).filter(|refused| *refused).count()
}

#[test]
fn a_file_in_the_place_of_another_or_of_the_directory_is_noticed() {
    let bytes = volume(FatType::Fat32, fragments);
    let mut whole = open(&bytes);
    let root = whole.root().unwrap();
    assert!(root.iter().all(|entry| !whole.is_shared(entry, &root, LIMIT).unwrap()));
    // The cluster of the root directory is 2; the entry of the file is found by its short name there.
    let place = whole.places(&root[0], LIMIT).unwrap()[0].start;
    let entry = bytes.windows(11).position(|window| window == b"PLAIN   TXT").unwrap();
    let other = root.iter().find(|entry| entry.name == "below").unwrap().clone();
    let below = bytes.windows(11).position(|window| window == b"BELOW      ").unwrap();
    assert!(place > entry as u64);
    for first in [[2, 0], [bytes[below + 26], bytes[below + 27]]] {
        let mut bytes = bytes.clone();
        bytes[entry + 26..entry + 28].copy_from_slice(&first);
        // One cluster, as those of the directories have.
        bytes[entry + 28..entry + 32].copy_from_slice(&[5, 0, 0, 0]);
        let mut damaged = open(&bytes);
        let root = damaged.root().unwrap();
        let file = find(&mut damaged, "PLAIN.TXT");
        assert!(damaged.is_shared(&file, &root, LIMIT).unwrap(), "{first:?}");
        assert!(root.contains(&other));
    }
}

#[test]
fn a_directory_in_a_circle_is_too_long() {
    let mut bytes = volume(FatType::Fat32, fragments);
    let root = table(&bytes) + 2 * 4;
    bytes[root..root + 4].copy_from_slice(&2_u32.to_le_bytes());
    assert!(matches!(open(&bytes).root(), Err(Error::TooLong { .. })));
}

#[test]
fn noise_in_the_boot_sector_is_never_a_panic() {
    let mut bytes = volume(FatType::Fat16, fragments);
    for at in (START..START + 64).chain([START + 510, START + 511]) {
        let good = bytes[at];
        for value in [0, 1, 3, 0x7f, 0x80, 0xff] {
            bytes[at] = value;
            let _ = look_at_everything(&bytes);
        }
        bytes[at] = good;
    }
    for length in [0, START, START + 100, START + 512, START + 5000] {
        assert!(Volume::open(Cursor::new(&bytes[..length]), START as u64).is_err(), "{length}");
    }
}
