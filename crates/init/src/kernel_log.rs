//! The kernel's errors on the consoles. The kernel would print them over a display's screen, so it prints emergencies only
//! (and after an oops everything), and init passes the rest on: to lines at once, to a display while it shows no screen.
//!
//! A record of `/dev/kmsg` (`Documentation/ABI/testing/dev-kmsg` of Linux):
//!
//! ```text
//! 3,1021,4710823,-;mmc0: error -110 whilst initialising SD card
//! │ │    │       └ flags, and more fields in later kernels
//! │ │    └ microseconds since the start
//! │ └ sequence number
//! └ facility × 8 + level
//! ```

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::thread;

use super::console::Consoles;

/// The kernel's level of what it prints itself: only what is below it (`Documentation/core-api/printk-basics.rst`).
const PRINTK: &str = "/proc/sys/kernel/printk";
/// Emergencies.
const EMERGENCIES_ONLY: &str = "1";
/// Errors and worse.
const ERRORS: &str = "4";
/// Alerts, critical conditions and errors.
const PASSED_ON: std::ops::RangeInclusive<u32> = 1..=3;
/// A record is at most this long.
const RECORD_LIMIT: usize = 8192;

/// Starts to pass errors on. Where that is impossible the kernel goes on to print them itself.
pub(super) fn pass_on(consoles: Consoles) {
    let started = open(Path::new("/dev/kmsg")).and_then(|records| {
        let work = move || {
            follow(records, |line| consoles.line(line));
            let _ = fs::write(PRINTK, ERRORS);
        };
        thread::Builder::new().name("kernel log".to_owned()).spawn(work)
    });
    let _ = fs::write(PRINTK, if started.is_ok() { EMERGENCIES_ONLY } else { ERRORS });
}

/// The records from now on: the kernel has printed those before.
fn open(path: &Path) -> io::Result<File> {
    let mut records = File::open(path)?;
    records.seek(SeekFrom::End(0))?;
    Ok(records)
}

/// Reads records, one at a time as the device gives them, until an error.
fn follow(mut records: impl Read, mut show: impl FnMut(String)) {
    let mut record = [0; RECORD_LIMIT];
    loop {
        match records.read(&mut record) {
            Ok(0) => return,
            Ok(length) => {
                let text = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                line(&text).into_iter().for_each(&mut show);
            }
            // Records that were overwritten before they were read are lost.
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::Interrupted) => {}
            Err(_) => return,
        }
    }
}

/// The line for a record that is to be shown, in the kernel's own form.
fn line(record: &str) -> Option<String> {
    let (prefix, text) = record.split_once(';')?;
    let mut fields = prefix.split(',');
    // With a facility other than the kernel's own, zero, the number is eight or more: init's own lines are among those.
    let level: u32 = fields.next()?.parse().ok()?;
    let microseconds: u64 = fields.nth(1)?.parse().ok()?;
    // Later lines are a dictionary of properties.
    let text: String = text.lines().next()?.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let (seconds, fraction) = (microseconds / 1_000_000, microseconds % 1_000_000);
    PASSED_ON.contains(&level).then(|| format!("[{seconds:5}.{fraction:06}] {text}"))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::{self, Read};

    use super::follow;

    /// A device that gives one record at a time, as `/dev/kmsg` does.
    struct Records(VecDeque<io::Result<&'static str>>);

    impl Read for Records {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let record = self.0.pop_front().unwrap_or(Err(io::ErrorKind::Other.into()))?;
            buffer[..record.len()].copy_from_slice(record.as_bytes());
            Ok(record.len())
        }
    }

    #[test]
    fn errors_of_the_kernel_are_passed_on_and_nothing_else() {
        let records = Records(VecDeque::from([
            Ok("6,1,100,-;usb 1-1: new device\n"),
            Ok("3,2,4710823,-;mmc0: error -110\n SUBSYSTEM=mmc\n DEVICE=+mmc:mmc0\n"),
            Err(io::ErrorKind::BrokenPipe.into()),
            Ok("2,9,12345678901,-,caller=T1;EXT4-fs \x1b[2Jerror\n"),
            Ok("0,10,5,-;Kernel panic\n"),
            Ok("4,11,6,-;a warning\n"),
            // Facility "daemon", level "error": a program's line.
            Ok("27,12,7,-;hearth: a line\n"),
            Ok("nonsense"),
        ]));
        let mut shown = Vec::new();
        follow(records, |line| shown.push(line));
        assert_eq!(shown, ["[    4.710823] mmc0: error -110", "[12345.678901] EXT4-fs  [2Jerror"]);
    }
}
