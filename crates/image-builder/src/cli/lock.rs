//! `image-builder lock`: a new `image/debs.lock`.

use std::time::SystemTime;

use clap::Args;
use image_builder::debian::{Keyring, Lock, Refresh, Wanted, refresh_lock};
use image_builder::describe::Project;

use super::terminal::Terminal;
use super::{MirrorArguments, OutputForm, say};

/// Asks the mirror for the newest packages, checks Debian's signature, and writes image/debs.lock.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  image-builder lock
  image-builder lock --mirror http://mirror.example/debian --security-mirror http://mirror.example/debian-security")]
pub(crate) struct LockCommand {
    #[command(flatten)]
    mirror: MirrorArguments,
}

impl LockCommand {
    pub(crate) fn run(&self, project: &Project, form: OutputForm) -> anyhow::Result<()> {
        let wanted = Wanted::parse(&project.text("image/packages.toml")?)?;
        let keys = Keyring::parse(&project.text(KEYS)?)?;
        let path = project.path(LOCK);
        // A lock that is there must be readable: without it a mirror could lead back to old versions unseen.
        let previous = if path.exists() { Some(Lock::read(&path)?) } else { None };
        let mirror = self.mirror.find()?;
        let refresh = Refresh {
            wanted: &wanted,
            keys: &keys,
            mirror: &mirror,
            previous: previous.as_ref(),
            now: now(),
        };
        let lock = refresh_lock(&refresh, &Terminal::default())?;
        lock.write(&path)?;
        match form {
            OutputForm::Json => say(&serde_json::to_string(&lock)?),
            OutputForm::Text => {
                for package in &lock.packages {
                    say(&format!("{} {}", package.name, package.version));
                }
                say(&format!("written to {}", path.display()));
            }
        }
        Ok(())
    }
}

/// The current time, against which release files must be fresh.
#[expect(
    clippy::disallowed_methods,
    reason = "the program's edge: the library takes the time as an argument"
)]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

pub(super) const LOCK: &str = "image/debs.lock";
pub(super) const KEYS: &str = "image/keys/debian-archive-trixie.asc";
