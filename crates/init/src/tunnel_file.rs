//! The owner's `wireguard.conf`, from the card to init's directory on the data partition. It is judged by a process without
//! rights (`owner_file.rs`); here the text that it names is kept, before anything is masked on the card.
//!
//! After a cut at any instant the next start judges again: a text on the card that is the kept one already is masked.

use std::io;
use std::process::Command;
use std::time::Duration;

use ipc::owner::{TunnelImport, TunnelVerdict};

use super::child::filled_pipe;
use super::log::Log;
use super::owner_file::{command, lines_of};
use super::persistent_state::PersistentState;

/// The longest time for the judgement, for which the box's start waits. It takes some milliseconds.
const TIMEOUT: Duration = Duration::from_secs(10);
const NOT_KEPT: &str =
    "wireguard.conf was NOT taken over: the box could not write to its own part of the card.";

/// The fate of the card's `wireguard.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TunnelFile {
    /// The judgement; [`TunnelVerdict::Taken`] only if the text is kept durably.
    pub(super) verdict: TunnelVerdict,
    /// Plain text for its owner; empty if there is nothing to say.
    pub(super) report: String,
}

impl TunnelFile {
    /// Has the file judged, of which this is the reading process's line, and keeps its text.
    pub(super) fn take_over(line: &[u8], state: Option<&PersistentState>, log: &Log) -> Self {
        let Some(state) = state else {
            log.say("the card's wireguard.conf is left alone: there is no data partition to keep it on");
            return Self::default();
        };
        let judged = judge(command("tunnel"), line, state, log);
        let taken = judged.map(|import| keep(import, state, log)).unwrap_or_else(|error| {
            log.say(format!("the card's wireguard.conf is left alone: it cannot be judged: {error}"));
            Self::default()
        });
        taken.report.lines().filter(|line| !line.is_empty()).for_each(|line| log.say(line));
        taken
    }
}

/// Runs the process that judges the card's text beside the kept one.
fn judge(mut command: Command, line: &[u8], state: &PersistentState, log: &Log) -> io::Result<TunnelImport> {
    let kept = state.wireguard_text().unwrap_or_else(|error| {
        log.say(format!("the kept wireguard.conf cannot be read: {error}"));
        None
    });
    let input = [line, b"\n", kept.unwrap_or_default().as_bytes()].concat();
    command.stdin(filled_pipe(&input)?);
    let [answer] = lines_of(command, TIMEOUT, log)?;
    Ok(serde_json::from_slice::<TunnelImport>(&answer)?.bounded())
}

fn keep(import: TunnelImport, state: &PersistentState, log: &Log) -> TunnelFile {
    let TunnelImport { keep, verdict, report } = import;
    match keep.map_or(Ok(()), |text| state.save_wireguard_text(&text)) {
        Ok(()) => TunnelFile { verdict, report },
        Err(error) => {
            log.say(format!("the card's wireguard.conf cannot be kept: {error}"));
            TunnelFile { verdict: TunnelVerdict::Refused, report: NOT_KEPT.to_owned() }
        }
    }
}
