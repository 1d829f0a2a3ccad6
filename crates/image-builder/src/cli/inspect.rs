//! `image-builder inspect`: the content of a card or an image.

use std::fmt::Write;
use std::path::PathBuf;

use boot_slot::Trial;
use clap::Args;
use image_builder::card::{CopyReport, Report, inspect};

use super::{OutputForm, say};

/// Tells what is on a card or in an image: partitions, files, boot state, versions.
///
/// Every file of the slots is hashed and compared with the slot's manifest; a damaged one is an error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  image-builder inspect target/image/hearth-rpi.img
  image-builder inspect --json /dev/sdx")]
pub(crate) struct Inspect {
    /// The image file or device.
    image: PathBuf,
}

impl Inspect {
    pub(crate) fn run(&self, form: OutputForm) -> anyhow::Result<()> {
        let report = inspect(&self.image)?;
        match form {
            OutputForm::Json => say(&serde_json::to_string(&report)?),
            OutputForm::Text => say(text(&report).trim_end()),
        }
        let damaged: Vec<String> = report
            .slots
            .iter()
            .flat_map(|(slot, found)| found.damaged.iter().map(move |file| format!("{file} in slot {slot}")))
            .collect();
        let active = report.active_slot;
        anyhow::ensure!(
            report.slots.contains_key(&active),
            "slot {active}, which boots next, holds no system"
        );
        anyhow::ensure!(damaged.is_empty(), "damaged: {}", damaged.join(", "));
        Ok(())
    }
}

fn text(report: &Report) -> String {
    let mut text = format!("{}, card {}\n", report.path.display(), report.disk_id);
    let mut line = |content: String| {
        // Writing to a string does not fail.
        let _infallible = writeln!(text, "{content}");
    };
    for (number, partition) in &report.partitions {
        let mebi = |bytes: u64| bytes / 1024 / 1024;
        let label = partition.label.as_deref().unwrap_or("(nothing readable yet)");
        line(format!(
            "p{number}  type {:02x}{}  at {} MiB, {} MiB  {label}",
            partition.kind,
            if partition.active { " active" } else { "" },
            mebi(partition.start),
            mebi(partition.length),
        ));
        for (path, size) in &partition.files {
            line(format!("    {size:>10}  {path}"));
        }
    }
    for (index, copy) in report.boot_state_copies.iter().enumerate() {
        line(match copy {
            CopyReport::Good(state) => format!(
                "boot state copy {}: slot {} first, tries left A {} B {}{}",
                index + 1,
                state.first,
                state.a_left,
                state.b_left,
                if state.trial == Trial::Running { ", on trial" } else { "" }
            ),
            CopyReport::Bad(why) => format!("boot state copy {}: {why}", index + 1),
        });
    }
    for (slot, found) in &report.slots {
        let manifest = &found.manifest;
        let state = if found.damaged.is_empty() { "whole" } else { "DAMAGED" };
        line(format!(
            "slot {slot}: Hearth {} for {}, kernel {}, build {}, {state}",
            manifest.version, manifest.board, manifest.kernel, manifest.build_id
        ));
    }
    line(format!("slot {} boots next", report.active_slot));
    text
}
