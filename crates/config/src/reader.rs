//! Takes keys out of one TOML table and collects the findings: values of a wrong type, and at the end all keys that were
//! never taken. The meaning of values is not known here.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::advice;
use crate::finding::{Finding, Severity};

/// A table being read; its findings name keys by their whole path.
pub(crate) struct Reader {
    path: String,
    table: Table,
    known: Vec<&'static str>,
    findings: Vec<Finding>,
}

impl Reader {
    /// Begins with the whole file's table.
    pub(crate) fn new(table: Table) -> Self {
        Self { path: String::new(), table, known: Vec::new(), findings: Vec::new() }
    }

    /// Takes a sub-table out; an absent one is empty.
    pub(crate) fn table(&mut self, key: &'static str) -> Self {
        let table = self.take(key, Table::new());
        Self { path: self.full(key), table, known: Vec::new(), findings: Vec::new() }
    }

    /// Takes a value out; an absent one is the default, and so is one that is wrong, after a finding.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, key: &'static str, default: T) -> T {
        self.take_with(key, default, |value: T| Ok(value))
    }

    /// Like [`Self::take`], for values that text or a number becomes only if it passes `check`.
    /// The check's error is a whole sentence.
    pub(crate) fn take_with<R, T>(
        &mut self,
        key: &'static str,
        default: T,
        check: impl FnOnce(R) -> Result<T, String>,
    ) -> T
    where
        R: DeserializeOwned,
    {
        self.known.push(key);
        let Some(value) = self.table.remove(key) else { return default };
        let kind = value.type_str();
        let checked = value.try_into::<R>().map_err(|error| one_line(&error, kind)).and_then(check);
        checked.unwrap_or_else(|problem| {
            self.report(
                key,
                Severity::Error,
                problem,
                "Correct the value, or remove the line to use the default.",
            );
            default
        })
    }

    /// Adds a finding about a key of this table.
    pub(crate) fn report(&mut self, key: &str, severity: Severity, problem: impl Into<String>, advice: &str) {
        let finding =
            Finding { key: self.full(key), severity, problem: problem.into(), advice: advice.to_owned() };
        self.findings.push(finding);
    }

    /// Ends this table: the keys left in it are unknown. Returns all findings.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        let left: Vec<(String, Value)> = std::mem::take(&mut self.table).into_iter().collect();
        for (key, value) in left {
            let what = if value.is_table() { "table" } else { "key" };
            let advice = advice::unknown_key(&key, &self.path, &self.known);
            self.report(&key, Severity::Error, format!("There is no such {what}."), &advice);
        }
        self.findings
    }

    fn full(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// Serde's error as one sentence.
fn one_line(error: &toml::de::Error, kind: &str) -> String {
    let message = error.message().lines().next().unwrap_or("wrong type").trim_end_matches('.');
    format!("The {kind} given does not fit: {message}.")
}
