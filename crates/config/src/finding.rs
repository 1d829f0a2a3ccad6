//! Errors and warnings about a configuration, in words for the person who wrote it.

use std::fmt;
use std::io::Write;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The server would start, but perhaps not do what was meant.
    Warning,
    /// The server refuses to start.
    Error,
}

/// An error or a warning about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The key's whole path, for example `limits.quota`; the file's name when it is about the whole file.
    pub key: String,
    /// Its severity.
    pub severity: Severity,
    /// The fault, a sentence.
    pub problem: String,
    /// The remedy, a sentence.
    pub advice: String,
}

impl Finding {
    /// A finding that keeps the server from starting.
    pub fn error(key: &str, problem: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            severity: Severity::Error,
            problem: problem.into(),
            advice: advice.into(),
        }
    }

    /// A finding that does not.
    pub fn warning(key: &str, problem: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            severity: Severity::Warning,
            problem: problem.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}: {}: {} {}", self.key, self.problem, self.advice)
    }
}

/// True when any finding is an error.
#[must_use]
pub fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// Prints findings to standard error, one a line.
pub fn print(findings: &[Finding]) {
    let mut out = std::io::stderr().lock();
    for finding in findings {
        // Where standard error is closed, the exit status is left to tell.
        let _ = writeln!(out, "{finding}");
    }
}
