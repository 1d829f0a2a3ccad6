//! `hearth store`: a stopped server's store, checked, counted, copied, or given a new index. Only words and exit codes
//! are here; the work is done by the crate `store`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use store::inspect::{self, Check, Stats};

use crate::cli::{EXIT_OK, EXIT_TROUBLE, StoreCommand};

/// Does what was asked.
pub(crate) fn run(command: &StoreCommand) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match command {
        StoreCommand::Check { store } => {
            let check = inspect::check(&store.directory)?;
            tell(&mut out, store.json, &check, check_in_words)?;
            Ok(status(&check))
        }
        StoreCommand::Stats { store } => {
            let stats = inspect::stats(&store.directory)?;
            tell(&mut out, store.json, &stats, stats_in_words)?;
            Ok(ExitCode::from(EXIT_OK))
        }
        StoreCommand::Export { store, target } => {
            let check = inspect::export(&store.directory, target)?;
            tell(&mut out, store.json, &check, |check| copy_in_words(target, check))?;
            Ok(status(&check))
        }
        StoreCommand::RebuildIndex { store } => {
            inspect::rebuild_index(&store.directory)?;
            tell(&mut out, store.json, &Rebuilt { rebuilt: true }, |_| {
                "The index was made again.\n".to_owned()
            })?;
            Ok(ExitCode::from(EXIT_OK))
        }
    }
}

#[derive(Serialize)]
struct Rebuilt {
    rebuilt: bool,
}

fn tell<T: Serialize>(
    out: &mut impl Write,
    json: bool,
    report: &T,
    words: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(report)?)?;
    } else {
        write!(out, "{}", words(report))?;
    }
    Ok(())
}

fn status(check: &Check) -> ExitCode {
    ExitCode::from(if check.findings.is_empty() { EXIT_OK } else { EXIT_TROUBLE })
}

fn check_in_words(check: &Check) -> String {
    let mut words: String = check.findings.iter().map(|finding| format!("{finding}\n")).collect();
    let Check { accounts, mailboxes, messages, stray_files, findings } = check;
    words += &format!("{accounts} accounts, {mailboxes} mailboxes and {messages} messages were read");
    words += if findings.is_empty() { "; all is well.\n" } else { ".\n" };
    if *stray_files > 0 {
        words += &format!("{stray_files} files that nothing spoke of were removed.\n");
    }
    words
}

fn copy_in_words(target: &Path, check: &Check) -> String {
    format!("The copy in {} was read back.\n{}", target.display(), check_in_words(check))
}

fn stats_in_words(stats: &Stats) -> String {
    let rows = [
        ("accounts", stats.accounts),
        ("mailboxes", stats.mailboxes),
        ("messages", stats.messages),
        ("bytes of messages", stats.message_bytes),
        ("outbound messages", stats.outbound),
        ("pending notifications", stats.pending_pushes),
        ("last change", stats.position),
        ("changes since the last checkpoint", stats.changes_since_checkpoint),
        ("bytes on disk: journals", stats.journal_bytes),
        ("bytes on disk: exports", stats.export_bytes),
        ("bytes on disk: small messages", stats.pack_bytes),
        ("bytes on disk: large messages", stats.message_file_bytes),
        ("bytes on disk: index", stats.index_bytes),
    ];
    rows.iter().map(|(name, number)| format!("{name:<34}{number:>14}\n")).collect()
}
