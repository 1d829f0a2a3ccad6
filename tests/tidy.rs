//! House rules that no compiler checks: layers and what is linked, circles of files, the size and the head of files, the
//! first words of doc comments, the paths that the guides name, where `unsafe` may stand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use hearth_tests::module_graph::ModuleGraph;
use serde_json::Value;

/// From the bottom up; a crate may depend on its own layer and on those before it.
const LAYERS: [&str; 6] = ["words", "protocols", "rules", "hands", "services", "programs"];
/// The layer of crates for tests and measurements alone, which depend on no other of the workspace.
const DEVELOPMENT: &str = "development";
/// The programs that may link crates of [`DEVELOPMENT`]; none of them is part of the product.
const DEVELOPMENT_TOOLS: [&str; 1] = ["bench"];
/// The services that may depend on one another: the first on the second.
const SERVICE_DEPENDENCIES: [(&str, &str); 1] = [("server", "web")];
/// The packages that the box's first process must not link: mail, TLS, and asynchronous IO.
const NOT_IN_INIT: [&str; 14] = [
    "dkim",
    "hyper",
    "imap",
    "mail-parser",
    "message",
    "relay-policy",
    "ring",
    "rustls",
    "server",
    "sled",
    "smtp",
    "store",
    "tokio",
    "web",
];
/// Lines a source file may have.
const FILE_LIMIT: usize = 800;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// The names of all files that git knows.
fn file_names() -> Vec<String> {
    let listing =
        Command::new("git").args(["ls-files"]).current_dir(repository()).output().expect("git runs");
    let names = String::from_utf8(listing.stdout).expect("file names are UTF-8");
    names.lines().map(str::to_owned).collect()
}

fn sources(extension: &str) -> Vec<(String, String)> {
    let names = file_names().into_iter().filter(|name| name.ends_with(extension));
    names
        .filter_map(|name| Some((name.clone(), std::fs::read_to_string(repository().join(name)).ok()?)))
        .collect()
}

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(repository()).output();
    let output = output.expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A crate of the workspace.
#[derive(Debug)]
struct Unit {
    layer: String,
    /// Its dependencies inside of the workspace, those of a build script too, but not those of its tests.
    dependencies: Vec<String>,
}

/// The crates of the workspace, by name.
fn crates() -> BTreeMap<String, Unit> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let metadata: Value = serde_json::from_slice(&metadata).expect("cargo prints JSON");
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
        assert!(layer == DEVELOPMENT || LAYERS.contains(&layer), "{name}: {layer}?");
        let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
        let dependencies = dependencies
            .filter(|dependency| dependency["kind"] != "dev")
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|dependency| names.contains(dependency))
            .map(str::to_owned)
            .collect();
        crates.insert(name.to_owned(), Unit { layer: layer.to_owned(), dependencies });
    }
    crates
}

/// Whether a crate may depend on another.
fn may_depend(name: &str, layer: &str, dependency: &str, below: &str) -> bool {
    let rank = |layer: &str| LAYERS.iter().position(|known| *known == layer);
    match (layer, below) {
        (_, DEVELOPMENT) => layer == DEVELOPMENT || DEVELOPMENT_TOOLS.contains(&name),
        ("services", "services") => SERVICE_DEPENDENCIES.contains(&(name, dependency)),
        _ => dependency != "hearth" && rank(below) <= rank(layer),
    }
}

#[test]
fn dependencies_point_down_only() {
    let crates = crates();
    assert!(crates.len() > 5, "{crates:?}");
    for (name, Unit { layer, dependencies }) in &crates {
        for dependency in dependencies {
            let below = &crates[dependency].layer;
            let allowed = may_depend(name, layer, dependency, below);
            assert!(allowed, "{name} ({layer}) depends on {dependency} ({below})");
        }
    }
}

#[test]
fn the_first_process_links_neither_mail_nor_tls_nor_asynchronous_io() {
    let version = String::from_utf8(cargo(&["-vV"])).expect("cargo prints text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let arguments = ["metadata", "--format-version", "1", "--offline", "--filter-platform", host];
    let metadata: Value = serde_json::from_slice(&cargo(&arguments)).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let names: BTreeMap<&str, &str> = packages
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
        .collect();
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a graph");
    let node = |id: &str| nodes.iter().find(|node| node["id"] == id).expect("a package of the graph");
    let is_init = |package: &&Value| package["name"] == "init" && package["source"].is_null();
    let init = packages.iter().find(is_init).expect("the crate init")["id"].as_str().expect("an id");
    let (mut linked, mut rest) = (BTreeSet::from([init]), vec![init]);
    while let Some(id) = rest.pop() {
        for dependency in node(id)["deps"].as_array().expect("dependencies") {
            let kinds = dependency["dep_kinds"].as_array().expect("kinds");
            let id = dependency["pkg"].as_str().expect("an id");
            if kinds.iter().any(|kind| kind["kind"].is_null()) && linked.insert(id) {
                rest.push(id);
            }
        }
    }
    let linked: BTreeSet<&str> = linked.into_iter().map(|id| names[id]).collect();
    assert!(linked.contains("pairing"), "{linked:?}");
    let forbidden: Vec<_> = NOT_IN_INIT.iter().filter(|name| linked.contains(**name)).collect();
    assert!(forbidden.is_empty(), "init links {forbidden:?}");
}

#[test]
fn no_files_of_a_crate_import_from_one_another() {
    let mut crates: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, text) in sources(".rs") {
        if let Some((unit, file)) = name.split_once("/src/") {
            crates.entry(unit.to_owned()).or_default().insert(file.to_owned(), text);
        }
    }
    assert!(crates.len() > 10, "{:?}", crates.keys());
    let mut found = String::new();
    for (name, files) in &crates {
        let graph = ModuleGraph::read(files);
        for circle in graph.circles() {
            found.push_str(&format!("\n{name}: {} files", circle.len()));
            for file in &circle {
                let imports = graph.imports(file).filter(|import| circle.iter().any(|other| other == import));
                found
                    .push_str(&format!("\n  {file} imports from {}", imports.collect::<Vec<_>>().join(", ")));
            }
        }
    }
    assert!(found.is_empty(), "circles:{found}");
}

