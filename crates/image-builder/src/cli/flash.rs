//! `image-builder flash`: an image onto a card.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use image_builder::flash::drives::{Drive, System, Target, drives};
use image_builder::flash::flash;
use serde_json::json;

use super::terminal::Terminal;
use super::{OutputForm, say};

/// Writes an image to a card and reads it back; without a device it lists the drives there are.
///
/// Everything on the card is lost. Drives that are mounted, in use or built in are refused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  image-builder flash target/image/hearth-rpi.img.xz
  sudo image-builder flash target/image/hearth-rpi.img.xz /dev/sdx
  image-builder flash --yes hearth-rpi.img card.img")]
pub(crate) struct Flash {
    /// The image, .img or .img.xz.
    image: PathBuf,
    /// The drive to erase, or a file.
    device: Option<PathBuf>,
    /// Does not ask.
    #[arg(long)]
    yes: bool,
}

impl Flash {
    pub(crate) fn run(&self, form: OutputForm) -> anyhow::Result<()> {
        let system = System::default();
        let Some(device) = &self.device else { return list(&drives(&system)?, form) };
        let target = Target::judge(&system, device)?;
        if let (Target::Drive(drive), false) = (&target, self.yes) {
            confirm(drive)?;
        }
        let flashed = flash(&self.image, &target, &Terminal::default())?;
        match form {
            OutputForm::Json => say(&json!({ "device": device, "flashed": flashed }).to_string()),
            OutputForm::Text => say(&format!(
                "{}: {:.1} MB written and read back. The card is ready.",
                device.display(),
                flashed.bytes as f64 / 1e6
            )),
        }
        Ok(())
    }
}

fn list(drives: &[Drive], form: OutputForm) -> anyhow::Result<()> {
    if form == OutputForm::Json {
        say(&serde_json::to_string(drives)?);
        return Ok(());
    }
    let (good, bad): (Vec<_>, Vec<_>) = drives.iter().partition(|drive| drive.refusal.is_none());
    if good.is_empty() {
        say("There is no removable drive. Put the card into the reader, and do not mount it.");
    } else {
        say("Name the card's drive behind the image:");
    }
    for drive in good {
        say(&format!("  {}", describe(drive)));
    }
    for drive in bad {
        if let Some(refusal) = &drive.refusal {
            say(&format!("  (not {}: {refusal})", describe(drive)));
        }
    }
    Ok(())
}

fn confirm(drive: &Drive) -> anyhow::Result<()> {
    let name = drive.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "standard input is no terminal, so nothing can confirm that {} may be erased; pass --yes",
        drive.path.display()
    );
    let mut terminal = std::io::stderr();
    write!(terminal, "Everything on {} will be lost. Type {name} to go on: ", describe(drive))
        .and_then(|()| terminal.flush())
        .with_context(|| "cannot ask")?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).with_context(|| "cannot read the answer")?;
    anyhow::ensure!(line.trim() == name, "not confirmed; nothing was written");
    Ok(())
}

fn describe(drive: &Drive) -> String {
    let path: &Path = &drive.path;
    format!("{}, {:.1} GB, {}", path.display(), drive.size as f64 / 1e9, drive.model)
}
