//! `lab boot`: the guest's console, live.

use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::events::{self, Keyboard};
use crate::{GuestOptions, terminal};

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Boots, copies the console to standard output, and ends with the guest, at `until`, or at Ctrl-C.
pub(crate) fn run(image: PathBuf, options: &GuestOptions, until: Option<&str>, append: &str) -> Result<()> {
    let events = events::listen(Keyboard::Ignore)?;
    let mut guest = options.builder(image).kernel_arguments(append).start()?;
    let ports: Vec<String> = guest.ports().map(|(from, to)| format!("{from} at 127.0.0.1:{to}")).collect();
    terminal::progress(
        guest.uptime(),
        &format!("QEMU runs, process {:?}; ports: {}", guest.process_id(), ports.join(", ")),
    );
    let mut mark = guest.boot_mark();
    loop {
        let had_power = guest.has_power();
        let (lines, next) = guest.lines_after(mark);
        mark = next;
        for line in &lines {
            terminal::say(&format!("[{:9.3}] {}", line.at.as_secs_f64(), line.text))?;
        }
        if let Some(until) = until {
            if lines.iter().any(|line| line.text.contains(until)) {
                return Ok(());
            }
            if guest.uptime() > Duration::from_secs(options.limit) {
                bail!("{until:?} did not appear within {} s", options.limit);
            }
        }
        if !had_power {
            guest.wait_for_end("QEMU to end", POLL_INTERVAL)?;
            match until {
                Some(until) => bail!("the guest ended before {until:?} appeared"),
                None => return Ok(()),
            }
        }
        match events.recv_timeout(POLL_INTERVAL) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(_) | Err(RecvTimeoutError::Disconnected) => {
                guest.cut_power();
                return Ok(());
            }
        }
    }
}
