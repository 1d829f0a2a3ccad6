//! Hearth beside Dovecot: both are asked the same about the mail that a crate ships for its own tests, and each
//! difference is listed in `differences.md`, with who is right.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hearth_tests::product::Daemon;
use hearth_tests::python;
use serde_json::Value;

const PASSWORD: &str = "a long password";
const LISTED: &str = include_str!("differences.md");

/// A message, and what was asked about it.
type Difference = (String, String);

#[test]
#[ignore = "needs Debian's dovecot-imapd, which `scripts/test --long` installs"]
fn every_difference_from_dovecot_is_listed() {
    Daemon::start("open", "").unwrap().play(|daemon| {
        let account = daemon.account("differing1", PASSWORD)?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/compare_servers.py");
        let output = Command::new(python::program("python3"))
            .args([script, &account.imaps_port.to_string(), &account.address, PASSWORD])
            .arg(corpus()?)
            .output()
            .context("python3 must be installed")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        compare(&String::from_utf8(output.stdout)?);
        Ok(())
    });
}

fn compare(told: &str) {
    let listed = listed(LISTED);
    let (mut found, mut unlisted) = (BTreeSet::new(), Vec::new());
    for line in told.lines() {
        let mut columns = line.split('\t').map(str::to_owned);
        let difference = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
        if !listed.contains(&difference) {
            unlisted.push(line.replace('\t', "\n    "));
        }
        found.insert(difference);
    }
    assert!(unlisted.is_empty(), "not in differences.md:\n{}", unlisted.join("\n"));
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "in differences.md, but there no longer: {gone:?}");
}

/// `| message | `item`; `item` | why |`
fn listed(table: &str) -> BTreeSet<Difference> {
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | `"));
    rows.flat_map(|(message, rest)| {
        let (items, _) = rest.split_once("` | ").unwrap_or((rest, ""));
        items.split("`; `").map(|item| (message.to_owned(), item.to_owned())).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn the_list_of_differences_is_read() {
    let listed = listed("| message | items |\n|---|---|\n| eml/1 | `A`; `B c` | `why` |\n");
    let expected = [("eml/1", "A"), ("eml/1", "B c")].map(|(message, item)| (message.into(), item.into()));
    assert_eq!(listed, BTreeSet::from(expected));
}

/// The mail in the archive of mail-parser, which cargo has fetched for the product.
fn corpus() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("packages")?;
    let parser = packages.iter().find(|package| package["name"] == "mail-parser").context("mail-parser")?;
    let manifest = PathBuf::from(parser["manifest_path"].as_str().context("its place")?);
    Ok(manifest.with_file_name("resources"))
}
