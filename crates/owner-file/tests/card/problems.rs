//! Troubles that owners and computers make, with the file and with the volume.

use std::io::Cursor;

use fat::Volume;
use owner_file::{Finished, Report, SETTINGS, TUNNEL, finish};

use crate::device::{Card, read};
use crate::volumes::{KEPT, KINDS, Root, SAMPLE, report, settings, volume, write};

/// The text and the problem of a volume of each kind.
fn found(fill: impl Fn(&Root<'_, '_>)) -> (Option<String>, Option<String>) {
    let [first, second] = KINDS.map(|kind| {
        let found = read(Cursor::new(volume(kind, &fill)), SETTINGS);
        (found.text, found.problem)
    });
    assert_eq!(first, second);
    first
}

fn problem(fill: impl Fn(&Root<'_, '_>)) -> String {
    let (text, problem) = found(fill);
    assert_eq!(text, None);
    problem.unwrap()
}

#[test]
fn no_file_is_no_problem() {
    assert_eq!(found(|_| ()), (None, None));
    let mut card = Card::new(volume(KINDS[0], |_| ()));
    let finished = finish(&mut card, KEPT, "a report").unwrap();
    assert_eq!(finished, Finished { masked: 0, copies: 0, report: Report::NoFile });
}

#[test]
fn an_empty_file_is_an_empty_text() {
    assert_eq!(found(|root| settings(root, b"")), (Some(String::new()), None));
}

#[test]
fn the_name_counts_without_case() {
    let (text, problem) = found(|root| write(root, "Hearth.TOML", SAMPLE.as_bytes()));
    assert_eq!((text.as_deref(), problem), (Some(SAMPLE), None));
}

#[test]
fn an_ending_that_windows_hides_is_told_with_and_without_the_right_file() {
    let alone = problem(|root| write(root, "hearth.toml.txt", SAMPLE.as_bytes()));
    assert!(alone.starts_with("hearth.toml.txt is not read: rename it to hearth.toml. "), "{alone}");
    let both = problem(|root| {
        settings(root, b"# the sample");
        write(root, "hearth.toml.txt", SAMPLE.as_bytes());
    });
    assert!(
        both.starts_with("hearth.toml.txt is not read: rename it to hearth.toml, and remove the other"),
        "{both}"
    );
}

#[test]
fn each_file_has_problems_of_its_own() {
    let bytes = volume(KINDS[0], |root| {
        settings(root, SAMPLE.as_bytes());
        write(root, "wireguard.conf.txt", b"[Interface]");
    });
    assert_eq!(read(Cursor::new(&bytes), SETTINGS).problem, None);
    let problem = read(Cursor::new(&bytes), TUNNEL).problem.unwrap();
    assert!(
        problem.starts_with("wireguard.conf.txt is not read: rename it to wireguard.conf. "),
        "{problem}"
    );
}

#[test]
fn what_is_no_text_is_told() {
    let folder = problem(|root| drop(root.create_dir("hearth.toml").unwrap()));
    assert!(folder.contains("is a folder"), "{folder}");
    let long = problem(|root| settings(root, &[b'#'; 16 * 1024 + 1]));
    assert!(long.contains("longer than 16384 bytes"), "{long}");
    let utf_16: Vec<u8> = SAMPLE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf_16 = problem(|root| settings(root, &utf_16));
    assert!(utf_16.contains("as UTF-8"), "{utf_16}");
    let latin_1 = problem(|root| settings(root, b"# for the M\xfcllers"));
    assert!(latin_1.contains("in line 1"), "{latin_1}");
    assert!(found(|root| settings(root, &[b'#'; 16 * 1024])).0.is_some());
}

#[test]
fn a_report_without_room_is_cut_and_one_that_is_deleted_is_not_written() {
    let mut card = Card::new(volume(KINDS[1], |root| write(root, "HEARTH-ERRORS.TXT", b"short file")));
    let finished = finish(&mut card, &[], "a long report").unwrap();
    assert_eq!(finished.report, Report::Written);
    assert_eq!(card.content("HEARTH-ERRORS.TXT"), b"a long r\r\n");
    for fill in [|_: &Root<'_, '_>| (), |root: &Root<'_, '_>| write(root, "hearth-errors.txt", b"")] {
        let mut card = Card::new(volume(KINDS[1], fill));
        assert_eq!(finish(&mut card, &[], "a").unwrap().report, Report::NoFile);
    }
}

#[test]
fn what_is_no_volume_is_a_problem_in_words() {
    for bytes in [Vec::new(), vec![0; 4096], vec![0xff; 100_000]] {
        let found = read(Cursor::new(bytes.clone()), SETTINGS);
        assert!(found.problem.unwrap().starts_with("hearth.toml cannot be read: "));
        assert!(finish(&mut Card::new(bytes), KEPT, "").is_err());
    }
}

/// The report's file shares its clusters with another one, as after a bad repair.
#[test]
fn a_file_that_shares_clusters_is_not_written() {
    let mut bytes = volume(KINDS[0], |root| {
        report(root);
        settings(root, SAMPLE.as_bytes());
    });
    let reserved = usize::from(u16::from_le_bytes([bytes[14], bytes[15]]));
    let mut opened = Volume::open(Cursor::new(&bytes), 0).unwrap();
    let root = opened.root().unwrap();
    let first = |name: &str| {
        let file = root.iter().find(|entry| entry.name == name).unwrap();
        opened.places(file, 1 << 20).unwrap()[0].start / 512
    };
    // `bootcode.bin` was the first file, and so has cluster 2.
    let offset = first("bootcode.bin") - 2;
    let (boot, report) = (first("bootcode.bin") - offset, first("hearth-errors.txt") - offset);
    let entry = reserved * 512 + usize::try_from(report).unwrap() * 2;
    bytes[entry..entry + 2].copy_from_slice(&u16::try_from(boot).unwrap().to_le_bytes());
    let mut card = Card::new(bytes.clone());
    let error = finish(&mut card, &[], "a report").unwrap_err();
    assert!(matches!(&error, owner_file::Error::Volume(fat::Error::Damaged(_))), "{error:?}");
    assert!(card.bytes() == bytes);
}
