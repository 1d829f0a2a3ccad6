//! `hearth owner-file`: the owner's file on the card, whose boot partition is the standard input.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use anyhow::Context;
use config::owner::mask_secrets;
use owner_file::{Finished, Report, Secrets};

use crate::cli::{EXIT_OK, OwnerFileCommand};

/// Gives up all rights, and does the task.
pub(crate) fn run(command: &OwnerFileCommand) -> anyhow::Result<ExitCode> {
    let device = io::stdin().as_fd().try_clone_to_owned().context("opening the standard input")?;
    let mut device = File::from(device);
    match command {
        OwnerFileCommand::Read => {
            init::restrict_owner_file(0)?;
            let line = ipc::lines::encode(&owner_file::read(&device))?;
            let mut out = io::stdout().lock();
            out.write_all(&line).and_then(|()| out.flush()).context("printing the owner's file")?;
        }
        OwnerFileCommand::Finish { imported, report } => {
            // An image file cannot grow; a device cannot anyway.
            let size = device.seek(SeekFrom::End(0)).context("measuring the boot partition")?;
            init::restrict_owner_file(size)?;
            let secrets = if *imported { Secrets::Mask } else { Secrets::Leave };
            let finished = owner_file::finish(&mut device, mask_secrets, secrets, report)?;
            let _ = writeln!(io::stderr(), "{}", words(finished));
        }
    }
    Ok(ExitCode::from(EXIT_OK))
}

fn words(finished: Finished) -> String {
    let report = match finished.report {
        Report::Written => "the report was written",
        Report::Unchanged => "the report is on the card already",
        Report::NoFile => "the card has no file for a report",
    };
    format!("{} secrets masked, and copies in {} free sectors; {report}", finished.masked, finished.copies)
}
