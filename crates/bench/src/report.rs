//! What was measured, as a table for people or as JSON.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::processes::Memory;
use crate::runs::Load;

/// One measurement. Rates and latencies depend on the machine's load; CPU time and memory hardly do.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: &'static str,
    number: usize,
    concurrency: usize,
    per_second: f64,
    /// Of the server, for each; absent when no process was named or nothing was done.
    cpu_milliseconds_each: Option<f64>,
    memory_kb: u64,
    memory_anonymous_kb: u64,
    latency_ms_median: Option<f64>,
    latency_ms_95: Option<f64>,
}

impl Row {
    pub(crate) fn new(
        what: &'static str,
        load: Load,
        elapsed: Duration,
        cpu_milliseconds: f64,
        memory: Memory,
        sorted_latencies: &[Duration],
    ) -> Self {
        let number = load.number as f64;
        let at = |part: usize| {
            let place = sorted_latencies.len().saturating_sub(1) * part / 100;
            sorted_latencies.get(place).map(|latency| latency.as_secs_f64() * 1000.0)
        };
        Self {
            what,
            number: load.number,
            concurrency: load.concurrency,
            per_second: number / elapsed.as_secs_f64(),
            cpu_milliseconds_each: (load.number > 0 && memory.proportional > 0)
                .then(|| cpu_milliseconds / number),
            memory_kb: memory.proportional,
            memory_anonymous_kb: memory.anonymous,
            latency_ms_median: at(50),
            latency_ms_95: at(95),
        }
    }
}

/// Prints the rows on standard output.
pub(crate) fn print(rows: &[Row], json: bool) -> Result<()> {
    let mut output = std::io::stdout().lock();
    if json {
        writeln!(output, "{}", serde_json::to_string_pretty(rows)?)?;
        return Ok(());
    }
    writeln!(
        output,
        "{:<50} {:>6} {:>10} {:>12} {:>10} {:>18}",
        "what", "n", "per s", "CPU ms each", "PSS MB", "ms p50 / p95"
    )?;
    for row in rows {
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        let latency = format!("{} / {}", number(row.latency_ms_median), number(row.latency_ms_95));
        writeln!(
            output,
            "{:<50} {:>6} {:>10.1} {:>12} {:>10.1} {:>18}",
            row.what,
            row.number,
            row.per_second,
            number(row.cpu_milliseconds_each),
            row.memory_kb as f64 / 1000.0,
            latency
        )?;
    }
    Ok(())
}

/// Prints why nothing was measured, once, with its whole chain.
pub(crate) fn trouble(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "bench: {error:#}");
}
