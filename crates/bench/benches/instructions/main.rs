//! The cost of the machines without IO in instructions, counted by callgrind: the same number for the same program,
//! however busy the machine is. Here the benchmark knows our crates; the program `bench` does not.
//!
//! `cargo bench -p bench` prints the table (it needs valgrind); `-- --json` prints it for programs. To see where the
//! instructions go, run `valgrind --tool=callgrind` on the built file with `--run NUMBER TIMES` behind it.

mod dkim_signatures;
mod imap_session;
#[path = "../../src/message.rs"]
mod message;
mod policy;
mod smtp_session;

use std::io::Write;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

/// Something that is done again and again.
struct Scenario {
    what: &'static str,
    run: fn(times: usize) -> Result<()>,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { what: "IMAP: a phone connects, fetches 10 kB, deletes it, idles", run: imap_session::phone },
    Scenario { what: "IMAP: UID, FLAGS and RFC822.SIZE of 1000 messages", run: imap_session::list },
    Scenario { what: "IMAP: UID SEARCH UNSEEN among 1000 messages", run: imap_session::search },
    Scenario { what: "IMAP: ENVELOPE and BODYSTRUCTURE of a message", run: imap_session::structure },
    Scenario { what: "SMTP: a message of 10 kB submitted", run: smtp_session::small },
    Scenario { what: "SMTP: a message of 1 MB submitted", run: smtp_session::large },
    Scenario { what: "policy: gate and clean-up of 10 kB", run: policy::small },
    Scenario { what: "policy: gate and clean-up of 1 MB", run: policy::large },
    Scenario { what: "DKIM: a message of 10 kB signed", run: dkim_signatures::sign_small },
    Scenario { what: "DKIM: a message of 1 MB signed", run: dkim_signatures::sign_large },
    Scenario { what: "DKIM: a message of 10 kB verified", run: dkim_signatures::verify_small },
    Scenario { what: "DKIM: a message of 1 MB verified", run: dkim_signatures::verify_large },
];

/// Work before and besides the scenario costs the same in both runs, so that it falls out of the difference.
const FEW: usize = 2;
const MANY: usize = 22;

fn main() -> ExitCode {
    match command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "instructions: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--run", number, times] => {
            let scenario = SCENARIOS.get(number.parse::<usize>()?).context("no scenario has that number")?;
            (scenario.run)(times.parse()?)
        }
        // Cargo adds `--bench`.
        rest => print(rest.contains(&"--json")),
    }
}

fn print(json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut rows = Vec::new();
    for (number, Scenario { what, .. }) in SCENARIOS.iter().enumerate() {
        let each = (counted(number, MANY)? - counted(number, FEW)?) / (MANY - FEW) as u64;
        if json {
            rows.push(serde_json::json!({ "what": what, "instructions": each }));
        } else {
            writeln!(out, "{what:<60} {:>12.1} thousand instructions", each as f64 / 1000.0)?;
        }
    }
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

/// The instructions of a whole run of this program under callgrind.
fn counted(number: usize, times: usize) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--run", &number.to_string(), &times.to_string()])
        .output()
        .context("starting valgrind (package valgrind)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "scenario {number} under valgrind: {said}");
    // ==4711== Collected : 123456
    let Some((_, rest)) = said.split_once("Collected : ") else { bail!("valgrind counted nothing: {said}") };
    Ok(rest.split_whitespace().next().unwrap_or_default().parse()?)
}
