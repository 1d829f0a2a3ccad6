//! `image-builder extract`: the files of a slot and of the boot partition.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use boot_slot::Slot;
use clap::Args;
use image_builder::card::CardReader;
use image_builder::compress;
use image_builder::output::Pending;
use image_builder::slot::KERNEL;
use serde_json::json;

use super::{OutputForm, say};

/// Writes a slot's files into a folder, the kernel also unpacked as `Image`; with --boot the boot partition's as well.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  image-builder extract target/image/hearth-rpi.img --to /tmp/slot
  image-builder extract hearth-rpi.img --slot B --boot --to /tmp/card")]
pub(crate) struct Extract {
    /// The image file or device.
    image: PathBuf,
    /// A, B, or the one that boots next.
    #[arg(long, value_name = "A|B|active", default_value = "active")]
    slot: String,
    /// The folder to write into.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Extracts the boot partition too, into `boot/`.
    #[arg(long)]
    boot: bool,
}

impl Extract {
    pub(crate) fn run(&self, form: OutputForm) -> anyhow::Result<()> {
        let mut card = CardReader::open(&self.image)
            .with_context(|| format!("{} cannot be read as a card", self.image.display()))?;
        let slot: Slot = match self.slot.as_str() {
            "active" => card.active_slot()?,
            letter => letter.parse()?,
        };
        let mut written = Vec::new();
        let mut volume = card.slot(slot).with_context(|| format!("slot {slot} holds no system"))?;
        for file in volume.files()? {
            let content = volume.read(&file.path)?;
            if file.path == KERNEL {
                let kernel = compress::gunzip("the kernel", &content, MAX_KERNEL_SIZE)?;
                written.push(write(&self.to.join("Image"), &kernel)?);
            }
            written.push(write(&self.to.join(&file.path), &content)?);
        }
        if self.boot {
            let mut volume = card.boot()?;
            for file in volume.files()? {
                written.push(write(&self.to.join("boot").join(&file.path), &volume.read(&file.path)?)?);
            }
        }
        match form {
            OutputForm::Json => say(&json!({ "slot": slot, "files": written }).to_string()),
            OutputForm::Text => {
                for path in written {
                    say(&path.display().to_string());
                }
            }
        }
        Ok(())
    }
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<PathBuf> {
    let mut pending = Pending::create(path)?;
    pending.file().write_all(content).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(pending.finish()?)
}

/// In bytes, unpacked.
const MAX_KERNEL_SIZE: u64 = 256 << 20;
