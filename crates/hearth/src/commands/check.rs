//! `hearth check`: examines the configuration, and the files and directories that it names.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use config::{self, Config, Finding, Tls, has_errors};

use crate::cli::{EXIT_CONFIGURATION, EXIT_OK};

/// Prints all findings and whether the configuration can be used.
pub(crate) fn run(path: &Path) -> ExitCode {
    let findings = match config::load(path) {
        Ok((config, mut findings)) => {
            findings.extend(examine_machine(&config));
            findings
        }
        Err(findings) => findings,
    };
    config::print(&findings);
    let mut out = std::io::stdout().lock();
    if has_errors(&findings) {
        ExitCode::from(EXIT_CONFIGURATION)
    } else {
        let _ = writeln!(out, "The configuration {} can be used.", path.display());
        ExitCode::from(EXIT_OK)
    }
}

/// Findings that need a look at the machine.
fn examine_machine(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Tls::Files { certificate, key } = &config.tls
        && let Err(error) = tls::read_files(certificate, key)
    {
        let advice = "Name two readable PEM files that belong together.";
        findings.push(Finding::error("tls.certificate", format!("It cannot be used: {error:#}."), advice));
    }
    findings.extend(examine_push(config));
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

/// The trust in the push service; whether it answers only shows with a message.
fn examine_push(config: &Config) -> Option<Finding> {
    let service = config.push.service.as_ref()?;
    match https_client::roots(config.push.roots.as_ref()) {
        Err(error) => {
            let advice = "Name a readable PEM file, or remove the line.";
            Some(Finding::error("push.roots", format!("It cannot be used: {error:#}."), advice))
        }
        Ok(roots) if roots.is_empty() && service.scheme_str() == Some("https") => {
            let problem = "This machine has no root certificates, so phones that sleep will not be woken.";
            let advice = "Install the package ca-certificates, or give push.roots.";
            Some(Finding::warning("push.url", problem, advice))
        }
        Ok(_) => None,
    }
}
