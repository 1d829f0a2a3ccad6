//! The measurements, as a table for people or as JSON.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::processes::Memory;

/// One measurement. Rates and latencies depend on the machine's load; CPU time and memory hardly do.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The measured action, in words.
    pub(crate) what: String,
    /// The number of operations.
    pub(crate) number: usize,
    pub(crate) per_second: Option<f64>,
    /// Of the server, for each; absent when no process was named or nothing was done.
    pub(crate) cpu_milliseconds_each: Option<f64>,
    /// Of the server while nobody did anything, for a second.
    pub(crate) cpu_milliseconds_a_second: Option<f64>,
    pub(crate) memory_kb: Option<u64>,
    pub(crate) memory_anonymous_kb: Option<u64>,
    pub(crate) memory_peak_kb: Option<u64>,
    /// The largest proportional set size while it went on.
    #[serde(default)]
    pub(crate) memory_most_kb: Option<u64>,
    pub(crate) latency_ms_median: Option<f64>,
    pub(crate) latency_ms_95: Option<f64>,
}

/// A column of the tables.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) value: fn(&Row) -> Option<f64>,
}

/// The columns of a table.
pub(crate) const COLUMNS: [Column; 8] = [
    Column { name: "per second", value: |row| row.per_second },
    Column { name: "CPU ms each", value: |row| row.cpu_milliseconds_each },
    Column { name: "CPU ms/s idle", value: |row| row.cpu_milliseconds_a_second },
    Column { name: "PSS MB", value: |row| row.memory_kb.map(|size| size as f64 / 1000.0) },
    Column { name: "peak MB", value: |row| row.memory_peak_kb.map(|size| size as f64 / 1000.0) },
    Column { name: "most PSS MB", value: |row| row.memory_most_kb.map(|size| size as f64 / 1000.0) },
    Column { name: "ms median", value: |row| row.latency_ms_median },
    Column { name: "ms 95 %", value: |row| row.latency_ms_95 },
];

impl Row {
    pub(crate) fn new(what: &str, number: usize) -> Self {
        Self { what: what.to_owned(), number, ..Self::default() }
    }

    pub(crate) fn time(mut self, elapsed: Duration) -> Self {
        self.per_second = (self.number > 0).then(|| self.number as f64 / elapsed.as_secs_f64());
        self
    }

    pub(crate) fn cpu(mut self, milliseconds: f64) -> Self {
        self.cpu_milliseconds_each = (self.number > 0).then(|| milliseconds / self.number as f64);
        self
    }

    pub(crate) fn memory(mut self, memory: Memory) -> Self {
        self.memory_kb = Some(memory.proportional);
        self.memory_anonymous_kb = Some(memory.anonymous);
        self
    }

    pub(crate) fn peak(mut self, memory: Memory) -> Self {
        self.memory_peak_kb = (memory.peak > 0).then_some(memory.peak);
        self
    }

    pub(crate) fn most(mut self, kilobytes: u64) -> Self {
        self.memory_most_kb = Some(kilobytes);
        self
    }

    pub(crate) fn idle(mut self, milliseconds: f64, watched: Duration) -> Self {
        self.cpu_milliseconds_a_second = (!watched.is_zero()).then(|| milliseconds / watched.as_secs_f64());
        self
    }

    pub(crate) fn latencies(mut self, mut latencies: Vec<Duration>) -> Self {
        latencies.sort();
        let at = |part: usize| {
            let place = latencies.len().saturating_sub(1) * part / 100;
            latencies.get(place).map(|latency| latency.as_secs_f64() * 1000.0)
        };
        self.latency_ms_median = at(50);
        self.latency_ms_95 = at(95);
        self
    }
}

/// A number as the tables show it.
pub(crate) fn shown(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.*}", if value < 100.0 { 2 } else { 0 }))
}

/// Prints the rows on standard output.
pub(crate) fn print(rows: &[Row], json: bool) -> Result<()> {
    let mut output = std::io::stdout().lock();
    if json {
        writeln!(output, "{}", serde_json::to_string_pretty(rows)?)?;
        return Ok(());
    }
    write!(output, "{:<52} {:>6}", "what", "n")?;
    for column in &COLUMNS {
        write!(output, " {:>13}", column.name)?;
    }
    writeln!(output)?;
    for row in rows {
        write!(output, "{:<52} {:>6}", row.what, row.number)?;
        for column in &COLUMNS {
            write!(output, " {:>13}", shown((column.value)(row)))?;
        }
        writeln!(output)?;
    }
    Ok(())
}

/// Prints why nothing was measured, once, with its whole chain.
pub(crate) fn trouble(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "bench: {error:#}");
}
