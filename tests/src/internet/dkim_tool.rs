//! dkimpy and Python's mail client (`tests/dkim_tool.py`), for messages that no server of this internet has written.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::Host;
use crate::python::program;

/// The message with a signature for this domain, made by dkimpy.
pub fn sign(message: &[u8], domain: &str, selector: &str, key: &Path) -> Result<Vec<u8>> {
    let (said, right) = run(&["sign", domain, selector, &key.display().to_string()], message)?;
    ensure!(right, "dkimpy does not sign");
    Ok(said)
}

/// Asks dkimpy whether the first signature of this message is right; the error is what it says instead.
pub fn verify(message: &[u8]) -> Result<()> {
    let (said, right) = run(&["verify"], message)?;
    ensure!(right, "dkimpy refuses the signature: {}", String::from_utf8_lossy(&said));
    Ok(())
}

/// Hands a message to a server's port 25 with STARTTLS; the error is the server's refusal.
pub fn send(host: &Host, from: &str, to: &str, message: &[u8]) -> Result<()> {
    hand_over("send", host, from, to, message)
}

/// The same by `POST /mxdeliv`; a refusal begins with the HTTP status.
pub fn post(host: &Host, from: &str, to: &str, message: &[u8]) -> Result<()> {
    hand_over("post", host, from, to, message)
}

fn hand_over(way: &str, host: &Host, from: &str, to: &str, message: &[u8]) -> Result<()> {
    let (said, taken) = run(&[way, &host.address.to_string(), from, to], message)?;
    if !taken {
        bail!("{}", String::from_utf8_lossy(&said).trim_end());
    }
    Ok(())
}

/// The output of the tool, and whether it ended well.
fn run(arguments: &[&str], message: &[u8]) -> Result<(Vec<u8>, bool)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/dkim_tool.py");
    let mut tool = Command::new(program("python3"))
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting python3; scripts/test installs dkimpy")?;
    tool.stdin.take().context("its standard input")?.write_all(message)?;
    let output = tool.wait_with_output()?;
    Ok((output.stdout, output.status.success()))
}