#[test]
fn pure_crates_reach_for_no_clock_file_or_socket() {
    let is_pure = |layer: &str| ["words", "protocols", "rules"].contains(&layer);
    let crates = crates().into_iter();
    let pure: Vec<String> = crates.filter(|(_, unit)| is_pure(&unit.layer)).map(|(name, _)| name).collect();
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
        let is_pure = is_pure && !file.ends_with("/tests.rs");
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in outside.iter().filter(|_| is_pure) {
            let found =
                product.lines().find(|line| line.contains(word) && !line.trim_start().starts_with("//"));
            assert_eq!(found, None, "{file} reaches for {word}");
        }
    }
}

#[test]
fn every_source_file_begins_with_its_purpose_and_stays_small() {
    for (file, text) in sources(".rs") {
        assert!(text.starts_with("//!"), "{file} opens without a `//!` line");
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

/// A doc comment says what a thing is; these only begin a question.
const BARE_WORDS: [&str; 10] =
    ["What", "Who", "Whoever", "Whose", "How", "Where", "Why", "Nobody", "Somebody", "Everybody"];

#[test]
fn doc_comments_say_what_things_are() {
    let mut found = String::new();
    for (file, text) in sources(".rs") {
        let mut in_comment = false;
        for (number, line) in text.lines().enumerate() {
            let comment = line.trim_start();
            let words = comment.strip_prefix("/// ").or_else(|| comment.strip_prefix("//! "));
            let first = words.filter(|_| !in_comment).and_then(|words| words.split_whitespace().next());
            if first.is_some_and(|word| BARE_WORDS.contains(&word)) {
                found.push_str(&format!("\n{file}:{}: {comment}", number + 1));
            }
            in_comment = comment.starts_with("///") || comment.starts_with("//!");
        }
    }
    assert!(found.is_empty(), "doc comments that begin with one of {BARE_WORDS:?}:{found}");
}

#[test]
fn paths_that_the_guides_name_exist() {
    let names = file_names();
    let exists = |path: &str| {
        let folder = format!("{}/", path.trim_end_matches('/'));
        names.iter().any(|name| name == path || name.starts_with(&folder))
    };
    let mut missing = String::new();
    for guide in ["crates/README.md", "crates/THREATS.md", ".github/CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(repository().join(guide)).expect("a guide");
        for section in text.split("\n## ") {
            let bases = bases(guide, section);
            let paths = quoted(section).filter(|name| is_path(name));
            for path in paths.filter(|path| !bases.iter().any(|base| exists(&format!("{base}{path}")))) {
                missing.push_str(&format!("\n{guide}: {path}"));
            }
        }
        let folder = Path::new(guide).parent().expect("a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let is_file = !link.is_empty() && !link.contains("://");
            if is_file && !repository().join(folder).join(link).exists() {
                missing.push_str(&format!("\n{guide}: {link}"));
            }
        }
    }
    assert!(missing.is_empty(), "the guides name what does not exist:{missing}");
}

/// The folders that paths in this section of a guide are relative to.
fn bases(guide: &str, section: &str) -> &'static [&'static str] {
    match guide {
        "crates/README.md" if section.starts_with("The server's folders") => &["crates/server/src/"],
        "crates/README.md" => &["crates/", ""],
        _ => &[""],
    }
}

#[test]
fn the_table_of_the_crates_is_complete() {
    let readme = std::fs::read_to_string(repository().join("crates/README.md")).expect("crates/README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let rows: BTreeSet<String> = rows.map(str::to_owned).collect();
    let crates: BTreeSet<String> = crates().into_keys().collect();
    assert_eq!(rows, crates, "the table in crates/README.md (left) and the workspace");
}

/// The texts between backticks, but not in blocks of code.
fn quoted(markdown: &str) -> impl Iterator<Item = &str> {
    let prose = markdown.split("```").step_by(2);
    prose.flat_map(|prose| prose.lines()).flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Whether this is meant as a file or a folder of the repository.
fn is_path(quoted: &str) -> bool {
    let plain =
        quoted.chars().all(|character| character.is_ascii_alphanumeric() || "/._-".contains(character));
    plain && !quoted.starts_with(['/', '.']) && (quoted.ends_with(".rs") || quoted.contains('/'))
}
