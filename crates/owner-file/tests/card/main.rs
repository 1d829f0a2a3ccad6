//! The owner's file on volumes that others have made: `fatfs`, and Debian's dosfstools and mtools.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "a test stops at the first thing that is wrong")]

mod cuts;
mod device;
mod other_programs;
mod problems;
mod volumes;

use owner_file::{Finished, Kept, Report, SETTINGS, TUNNEL, finish};

use device::{Card, read};
use volumes::{KEPT, KINDS, SAMPLE, TOKEN, report, settings, volume, write};

#[test]
fn the_text_is_read_masked_once_and_the_report_is_written() {
    for kind in KINDS {
        let mut card = Card::new(volume(kind, |root| {
            report(root);
            settings(root, SAMPLE.as_bytes());
        }));
        let before = card.bytes().to_vec();
        let found = read(card.reader(), SETTINGS);
        assert_eq!((found.text.as_deref(), found.problem), (Some(SAMPLE), None));

        let finished = finish(&mut card, KEPT, "All is well.\nReally.\n").unwrap();
        assert_eq!(finished, Finished { masked: 1, copies: 0, report: Report::Written });
        let masked = SAMPLE.replace(TOKEN, &"*".repeat(TOKEN.len()));
        assert_eq!(read(card.reader(), SETTINGS).text.unwrap(), masked);
        let text = String::from_utf8(card.content("hearth-errors.txt")).unwrap();
        assert_eq!((text.len(), text.trim_end()), (8192, "All is well.\r\nReally."));
        assert!(!card.contains(TOKEN.as_bytes()));
        card.assert_only_these_differ(&before, &["hearth.toml", "hearth-errors.txt"]);

        let writes = card.writes;
        let again = finish(&mut card, KEPT, "All is well.\nReally.\n").unwrap();
        assert_eq!(again, Finished { masked: 0, copies: 0, report: Report::Unchanged });
        assert_eq!(card.writes, writes, "nothing is written twice");
    }
}

#[test]
fn each_file_is_masked_when_its_own_secrets_are_kept_and_an_error_in_one_spares_the_other() {
    let settings_text = format!("token = \"{TOKEN}\"\r\n");
    let tunnel_text = "token = \"the tunnel's own\"\r\n";
    let filled = |tunnel: &[u8]| {
        volume(KINDS[0], |root| {
            report(root);
            write(root, "earlier", format!("{}{TOKEN} the tunnel's own", "-".repeat(600)).as_bytes());
            settings(root, settings_text.as_bytes());
            write(root, "WIREGUARD.CONF", tunnel);
            root.remove("earlier").unwrap();
        })
    };
    let mut card = Card::new(filled(tunnel_text.as_bytes()));
    assert_eq!(read(card.reader(), TUNNEL).text.as_deref(), Some(tunnel_text));
    let finished = finish(&mut card, &KEPT[1..], "one").unwrap();
    assert_eq!(finished, Finished { masked: 1, copies: 1, report: Report::Written });
    assert_eq!(card.content("WIREGUARD.CONF"), b"token = \"****************\"\r\n");
    assert_eq!(read(card.reader(), SETTINGS).text.as_deref(), Some(settings_text.as_str()));

    let mut card = Card::new(filled(tunnel_text.as_bytes()));
    let finished = finish(&mut card, KEPT, "both").unwrap();
    assert_eq!(finished, Finished { masked: 2, copies: 1, report: Report::Written });
    assert!(!card.contains(TOKEN.as_bytes()) && !card.contains(b"the tunnel's own"));

    let mut card = Card::new(filled(b"token = \"\xff\"\r\n"));
    let error = finish(&mut card, KEPT, "a report").unwrap_err();
    assert!(matches!(error, owner_file::Error::Text(_)), "{error}");
    assert!(!card.contains(TOKEN.as_bytes()) && card.contains(b"a report"));
}

#[test]
fn secrets_that_are_still_needed_stay() {
    let mut card = Card::new(volume(KINDS[0], |root| {
        report(root);
        settings(root, SAMPLE.as_bytes());
    }));
    let finished = finish(&mut card, &[], "Line 3 is wrong.").unwrap();
    assert_eq!(finished, Finished { masked: 0, copies: 0, report: Report::Written });
    assert_eq!(read(card.reader(), SETTINGS).text.as_deref(), Some(SAMPLE));
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
        assert_eq!(read(card.reader(), SETTINGS).text.as_deref(), text.strip_prefix('\u{feff}'));
        let finished = finish(&mut card, KEPT, "").unwrap();
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
        let finished = finish(&mut card, KEPT, "").unwrap();
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
    let finished = finish(&mut card, KEPT, "").unwrap();
    assert_eq!((finished.masked, finished.copies), (1, 0));
    assert_eq!(card.content("hearth.toml"), b"token = \"*****\"");
}

#[test]
fn a_mask_that_changes_more_than_it_should_writes_nothing() {
    let filled = volume(KINDS[0], |root| settings(root, SAMPLE.as_bytes()));
    for wrong in [SAMPLE.replace(TOKEN, "*"), SAMPLE.replace("domain", "nomaid")] {
        let mut card = Card::new(filled.clone());
        let kept = Kept { name: SETTINGS, mask: &|_| wrong.clone() };
        let error = finish(&mut card, &[kept], "").unwrap_err();
        assert!(matches!(error, owner_file::Error::Mask), "{error}");
        assert!(card.bytes() == filled);
    }
}
