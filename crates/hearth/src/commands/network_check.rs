//! `hearth check --network`: what the running server sees of its network.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ipc::control::{Request, Response};
use ipc::reachability::{Finding, FindingState};

use super::control_client::{ask, unexpected};
use crate::cli::{EXIT_OK, EXIT_TROUBLE};

/// The server has a limit of a minute of its own.
pub(super) const PATIENCE: Duration = Duration::from_secs(70);

/// `hearth check --network`
pub(crate) fn run(config: &Path, relay: Option<String>, json: bool) -> anyhow::Result<ExitCode> {
    let findings = match ask(config, &Request::CheckNetwork { relay }, PATIENCE)? {
        Ok(Response::Findings(findings)) => findings,
        Ok(other) => return Ok(unexpected(&other).map(|()| ExitCode::from(EXIT_TROUBLE))?),
        Err(exit) => return Ok(exit),
    };
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&findings)?)?;
    } else {
        write!(out, "{}", findings.iter().map(in_words).collect::<String>())?;
    }
    let bad = findings.iter().any(|finding| finding.state == FindingState::Bad);
    Ok(ExitCode::from(if bad { EXIT_TROUBLE } else { EXIT_OK }))
}

fn in_words(finding: &Finding) -> String {
    let Finding { subject, state, sentence, advice } = finding;
    let advice = advice.as_ref().map(|advice| format!("       {advice}\n")).unwrap_or_default();
    format!("{:<6} {subject}: {sentence}\n{advice}", mark(*state))
}

/// A judgement in a few letters.
pub(super) fn mark(state: FindingState) -> &'static str {
    match state {
        FindingState::Good => "good",
        FindingState::Note => "note",
        FindingState::Bad => "WRONG",
        FindingState::Unknown => "?",
    }
}

#[cfg(test)]
mod tests {
    use ipc::reachability::{Finding, FindingState};

    use super::in_words;

    #[test]
    fn a_finding_is_a_line_with_its_advice_below() {
        let finding = Finding {
            subject: "Port 25".into(),
            state: FindingState::Bad,
            sentence: "nothing answers.".into(),
            advice: Some("Open it.".into()),
        };
        assert_eq!(in_words(&finding), "WRONG  Port 25: nothing answers.\n       Open it.\n");
    }
}
