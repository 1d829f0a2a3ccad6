//! The owner's file on volumes that others have made: `fatfs`, and Debian's dosfstools and mtools.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "a test stops at the first thing that is wrong")]

mod cuts;
mod device;
mod other_programs;
mod problems;
mod volumes;

use owner_file::{Finished, Report, Secrets, finish, read};

use device::Card;
use volumes::{KINDS, SAMPLE, TOKEN, mask, report, settings, volume, write};

#[test]
fn the_text_is_read_masked_once_and_the_report_is_written() {
    for kind in KINDS {
        let mut card = Card::new(volume(kind, |root| {
            report(root);
            settings(root, SAMPLE.as_bytes());
        }));
        let before = card.bytes().to_vec();
        let found = read(card.reader());
        assert_eq!((found.text.as_deref(), found.problem), (Some(SAMPLE), None));

        let finished = finish(&mut card, mask, Secrets::Mask, "All is well.\nReally.\n").unwrap();
        assert_eq!(finished, Finished { masked: 1, copies: 0, report: Report::Written });
        let masked = SAMPLE.replace(TOKEN, &"*".repeat(TOKEN.len()));
        assert_eq!(read(card.reader()).text.unwrap(), masked);
        let text = String::from_utf8(card.content("hearth-errors.txt")).unwrap();
        assert_eq!((text.len(), text.trim_end()), (8192, "All is well.\r\nReally."));
        assert!(!card.contains(TOKEN.as_bytes()));
        card.assert_only_these_differ(&before, &["hearth.toml", "hearth-errors.txt"]);

        let writes = card.writes;
        let again = finish(&mut card, mask, Secrets::Mask, "All is well.\nReally.\n").unwrap();
        assert_eq!(again, Finished { masked: 0, copies: 0, report: Report::Unchanged });
        assert_eq!(card.writes, writes, "nothing is written twice");
    }
}

#[test]
fn secrets_that_are_still_needed_stay() {
    let mut card = Card::new(volume(KINDS[0], |root| {
        report(root);
        settings(root, SAMPLE.as_bytes());
    }));
    let finished = finish(&mut card, mask, Secrets::Leave, "Line 3 is wrong.").unwrap();
    assert_eq!(finished, Finished { masked: 0, copies: 0, report: Report::Written });
    assert_eq!(read(card.reader()).text.as_deref(), Some(SAMPLE));
}

#[test]
fn a_file_in_pieces_with_a_mark_in_front_is_masked_byte_by_byte() {
    // The secret lies across the border of two pieces: 512 bytes in the first.
    let lines = "#".repeat(490) + "\r\n";
    let text = format!("\u{feff}{lines}token = \"{TOKEN}\"\r\n{lines}{lines}");
    for kind in KINDS {
        let mut card = Card::new(volume(kind, |root| {
            for piece in text.as_bytes().chunks(512) {
                settings(root, piece);
                write(root, "between.txt", &[b'-'; 512]);
            }
        }));
        let before = card.bytes().to_vec();
        assert_eq!(read(card.reader()).text.as_deref(), text.strip_prefix('\u{feff}'));
        let finished = finish(&mut card, mask, Secrets::Mask, "").unwrap();
        assert_eq!(finished, Finished { masked: 1, copies: 0, report: Report::NoFile });
        assert!(!card.contains(&TOKEN.as_bytes()[..10]));
        let masked = text.replace(TOKEN, &"*".repeat(TOKEN.len()));
        assert_eq!(card.content("hearth.toml"), masked.as_bytes());
        card.assert_only_these_differ(&before, &["hearth.toml"]);
    }
}

#[test]
fn copies_in_free_clusters_and_behind_the_end_are_masked_and_those_of_other_files_are_not() {
    for kind in KINDS {
        let mut card = Card::new(volume(kind, |root| {
            write(root, "other.txt", TOKEN.as_bytes());
            write(root, "earlier", format!("{}{TOKEN}{}", "-".repeat(1000), "-".repeat(5000)).as_bytes());
            // An editor's longer version, shortened afterwards.
            settings(root, format!("token = \"{TOKEN}\"\r\n# once more: {TOKEN}\r\n").as_bytes());
            let mut file = root.open_file("hearth.toml").unwrap();
            std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(60)).unwrap();
            file.truncate().unwrap();
            drop(file);
            root.remove("earlier").unwrap();
        }));
        let finished = finish(&mut card, mask, Secrets::Mask, "").unwrap();
        assert_eq!((finished.masked, finished.copies), (1, 3), "the second copy lies in two sectors");
        assert_eq!(card.content("other.txt"), TOKEN.as_bytes());
        let text = card.count(TOKEN.as_bytes());
        assert_eq!(text, 1, "in the other file");
    }
}

#[test]
fn a_short_secret_is_masked_without_a_search() {
    let mut card = Card::new(volume(KINDS[0], |root| {
        write(root, "earlier", b"token = \"short\"");
        settings(root, b"token = \"short\"");
        root.remove("earlier").unwrap();
    }));
    let finished = finish(&mut card, mask, Secrets::Mask, "").unwrap();
    assert_eq!((finished.masked, finished.copies), (1, 0));
    assert_eq!(card.content("hearth.toml"), b"token = \"*****\"");
}

#[test]
fn a_mask_that_changes_more_than_it_should_writes_nothing() {
    let filled = volume(KINDS[0], |root| settings(root, SAMPLE.as_bytes()));
    for wrong in [SAMPLE.replace(TOKEN, "*"), SAMPLE.replace("domain", "nomaid")] {
        let mut card = Card::new(filled.clone());
        let error = finish(&mut card, |_| wrong.clone(), Secrets::Mask, "").unwrap_err();
        assert!(matches!(error, owner_file::Error::Mask), "{error}");
        assert!(card.bytes() == filled);
    }
}
