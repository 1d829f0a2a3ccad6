//! A network of a test's own, where a server has a name and the standard ports to itself (`scripts/namespace`).
//!
//! Only there does a client walk its default path: a name, standard ports, strict checks of the certificate.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::product::{self, Daemon};

/// Tells the second life of a test that it is inside.
const INSIDE: &str = "HEARTH_INSIDE_NAMESPACE";
/// The exit status of `scripts/namespace` where this user may not make one.
const NOT_ALLOWED: i32 = 77;

/// Runs a test's body in a network of its own. `test` is the test's name: its program is started once more, inside,
/// for this one test. Where the user may make no namespace, says so and leaves the test out.
pub fn alone(test: &str, body: impl FnOnce() -> Result<()>) {
    alone_among(test, &[], body);
}

/// The same with these settings of `scripts/namespace`.
pub fn alone_among(test: &str, settings: &[(&str, &str)], body: impl FnOnce() -> Result<()>) {
    if std::env::var_os(INSIDE).is_some() {
        if let Err(error) = body() {
            panic!("{error:?}");
        }
        return;
    }
    // What compiles is compiled outside, where there may be a network.
    product::binary().expect("the daemon's program");
    let output = Command::new(script())
        .arg(std::env::current_exe().expect("this program has a path"))
        .args(["--exact", test, "--include-ignored"])
        .env(INSIDE, "1")
        .envs(settings.iter().copied())
        .stderr(Stdio::inherit())
        .output()
        .expect("scripts/namespace runs");
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(NOT_ALLOWED) {
        report(&format!("{test}: NOT RUN: it needs a network namespace, which this user may not make here"));
        return;
    }
    assert!(output.status.success(), "inside of the namespace:\n{said}");
    assert!(said.contains("1 passed"), "there is no test of the name {test}:\n{said}");
}

/// Prints a line whether or not the test passes: for what was measured, and what was left out.
pub fn report(line: &str) {
    // Not by `eprintln`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The same with a daemon for [`product::DOMAIN`], whose log is shown when the body fails; `more` is its configuration.
pub fn with_server(test: &str, more: &str, body: impl FnOnce(&mut Daemon) -> Result<()>) {
    alone(test, || {
        Daemon::start_for_domain(more)?.play(body);
        Ok(())
    });
}

/// Runs `ip` (iproute2) in the calling thread's namespace.
pub fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output()?;
    ensure!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/namespace")
}
