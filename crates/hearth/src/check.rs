//! `hearth check`: what the configuration says of itself, and what the machine says to it.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{EXIT_CONFIGURATION, EXIT_OK};
use crate::config::{self, Config, Finding, Tls, has_errors};
use crate::serve;

/// Prints all findings and whether the configuration can be used.
pub(crate) fn run(path: &Path) -> ExitCode {
    let findings = match config::load(path) {
        Ok((config, mut findings)) => {
            findings.extend(examine_machine(&config));
            findings
        }
        Err(findings) => findings,
    };
    print(&findings);
    let mut out = std::io::stdout().lock();
    if has_errors(&findings) {
        ExitCode::from(EXIT_CONFIGURATION)
    } else {
        let _ = writeln!(out, "The configuration {} can be used.", path.display());
        ExitCode::from(EXIT_OK)
    }
}

/// Prints findings to standard error, one a line.
pub(crate) fn print(findings: &[Finding]) {
    let mut out = std::io::stderr().lock();
    for finding in findings {
        let _ = writeln!(out, "{finding}");
    }
}

/// What only shows on the machine itself.
fn examine_machine(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Tls::Files { certificate, key } = &config.tls
        && let Err(error) = serve::try_certificate(certificate, key)
    {
        let advice = "Name two readable PEM files that belong together.";
        findings.push(Finding::error("tls.certificate", format!("It cannot be used: {error:#}."), advice));
    }
    let directory = &config.state_directory;
    match std::fs::metadata(directory) {
        Ok(found) if !found.is_dir() => {
            let problem = format!("{} is not a directory.", directory.display());
            findings.push(Finding::error(
                "state_directory",
                problem,
                "Name a directory of the server's own.",
            ));
        }
        Ok(_) => {}
        Err(_) => {
            let problem = format!("{} does not exist yet.", directory.display());
            let advice = "The server will try to make it when it starts.";
            findings.push(Finding::warning("state_directory", problem, advice));
        }
    }
    findings
}
