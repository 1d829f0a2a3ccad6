//! House rules that no compiler checks: layers, file sizes, file headers, names that must not appear.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// From the bottom up; a crate may depend on its own layer and on those before it.
const LAYERS: [&str; 6] = ["words", "protocols", "rules", "hands", "services", "programs"];
/// Lines a source file may have.
const FILE_LIMIT: usize = 800;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

fn sources(extension: &str) -> Vec<(String, String)> {
    let listing =
        Command::new("git").args(["ls-files"]).current_dir(repository()).output().expect("git runs");
    String::from_utf8(listing.stdout)
        .expect("file names are UTF-8")
        .lines()
        .filter(|name| name.ends_with(extension))
        .filter_map(|name| Some((name.to_owned(), std::fs::read_to_string(repository().join(name)).ok()?)))
        .collect()
}

/// Each crate of the workspace with its layer and its dependencies inside the workspace.
fn crates() -> BTreeMap<String, (usize, Vec<String>)> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let names: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut crates = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let Some(layer) = package["metadata"]["hearth"]["layer"].as_str() else {
            let tests = ["hearth-tests", "hearth-fuzz"].contains(&name);
            assert!(tests, "{name} names no layer in package.metadata.hearth");
            continue;
        };
        let layer =
            LAYERS.iter().position(|known| *known == layer).unwrap_or_else(|| panic!("{name}: {layer}?"));
        let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
        let dependencies = dependencies
            .filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|dependency| names.contains(dependency))
            .map(str::to_owned)
            .collect();
        crates.insert(name.to_owned(), (layer, dependencies));
    }
    crates
}

#[test]
fn dependencies_point_down_only() {
    let crates = crates();
    assert!(crates.len() > 5, "{crates:?}");
    for (name, (layer, dependencies)) in &crates {
        for dependency in dependencies {
            let (below, _) = &crates[dependency];
            assert!(
                below <= layer,
                "{name} ({}) depends on {dependency} ({})",
                LAYERS[*layer],
                LAYERS[*below]
            );
            let bottom = LAYERS[*layer] == "programs" && dependency == "hearth";
            assert!(!bottom, "{name} depends on the product itself");
        }
    }
}

#[test]
fn pure_crates_reach_for_no_clock_file_or_socket() {
    let pure: Vec<String> =
        crates().into_iter().filter(|(_, (layer, _))| *layer <= 2).map(|(name, _)| name).collect();
    let outside = [
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "std::env",
        "std::process",
        "std::thread",
        "tokio",
        "::now()",
    ];
    for (file, text) in sources(".rs") {
        let is_pure = pure.iter().any(|name| file.starts_with(&format!("crates/{name}/src/")));
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in outside.iter().filter(|_| is_pure) {
            let found =
                product.lines().find(|line| line.contains(word) && !line.trim_start().starts_with("//"));
            assert_eq!(found, None, "{file} reaches for {word}");
        }
    }
}

#[test]
fn every_source_file_says_what_room_it_is_and_stays_small() {
    for (file, text) in sources(".rs") {
        assert!(text.starts_with("//!") || text.starts_with("#!"), "{file} opens without a `//!` line");
        let lines = text.lines().count();
        assert!(lines <= FILE_LIMIT, "{file} has {lines} lines; {FILE_LIMIT} is the limit");
    }
}

#[test]
fn unsafe_code_lives_in_one_crate() {
    for (file, text) in sources(".rs") {
        let allowed = file.starts_with("crates/disk-ioctl/") || file == "tests/tidy.rs";
        let found = text.lines().any(|line| line.contains("unsafe {") || line.contains("unsafe fn"));
        assert!(allowed || !found, "{file} contains unsafe code");
    }
}
