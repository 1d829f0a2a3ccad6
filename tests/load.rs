//! The benchmark against the daemon on this machine, in tiny sizes: that its measurements work, and that memory has a
//! bound. Nothing here looks at a clock.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use hearth_tests::product::{Daemon, program};
use serde_json::Value;

/// The growth allowed for messages ten times as large, in kB; all together they are 54 MB larger.
const TOLERANCE_KB: u64 = 16_000;

#[test]
fn every_measurement_works_against_our_own_server() {
    Daemon::start("open", "").unwrap().play(|daemon| {
        let mut measured = Vec::new();
        for what in [
            "accounts -n 2 -c 2",
            "login -n 4 -c 2",
            "deliver -n 4 -c 2",
            "burst -n 8 -c 2",
            "latency -n 2",
            "idle -n 4 --mail 2",
            "large -n 2 --size 100000",
            "stuck fetching -n 2",
        ] {
            let row = measure(daemon, what)?;
            assert!(row["cpu_milliseconds_each"].is_f64() && row["memory_kb"].is_u64(), "{what}: {row}");
            assert_eq!(
                row["latency_ms_median"].is_f64(),
                ["deliver", "latency"].contains(&word(what)),
                "{row}"
            );
            measured.push(row["number"].clone());
        }
        assert_eq!(measured, [2, 4, 4, 8, 2, 4, 2, 2]);
        Ok(())
    });
}

#[test]
fn memory_does_not_grow_with_the_size_of_messages() {
    Daemon::start("open", "").unwrap().play(|daemon| {
        let small = kilobytes(daemon, "memory_peak_kb", "large -n 20 --size 300000")?;
        let large = kilobytes(daemon, "memory_peak_kb", "large -n 20 --size 3000000")?;
        assert!(large < small + TOLERANCE_KB, "{small} kB for the small ones, {large} kB for the large ones");
        Ok(())
    });
}

#[test]
fn no_connection_holds_more_than_is_reckoned_with() {
    // All of them are one account's.
    let limits = "[limits]\nconnections_per_account = 1000\n";
    for stuck in ["sending --sent 60000", "fetching", "command"] {
        Daemon::start("open", limits).unwrap().play(|daemon| {
            // Anonymous memory: the part of the program's file that counts changes with every other daemon that runs.
            let memory = |what: &str| kilobytes(daemon, "memory_anonymous_kb", what);
            memory("idle -n 100")?;
            let (nobody, crowd) = (memory("idle -n 0")?, memory(&format!("stuck {stuck} -n 100"))?);
            let each = crowd.saturating_sub(nobody) / 100;
            // As `hearth serve` has it when it reckons how many connections the machine bears, in kB.
            assert!(
                (30..128).contains(&each),
                "{stuck}: {each} kB each ({nobody} kB before, {crowd} kB with 100)"
            );
            Ok(())
        });
    }
}

/// A size of the daemon's memory after a measurement.
fn kilobytes(daemon: &Daemon, column: &str, what: &str) -> Result<u64> {
    let row = measure(daemon, what)?;
    row[column].as_u64().with_context(|| format!("no {column} in {row}"))
}

fn word(what: &str) -> &str {
    what.split(' ').next().unwrap_or_default()
}

fn measure(daemon: &Daemon, what: &str) -> Result<Value> {
    let address = |service| Ok::<_, anyhow::Error>(format!("127.0.0.1:{}", daemon.port(service)?));
    let output = Command::new(program("bench")?)
        .args(["measure", "--json", "--domain", "hearth.test", "--imap"])
        .args([address("imaps")?, "--smtp".to_owned(), address("submissions")?])
        .args(["--tree".to_owned(), daemon.id()?.to_string()])
        .args(what.split(' '))
        .output()?;
    ensure!(output.status.success(), "bench {what}: {}", String::from_utf8_lossy(&output.stderr));
    let rows: Value = serde_json::from_slice(&output.stdout)?;
    Ok(rows[0].clone())
}
