//! The power is cut after each write, and the next run ends as an undisturbed one does.

use owner_file::{SETTINGS, finish};

use crate::device::{Card, read};
use crate::volumes::{FatType, KEPT, TOKEN, report, settings, volume, write};

#[test]
fn after_a_cut_at_any_write_the_next_run_ends_in_the_same_bytes() {
    const REPORT: &str = "smith.dedyn.io is set up.\n";
    let lines = "#".repeat(490) + "\r\n";
    let text = format!("{lines}token = \"{TOKEN}\"\r\n{lines}token = \"a second secret\"\r\n");
    let filled = volume(FatType::Fat16, |root| {
        report(root);
        let copy = format!("{}{TOKEN}{}a second secret", "-".repeat(1000), "-".repeat(2000));
        write(root, "earlier", copy.as_bytes());
        settings(root, text.as_bytes());
        root.remove("earlier").unwrap();
    });
    let mut undisturbed = Card::new(filled.clone());
    let finished = finish(&mut undisturbed, KEPT, REPORT).unwrap();
    assert_eq!((finished.masked, finished.copies), (2, 3));
    assert!(undisturbed.writes >= 6, "{}", undisturbed.writes);
    assert!(!undisturbed.contains(&TOKEN.as_bytes()[..8]) && !undisturbed.contains(b"second"));

    let mut half_masked = 0;
    for after in 0..undisturbed.writes {
        let mut cut = Card::with_cut(filled.clone(), after);
        assert!(finish(&mut cut, KEPT, REPORT).is_err(), "{after}");
        let text = read(cut.reader(), SETTINGS).text.unwrap();
        half_masked += usize::from(text.contains("\"*") && text.contains("Gu\""));
        let mut next = Card::new(cut.into_bytes());
        finish(&mut next, KEPT, REPORT).unwrap();
        assert!(next.bytes() == undisturbed.bytes(), "the power was cut after {after} writes");
    }
    assert!(half_masked > 0, "a secret was masked in part");
}
