//! `image-builder build`: a card image from descriptions, packages and the product's binary.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use image_builder::assemble::{Card, Inputs, Sizes, assemble};
use image_builder::compress::Effort;
use image_builder::debian::{Cache, Fetched, Keyring, Lock, LockOrigin, Refresh, Wanted, fetch_or_refresh};
use image_builder::describe::Project;
use image_builder::parts::DebianParts;
use image_builder::progress::Progress;
use image_builder::{binary, output};
use serde_json::json;

use super::terminal::Terminal;
use super::{MirrorArguments, OutputForm, lock, say};

/// Builds a card image: target/image/hearth-BOARD.img and .img.xz.
///
/// The packages are those of image/debs.lock, from the cache or the mirror, checked by SHA-256. The same inputs give the
/// same bytes. Nothing has its final name before it is whole.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Build {
    /// The board: a folder of board/.
    #[arg(long, value_name = "NAME", default_value = "rpi")]
    board: String,
    /// The product: hearth as a static aarch64 program.
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// The folder for the image.
    #[arg(long, value_name = "DIR", default_value = "target/image")]
    output: PathBuf,
    /// Compresses little and makes no .img.xz: for the lab, in seconds.
    #[arg(long)]
    draft: bool,
    #[command(flatten)]
    mirror: MirrorArguments,
}

impl Build {
    pub(crate) fn run(&self, project: &Project, form: OutputForm) -> anyhow::Result<()> {
        let progress = Terminal::default();
        let board = project.board(&self.board)?;
        let binary = binary::read(&self.binary)?;
        std::fs::create_dir_all(&self.output)
            .with_context(|| format!("cannot make the folder {}", self.output.display()))?;
        let fetched = self.fetch(project, &progress)?;
        if fetched.origin == LockOrigin::Refreshed {
            // The image must be reproducible from the files beside it.
            fetched.lock.write(&self.output.join("debs.lock"))?;
        }
        let parts = DebianParts::new(&fetched.packages, &project.text("image/modules.toml")?)?;
        let inputs = Inputs {
            project,
            board: &board,
            parts: &parts,
            binary: &binary,
            version: env!("CARGO_PKG_VERSION"),
            time: build_time(fetched.lock.source_date_epoch)?,
            effort: if self.draft { Effort::Draft } else { Effort::Full },
            scratch: &self.output,
        };
        let card = assemble(&inputs, &progress)?;
        let written = self.write(&card, &progress)?;
        self.report(&card, &written, form, &progress);
        Ok(())
    }

    fn fetch(&self, project: &Project, progress: &Terminal) -> anyhow::Result<Fetched> {
        let wanted = Wanted::parse(&project.text("image/packages.toml")?)?;
        let given = Lock::read(&project.path(lock::LOCK)).with_context(
            || "the list of locked packages cannot be used; `scripts/image --refresh-lock` makes a new one",
        )?;
        given.covers(&wanted)?;
        let keys = Keyring::parse(&project.text(lock::KEYS)?)?;
        let mirror = self.mirror.find()?;
        let refresh =
            Refresh { wanted: &wanted, keys: &keys, mirror: &mirror, previous: None, now: lock::now() };
        Ok(fetch_or_refresh(given, &refresh, &Cache::find()?, progress)?)
    }

    fn write(&self, card: &Card, progress: &Terminal) -> anyhow::Result<Written> {
        let path = |suffix: &str| self.output.join(format!("hearth-{}.img{suffix}", self.board));
        let mut image = output::image(card, &path(""))?;
        if self.draft {
            // An old compressed image beside a new image would be taken for the same one.
            let old = path(".xz");
            if old.exists() {
                std::fs::remove_file(&old).with_context(|| format!("cannot remove {}", old.display()))?;
            }
            return Ok(Written { image: image.finish()?, compressed: None });
        }
        let compressed = output::compressed(&mut image, &path(".xz"), progress)?;
        let image = image.finish()?;
        let compressed = compressed.finish()?;
        let size = std::fs::metadata(&compressed).with_context(|| "the image is gone")?.len();
        Ok(Written { image, compressed: Some((compressed, size)) })
    }

    fn report(&self, card: &Card, written: &Written, form: OutputForm, progress: &Terminal) {
        if form == OutputForm::Json {
            let text = json!({
                "image": written.image,
                "compressed": written.compressed.as_ref().map(|(path, _)| path),
                "compressed_size": written.compressed.as_ref().map(|(_, size)| size),
                "sizes": card.sizes,
                "manifest": card.manifest,
            });
            return say(&text.to_string());
        }
        let Sizes { binary, boot_files, kernel, initramfs, initramfs_unpacked, slot, raw } = card.sizes;
        let mega = |bytes: u64| bytes as f64 / 1e6;
        say(&format!(
            "{board} {version}, build {id}, kernel {release}
  hearth binary   {:6.1} MB
  boot partition  {:6.1} MB
  kernel          {:6.1} MB
  initramfs       {:6.1} MB   {:.1} MB in the box's memory
  slot            {:6.1} MB   what an update carries; at most 25 MB
  raw image       {:6.1} MB   {}; at most 134 MB",
            mega(binary),
            mega(boot_files),
            mega(kernel),
            mega(initramfs),
            mega(initramfs_unpacked),
            mega(slot),
            mega(raw),
            written.image.display(),
            board = self.board,
            version = card.manifest.version,
            id = card.manifest.build_id,
            release = card.manifest.kernel,
        ));
        let download = written.compressed.as_ref().map_or(0, |(_, size)| *size);
        for (what, size, limit) in [
            ("slot", slot, MAX_SLOT_SIZE),
            ("raw image", raw, MAX_RAW_SIZE),
            ("download", download, MAX_DOWNLOAD_SIZE),
        ] {
            if !self.draft && size > limit {
                progress.note(&format!(
                    "the {what} is larger than it should be: {size} bytes instead of {limit}"
                ));
            }
        }
        if let Some((path, size)) = &written.compressed {
            say(&format!("  download        {:6.1} MB   {}; at most 30 MB", mega(*size), path.display()));
        }
    }
}

struct Written {
    image: PathBuf,
    compressed: Option<(PathBuf, u64)>,
}

/// The later one of the packages' time and `SOURCE_DATE_EPOCH`, which `scripts/image` sets to the source's, as Unix time.
fn build_time(of_packages: u64) -> anyhow::Result<u64> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(of_packages),
        Ok(text) => {
            let of_source: u64 = text
                .parse()
                .with_context(|| format!("SOURCE_DATE_EPOCH is {text:?}, not a number of seconds"))?;
            Ok(of_source.max(of_packages))
        }
    }
}

/// In bytes: the download of an update.
const MAX_SLOT_SIZE: u64 = 25_000_000;
/// In bytes.
const MAX_RAW_SIZE: u64 = 128 << 20;
/// In bytes.
const MAX_DOWNLOAD_SIZE: u64 = 30_000_000;

const EXAMPLES: &str = "Examples:
  image-builder build --binary target/aarch64-unknown-linux-gnu/release/hearth
  image-builder build --board qemu-virt --draft --binary HEARTH --output /tmp/image
  image-builder build --binary HEARTH --mirror http://mirror.example/debian --json
scripts/image compiles hearth first and then does this.";
