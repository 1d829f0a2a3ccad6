//! The subcommands, each in a file of its own, and their output.

mod build;
mod extract;
mod flash;
mod inspect;
mod lock;
mod terminal;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use image_builder::debian::{Mirror, MirrorSettings};
use image_builder::describe::Project;

/// Builds, reads and writes Hearth's SD-card images. Needs no root, no loop devices and no containers.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Hearth's source folder, when it is not the current one or above it.
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Answers in JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(build::Build),
    Lock(lock::LockCommand),
    Inspect(inspect::Inspect),
    Extract(extract::Extract),
    Flash(flash::Flash),
}

impl Arguments {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let form = if self.json { OutputForm::Json } else { OutputForm::Text };
        match self.command {
            Command::Build(command) => command.run(&Project::find(&self.project)?, form),
            Command::Lock(command) => command.run(&Project::find(&self.project)?, form),
            Command::Inspect(command) => command.run(form),
            Command::Extract(command) => command.run(form),
            Command::Flash(command) => command.run(form),
        }
    }
}

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutputForm {
    /// Lines of text.
    Text,
    /// One JSON object.
    Json,
}

/// The mirrors of Debian's packages.
#[derive(Debug, Args)]
struct MirrorArguments {
    /// Debian mirror: the address above `dists/` and `pool/`. Default: the one this host's apt uses.
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Mirror of Debian's security updates. Default: the one this host's apt uses.
    #[arg(long, value_name = "URL")]
    security_mirror: Option<String>,
}

impl MirrorArguments {
    fn find(&self) -> anyhow::Result<Mirror> {
        let settings =
            MirrorSettings { main: self.mirror.as_deref(), security: self.security_mirror.as_deref() };
        Ok(Mirror::find(settings)?)
    }
}

/// Prints an error and its sources on standard error, in one line.
pub(crate) fn print_error(error: &anyhow::Error) {
    let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
    let _closed = writeln!(std::io::stderr(), "image-builder: {}", chain.join(": "));
}

/// Prints a line on standard output; a closed pipe is no error.
fn say(text: &str) {
    let _closed = writeln!(std::io::stdout(), "{text}");
}

const EXIT_CODES: &str =
    "Exit codes: 0 done; 1 it failed, and the message says what to do; 2 wrong command line.
Environment: HEARTH_CACHE, HEARTH_DEBIAN_MIRROR, HEARTH_DEBIAN_SECURITY_MIRROR, SOURCE_DATE_EPOCH.";
