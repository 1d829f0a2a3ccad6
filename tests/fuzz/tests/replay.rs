//! Plays every seed, every input that was ever found to break something, and some that are invented, against its target.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use hearth_fuzz::invention::Material;
use hearth_fuzz::{TARGETS, Target};

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(kind)
}

fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder(kind).join(target)) else { return Vec::new() };
    let mut inputs: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
    inputs.sort();
    inputs
}

#[test]
fn seeds_and_findings_pass() {
    for target in TARGETS {
        let seeds = inputs("seeds", target.name);
        assert!(!seeds.is_empty(), "{} has nothing to begin with", target.name);
        for input in seeds.into_iter().chain(inputs("findings", target.name)) {
            println!("{}", input.display());
            let data = std::fs::read(&input).expect("an input");
            (target.run)(&data);
            // Cut short anywhere, too.
            for cut in 1..8 {
                (target.run)(&data[..data.len() * cut / 8]);
            }
        }
    }
}

#[test]
fn invented_inputs_pass() {
    std::thread::scope(|scope| {
        for target in TARGETS {
            scope.spawn(|| invent(target));
        }
    });
}

fn invent(target: &Target) {
    let seeds =
        inputs("seeds", target.name).into_iter().map(|seed| std::fs::read(seed).expect("a seed")).collect();
    let dictionary = std::fs::read_to_string(folder("dictionaries").join(target.name)).unwrap_or_default();
    let material = Material::new(seeds, &dictionary);
    for number in 0..target.invented {
        let input = material.invent(number);
        if catch_unwind(|| (target.run)(&input)).is_err() {
            let finding = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", target.name));
            std::fs::write(&finding, input).expect("a place for the finding");
            panic!("{}: mend the code and keep {} in findings/", target.name, finding.display());
        }
    }
}
