//! `hearth owner-file`: the owner's files on the card.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use anyhow::Context;
use ipc::appliance::OwnerFile;
use ipc::owner::{LINE_LIMIT, TEXT_LIMIT};
use network::wireguard;
use owner_file::{Finished, Kept, Report, SETTINGS, TUNNEL};
use serde::Serialize;

use crate::cli::{EXIT_OK, OwnerFileCommand};

/// Gives up all rights, and does the task.
pub(crate) fn run(command: &OwnerFileCommand) -> anyhow::Result<ExitCode> {
    let input = io::stdin().as_fd().try_clone_to_owned().context("opening the standard input")?;
    let mut input = File::from(input);
    match command {
        OwnerFileCommand::Read => {
            init::restrict_owner_file(0)?;
            owner_file::read(&input, [SETTINGS, TUNNEL]).iter().try_for_each(print)?;
        }
        OwnerFileCommand::Tunnel => {
            init::restrict_owner_file(0)?;
            let (found, kept) = read_tunnel(input)?;
            print(&wireguard::import(&found, &kept))?;
        }
        OwnerFileCommand::Finish { imported, tunnel_imported, report } => {
            // An image file cannot grow; a device cannot anyway.
            let size = input.seek(SeekFrom::End(0)).context("measuring the boot partition")?;
            init::restrict_owner_file(size)?;
            let settings = Kept { name: SETTINGS, mask: &config::owner::mask_secrets };
            let tunnel = Kept { name: TUNNEL, mask: &wireguard::mask_secrets };
            let kept = imported.then_some(settings).into_iter().chain(tunnel_imported.then_some(tunnel));
            let finished = owner_file::finish(&mut input, &kept.collect::<Vec<_>>(), report)?;
            let _ = writeln!(io::stderr(), "{}", words(finished));
        }
    }
    Ok(ExitCode::from(EXIT_OK))
}

/// Prints the line of a message.
fn print(message: &impl Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let line = ipc::lines::encode(message)?;
    out.write_all(&line).and_then(|()| out.flush()).context("printing the owner's file")
}

/// The card's `wireguard.conf` and the kept text, from the two parts of the input.
fn read_tunnel(input: impl Read) -> anyhow::Result<(OwnerFile, String)> {
    let mut input = BufReader::new(input).take((LINE_LIMIT + TEXT_LIMIT) as u64);
    let (mut line, mut kept) = (Vec::new(), String::new());
    input.read_until(b'\n', &mut line).context("reading the card's wireguard.conf")?;
    let found = serde_json::from_slice(&line).context("reading the card's wireguard.conf")?;
    input.read_to_string(&mut kept).context("reading the kept wireguard.conf")?;
    Ok((found, kept))
}

fn words(finished: Finished) -> String {
    let report = match finished.report {
        Report::Written => "the report was written",
        Report::Unchanged => "the report is on the card already",
        Report::NoFile => "the card has no file for a report",
    };
    format!("{} secrets masked, and copies in {} free sectors; {report}", finished.masked, finished.copies)
}

#[cfg(test)]
mod tests {
    use super::read_tunnel;

    #[test]
    fn the_two_parts_of_the_input_are_divided_at_the_first_lines_end() {
        let line = "{\"text\":\"[Peer]\\r\\n\",\"problem\":null}\n";
        for kept in ["", "[Interface]\nMTU = 1280\n"] {
            let (found, read) = read_tunnel(format!("{line}{kept}").as_bytes()).unwrap();
            assert_eq!((found.text.as_deref(), read.as_str()), (Some("[Peer]\r\n"), kept));
        }
        for wrong in ["", "no JSON\n", "[Peer]"] {
            assert!(read_tunnel(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
