//! Volumes and files by the programs of Debian's packages dosfstools and mtools, which belong to the lab's set-up; where
//! they are missing there is nothing to compare with.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use owner_file::{Finished, Report, SETTINGS, finish};

use crate::device::read;
use crate::volumes::{KEPT, SAMPLE, TOKEN};

/// Runs a program; none if it is not there.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program).args(arguments).env("PATH", path).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_card_that_other_programs_wrote_stays_clean_and_changes_in_the_masked_bytes_only() {
    let folder = tempfile::tempdir().unwrap();
    let settings = write(folder.path(), "settings", SAMPLE);
    let report = write(folder.path(), "report", &format!("{:8190}\r\n", "Nothing to report yet."));
    let image = folder.path().join("card.img");
    let path = image.to_str().unwrap();
    for (bits, mebibytes) in [("16", 16), ("32", 40)] {
        let file = File::create(&image).unwrap();
        file.set_len(mebibytes << 20).unwrap();
        if run("mkfs.vfat", &["-F", bits, "-s", "1", "-n", "HEARTH", path]).is_none() {
            return;
        }
        // An older version, in clusters that become free.
        for (from, to) in
            [(&settings, "::hearth.old"), (&report, "::hearth-errors.txt"), (&settings, "::hearth.toml")]
        {
            if run("mcopy", &["-i", path, from, to]).is_none() {
                return;
            }
        }
        run("mdel", &["-i", path, "::hearth.old"]);
        let before = std::fs::read(&image).unwrap();

        assert_eq!(read(File::open(&image).unwrap(), SETTINGS).text.as_deref(), Some(SAMPLE));
        let mut device = File::options().read(true).write(true).open(&image).unwrap();
        let finished = finish(&mut device, KEPT, "smith.dedyn.io is set up.").unwrap();
        assert_eq!(finished, Finished { masked: 1, copies: 1, report: Report::Written });

        run("fsck.vfat", &["-n", path]);
        let after = std::fs::read(&image).unwrap();
        let masked = SAMPLE.replace(TOKEN, &"*".repeat(TOKEN.len()));
        assert_eq!(run("mtype", &["-i", path, "::hearth.toml"]).unwrap(), masked);
        let text = run("mtype", &["-i", path, "::hearth-errors.txt"]).unwrap();
        assert_eq!((text.len(), text.trim_end()), (8192, "smith.dedyn.io is set up."));
        let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        let words = "Nothing to report yet.".len().max("smith.dedyn.io is set up.".len());
        assert!(changed <= 2 * TOKEN.len() + words, "{changed} bytes changed");
    }
}
