//! The benchmark against the daemon on this machine, in tiny sizes: that its measurements work, and that memory has a
//! bound. Nothing here looks at a clock.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use hearth_tests::product::{Daemon, program};
use serde_json::Value;

/// What the daemon may need more for messages ten times as large, in kB; all together they are 54 MB larger.
const TOLERANCE_KB: u64 = 16_000;

#[test]
fn every_measurement_works_against_our_own_server() -> Result<()> {
    let daemon = Daemon::start("open", "")?;
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
        let row = measure(&daemon, what)?;
        assert!(row["cpu_milliseconds_each"].is_f64() && row["memory_kb"].is_u64(), "{what}: {row}");
        assert_eq!(row["latency_ms_median"].is_f64(), ["deliver", "latency"].contains(&word(what)), "{row}");
        measured.push(row["number"].clone());
    }
    assert_eq!(measured, [2, 4, 4, 8, 2, 4, 2, 2]);
    Ok(())
}

#[test]
fn memory_does_not_grow_with_the_size_of_messages() -> Result<()> {
    let daemon = Daemon::start("open", "")?;
    let peak = |what| {
        let row = measure(&daemon, what)?;
        row["memory_peak_kb"].as_u64().with_context(|| format!("no peak in {row}"))
    };
    let small = peak("large -n 20 --size 300000")?;
    let large = peak("large -n 20 --size 3000000")?;
    assert!(large < small + TOLERANCE_KB, "{small} kB for the small ones, {large} kB for the large ones");
    Ok(())
}

#[test]
fn no_connection_holds_more_than_is_reckoned_with() -> Result<()> {
    for stuck in ["sending --sent 60000", "fetching", "command"] {
        let daemon = Daemon::start("open", "")?;
        let memory = |what: &str| {
            let row = measure(&daemon, what)?;
            row["memory_kb"].as_u64().with_context(|| format!("no memory in {row}"))
        };
        memory("idle -n 100")?;
        let (nobody, crowd) = (memory("idle -n 0")?, memory(&format!("stuck {stuck} -n 100"))?);
        let each = crowd.saturating_sub(nobody) / 100;
        // As `hearth serve` has it when it reckons how many connections the machine bears, in kB.
        assert!(
            (30..128).contains(&each),
            "{stuck}: {each} kB each ({nobody} kB before, {crowd} kB with 100)"
        );
    }
    Ok(())
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
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "bench {what}: {said}\nThe daemon's log ends with:{}",
        daemon.log_tail()
    );
    let rows: Value = serde_json::from_slice(&output.stdout)?;
    Ok(rows[0].clone())
}
