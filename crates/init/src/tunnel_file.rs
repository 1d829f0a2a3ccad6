//! The owner's `wireguard.conf`, from the card to init's directory on the data partition. It is judged by a process without
//! rights (`owner_process.rs`); here the text that it names is kept, before anything is masked on the card.
//!
//! After a cut at any instant the next start judges again: a text on the card that is the kept one already is masked.

use std::io;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use ipc::network::{Tunnel, TunnelState};
use ipc::owner::{TunnelImport, TunnelVerdict};

use super::child::filled_pipe;
use super::log::Log;
use super::owner_process::{command, lines_of};
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
    /// The box's addresses in the tunnel that there is; empty if there is none.
    pub(super) addresses: Vec<IpAddr>,
    /// Plain text for its owner; empty if there is nothing to say.
    pub(super) report: String,
}

impl TunnelFile {
    /// The tunnel that there is, before anything is known of its other end.
    pub(super) fn tunnel(&self) -> Option<Tunnel> {
        let addresses = Some(self.addresses.clone()).filter(|addresses| !addresses.is_empty())?;
        Some(Tunnel { state: TunnelState::Calling, addresses, handshake: None, received: 0, sent: 0 })
    }

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
    let TunnelImport { keep, verdict, addresses, report } = import;
    match keep.map_or(Ok(()), |text| state.save_wireguard_text(&text)) {
        Ok(()) => TunnelFile { verdict, addresses, report },
        Err(error) => {
            log.say(format!("the card's wireguard.conf cannot be kept: {error}"));
            // An earlier tunnel is told of by the configuration process.
            let addresses = Vec::new();
            TunnelFile { verdict: TunnelVerdict::Refused, addresses, report: NOT_KEPT.to_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use ipc::owner::{LINE_LIMIT, TEXT_LIMIT, TunnelImport, TunnelVerdict};

    use super::{NOT_KEPT, PersistentState, TunnelFile, judge, keep};
    use crate::console::Consoles;
    use crate::log::Log;

    fn log() -> Log {
        Log::new(Consoles::none(), None)
    }

    /// A stand-in for the process that judges: a shell.
    fn judged(script: &str, line: &[u8], state: &PersistentState) -> std::io::Result<TunnelImport> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env("PATH", "/usr/bin:/bin");
        judge(command, line, state, &log())
    }

    #[test]
    fn the_process_gets_both_texts_however_long_and_its_answer_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let state = PersistentState::new(folder.path());
        let answer = r#"{"keep":null,"verdict":"taken","addresses":[],"report":"%s"}\n"#;
        let counted = format!("printf '{answer}' \"$(/usr/bin/wc -c)\"");
        let line = vec![b'x'; LINE_LIMIT];
        let import = judged(&counted, &line, &state).unwrap();
        assert_eq!((import.verdict, import.report), (TunnelVerdict::Taken, (LINE_LIMIT + 1).to_string()));
        state.save_wireguard_text(&"y".repeat(TEXT_LIMIT)).unwrap();
        let import = judged(&counted, &line, &state).unwrap();
        assert_eq!(import.report, (LINE_LIMIT + 1 + TEXT_LIMIT).to_string());

        let wrong = format!(
            r#"echo '{{"keep":"{}","verdict":"taken","addresses":[],"report":""}}'"#,
            "z".repeat(TEXT_LIMIT + 1)
        );
        let import = judged(&wrong, b"{}", &state).unwrap();
        assert_eq!((import.keep, import.verdict), (None, TunnelVerdict::Refused));
        for wrong in ["echo nonsense", "exit 1", "echo '{}'; echo '{}'"] {
            assert!(judged(wrong, b"{}", &state).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_kept_is_not_taken() {
        let import = |keep: Option<&str>| TunnelImport {
            keep: keep.map(str::to_owned),
            verdict: TunnelVerdict::Taken,
            addresses: vec![[203, 0, 113, 7].into()],
            report: "It is set up.".to_owned(),
        };
        let taken = |report: &str, verdict| {
            let addresses =
                if verdict == TunnelVerdict::Taken { vec![[203, 0, 113, 7].into()] } else { Vec::new() };
            TunnelFile { verdict, addresses, report: report.to_owned() }
        };
        let folder = tempfile::tempdir().unwrap();
        let state = PersistentState::new(folder.path());
        for text in [Some("[Interface]"), None] {
            assert_eq!(keep(import(text), &state, &log()), taken("It is set up.", TunnelVerdict::Taken));
            assert_eq!(state.wireguard_text().unwrap().as_deref(), Some("[Interface]"));
        }
        fs::remove_dir_all(folder.path()).unwrap();
        let refused = taken(NOT_KEPT, TunnelVerdict::Refused);
        assert_eq!(keep(import(Some("[Peer]")), &state, &log()), refused);
        // Nothing has to be written for it.
        assert_eq!(keep(import(None), &state, &log()).verdict, TunnelVerdict::Taken);
    }

    #[test]
    fn without_a_data_partition_nothing_is_taken() {
        let none = TunnelFile::take_over(b"{}", None, &log());
        assert_eq!((none.tunnel(), none), (None, TunnelFile::default()));
    }
}
