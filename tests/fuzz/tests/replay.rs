//! Plays every seed, and every input that was ever found to break something, against its target.

use std::path::{Path, PathBuf};

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut inputs: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
    inputs.sort();
    inputs
}

#[test]
fn seeds_and_findings_pass() {
    for (target, run) in hearth_fuzz::TARGETS {
        let seeds = inputs("seeds", target);
        assert!(!seeds.is_empty(), "{target} has nothing to begin with");
        for input in seeds.into_iter().chain(inputs("findings", target)) {
            println!("{}", input.display());
            let data = std::fs::read(&input).expect("an input");
            run(&data);
            // Cut short anywhere, too.
            for cut in 1..8 {
                run(&data[..data.len() * cut / 8]);
            }
        }
    }
}
