//! The volumes as a whole: written, read back, and looked at by the system's own programs.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::process::Command;

use super::*;

fn files() -> BTreeMap<String, Vec<u8>> {
    let large: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
    [
        ("config.txt", b"arm_64bit=1\n".to_vec()),
        ("EMPTY", Vec::new()),
        ("bcm2837-rpi-3-b.dtb", vec![1; 513]),
        ("bcm2837-rpi-3-b-plus.dtb", vec![2; 512]),
        ("overlays/hearth.dtbo", vec![3; 4096]),
        ("licences/deep/er/copyright", vec![4; 5]),
        ("Image.gz", large),
        ("a name with spaces and a lot of letters, longer than thirteen.text", vec![5]),
    ]
    .into_iter()
    .map(|(path, content)| (path.to_owned(), content))
    .collect()
}

fn spec(kind: Kind) -> VolumeSpec {
    let (size, cluster) = match kind {
        Kind::Fat16 => (64 << 20, 2048),
        Kind::Fat32 => (40 << 20, 512),
    };
    VolumeSpec {
        kind,
        size,
        cluster,
        label: "HEARTH".to_owned(),
        serial: 0x1ab5_0001,
        partition_start: 16 << 20,
        time: 1_772_362_861,
    }
}

#[test]
fn files_come_back_as_they_were_written() {
    for kind in [Kind::Fat16, Kind::Fat32] {
        let bytes = spec(kind).write(&files()).unwrap();
        let mut shifted = vec![0xee; 1024];
        shifted.extend_from_slice(&bytes);
        let mut volume = Volume::open(Cursor::new(shifted), 1024).unwrap();
        assert_eq!(volume.label(), "HEARTH");
        let found: Vec<String> = volume.files().unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(found, files().into_keys().collect::<Vec<_>>());
        for (path, content) in files() {
            assert_eq!(volume.read(&path).unwrap(), content, "{path}");
        }
        assert_eq!(volume.read("CONFIG.TXT").unwrap(), b"arm_64bit=1\n");
        assert!(matches!(volume.read("nothing"), Err(Error::NoSuchFile { .. })));
    }
}

#[test]
fn the_same_files_give_the_same_bytes_and_only_used_ones() {
    let bytes = spec(Kind::Fat16).write(&files()).unwrap();
    assert_eq!(bytes, spec(Kind::Fat16).write(&files()).unwrap());
    assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
}

#[test]
fn the_systems_own_checker_and_mtools_agree() {
    for kind in [Kind::Fat16, Kind::Fat32] {
        let mut image = tempfile::NamedTempFile::new().unwrap();
        image.write_all(&spec(kind).write(&files()).unwrap()).unwrap();
        image.as_file().set_len(spec(kind).size).unwrap();
        let path = image.path().to_str().unwrap();
        // Both programs belong to the lab's set-up; where they are missing there is nothing to compare with.
        if let Ok(output) = Command::new("/usr/sbin/fsck.vfat").args(["-n", "-v", path]).output() {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        for (name, content) in files() {
            if let Ok(output) = Command::new("mtype").args(["-i", path, &format!("::{name}")]).output() {
                assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
                assert_eq!(output.stdout, content, "{name}");
            }
        }
    }
}

#[test]
fn what_fat_cannot_hold_is_refused() {
    for path in ["a//b", "../a", "a:b", "dot.", "caf\u{e9}", &"x".repeat(256)] {
        let files = BTreeMap::from([(path.to_owned(), vec![1])]);
        assert!(matches!(spec(Kind::Fat16).write(&files), Err(Error::Name { .. })), "{path}");
    }
    let clash = BTreeMap::from([("A".to_owned(), vec![1]), ("a".to_owned(), vec![2])]);
    assert!(matches!(spec(Kind::Fat16).write(&clash), Err(Error::Name { .. })));
    let large = BTreeMap::from([("large".to_owned(), vec![1; 65 << 20])]);
    assert!(matches!(spec(Kind::Fat16).write(&large), Err(Error::Full { .. })));
    let wrong = VolumeSpec { size: 4 << 20, ..spec(Kind::Fat32) };
    assert!(matches!(wrong.write(&files()), Err(Error::Geometry { .. })));
}

#[test]
fn noise_is_never_a_volume_and_never_a_panic() {
    let good = spec(Kind::Fat16).write(&files()).unwrap();
    for at in (0..64).chain((2048..3072).step_by(3)).chain((133_120..135_000).step_by(5)) {
        for value in [0, 0xff, 0x41] {
            let mut bad = good.clone();
            bad[at] = value;
            if let Ok(mut volume) = Volume::open(Cursor::new(&bad), 0) {
                let found = volume.files().unwrap_or_default();
                for file in found.iter().take(3) {
                    let _ = volume.read(&file.path);
                }
            }
        }
    }
    assert!(Volume::open(Cursor::new(&good[..100]), 0).is_err());
    assert!(Volume::open(Cursor::new(vec![0; 4096]), 0).is_err());
}

/// A FAT32 volume whose root directory takes five clusters, with the positions of its first FAT and its first cluster.
fn volume_with_many_files() -> (Vec<u8>, usize, usize) {
    let files = (0..64).map(|number| (format!("F{number}"), vec![1; 600])).collect();
    let bytes = spec(Kind::Fat32).write(&files).unwrap();
    let fat_sectors = u32::from_le_bytes(bytes[36..40].try_into().unwrap()) as usize;
    let fat = 32 * 512;
    (bytes, fat, fat + 2 * fat_sectors * 512)
}

#[test]
fn a_directory_without_an_end_is_an_error() {
    let (good, fat, data) = volume_with_many_files();
    let listed = |bytes: Vec<u8>| Volume::open(Cursor::new(bytes), 0).unwrap().files();
    assert_eq!(listed(good.clone()).unwrap().len(), 64);
    let mut circle = good;
    // The root directory begins at cluster 2; its second cluster leads back to the first.
    circle[fat + 3 * 4..fat + 4 * 4].copy_from_slice(&2_u32.to_le_bytes());
    assert!(matches!(listed(circle.clone()), Err(Error::Damaged { .. })), "the same files for ever");
    for entry in circle[data..data + 2 * 512].chunks_mut(32) {
        entry[0] = 0xe5;
    }
    assert!(matches!(listed(circle), Err(Error::Damaged { .. })), "deleted files for ever");
}

#[test]
fn cluster_numbers_outside_the_volume_never_panic() {
    let (good, fat, data) = volume_with_many_files();
    for next in [0_u32, 1, 80_000, 0x0000_ffff, 0x0fff_fff6, 0xffff_ffff] {
        let mut bad = good.clone();
        bad[fat + 3 * 4..fat + 4 * 4].copy_from_slice(&next.to_le_bytes());
        let _ = Volume::open(Cursor::new(&bad), 0).unwrap().files();
    }
    for first in [1_u32, 0x0fff_ffff, 0xffff_ffff] {
        let mut bad = good.clone();
        // The entry of F0 stands behind the volume's label.
        let entry = &mut bad[data + 32..data + 64];
        entry[20..22].copy_from_slice(&((first >> 16) as u16).to_le_bytes());
        entry[26..28].copy_from_slice(&(first as u16).to_le_bytes());
        let read = Volume::open(Cursor::new(&bad), 0).unwrap().read("F0");
        assert!(matches!(read, Err(Error::Damaged { .. })), "{first:#x}: {read:?}");
    }
}
