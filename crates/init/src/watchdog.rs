//! The hardware watchdog: fed by a thread until the deadline that the event loop moves forward with
//! [`Watchdog::feed_until`]. When the deadline passes, because init itself hangs or the server has sent no heartbeat for
//! minutes, the hardware resets the board.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::log::Log;
use super::parameters::WatchdogChoice;
use host::clock::uptime;

/// Less than a third of the shortest hardware timeout of our boards, the Pi's 15 s.
const FEED_EVERY: Duration = Duration::from_secs(4);
/// Keeps a closed watchdog from biting (`Documentation/watchdog/watchdog-api.rst`, "magic close").
const MAGIC_CLOSE: &[u8] = b"V";

/// The watchdog, or nothing where there is none.
#[derive(Debug)]
pub(super) struct Watchdog {
    feeder: Option<Feeder>,
}

#[derive(Debug)]
struct Feeder {
    feed_until: Arc<AtomicU64>,
    end: Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Watchdog {
    /// Opens the watchdog where that is allowed and makes sense.
    pub(super) fn open(choice: WatchdogChoice, device_tree: &Path, log: &Log) -> Self {
        let none = Self { feeder: None };
        if choice == WatchdogChoice::LeaveAlone {
            log.say("the watchdog is left alone, as the kernel's command line says");
            return none;
        }
        if is_emulated_pi(device_tree) {
            log.say("the watchdog is left alone: this looks like an emulator, which it would reset at once");
            return none;
        }
        let Ok(device) = OpenOptions::new().write(true).open("/dev/watchdog") else {
            log.say("there is no watchdog");
            return none;
        };
        match Feeder::start(device) {
            Ok(feeder) => {
                log.say("the watchdog is on");
                Self { feeder: Some(feeder) }
            }
            Err(error) => {
                log.say(format!("the watchdog is not fed and may reset the box: {error}"));
                none
            }
        }
    }

    /// The watchdog may be fed until this time after the start of the machine.
    pub(super) fn feed_until(&self, until: Duration) {
        if let Some(feeder) = &self.feeder {
            feeder.feed_until.fetch_max(until.as_secs(), Ordering::Relaxed);
        }
    }

    /// Puts the watchdog to sleep.
    pub(super) fn close(self) {
        if let Some(feeder) = self.feeder {
            drop(feeder.end);
            let _ = feeder.thread.join();
        }
    }
}

impl Feeder {
    fn start(device: File) -> std::io::Result<Self> {
        let feed_until = Arc::new(AtomicU64::new(0));
        let (end, ended) = channel();
        let until = Arc::clone(&feed_until);
        let thread =
            thread::Builder::new().name("watchdog".to_owned()).spawn(move || feed(device, &until, &ended))?;
        Ok(Self { feed_until, end, thread })
    }
}

fn feed(mut device: impl Write, feed_until: &AtomicU64, ended: &Receiver<()>) {
    loop {
        if uptime().as_secs() <= feed_until.load(Ordering::Relaxed) {
            // A watchdog that refuses food bites; there is nothing better to do about it.
            let _ = device.write_all(b"\n");
        }
        if ended.recv_timeout(FEED_EVERY) != Err(RecvTimeoutError::Timeout) {
            let _ = device.write_all(MAGIC_CLOSE);
            return;
        }
    }
}

/// Real firmware writes the board's serial number into the device tree; QEMU, playing a Pi without its firmware, does
/// not, and takes the opening of the watchdog for a reset.
fn is_emulated_pi(device_tree: &Path) -> bool {
    let model = std::fs::read_to_string(device_tree.join("model")).unwrap_or_default();
    model.starts_with("Raspberry Pi") && !device_tree.join("serial-number").exists()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::AtomicU64;
    use std::sync::mpsc::channel;

    use super::{feed, is_emulated_pi};

    #[test]
    fn it_is_fed_until_the_deadline_and_put_to_sleep_at_the_end() {
        for (until, eaten) in [(u64::MAX, &b"\nV"[..]), (0, b"V")] {
            let (end, ended) = channel::<()>();
            drop(end);
            let mut device = Vec::new();
            feed(&mut device, &AtomicU64::new(until), &ended);
            assert_eq!(device, eaten);
        }
    }

    #[test]
    fn a_pi_without_its_firmware_is_an_emulator() {
        let tree = tempfile::tempdir().unwrap();
        assert!(!is_emulated_pi(tree.path()));
        fs::write(tree.path().join("model"), "linux,dummy-virt\0").unwrap();
        assert!(!is_emulated_pi(tree.path()));
        fs::write(tree.path().join("model"), "Raspberry Pi 3 Model B\0").unwrap();
        assert!(is_emulated_pi(tree.path()));
        fs::write(tree.path().join("serial-number"), "00000000abcd1234\0").unwrap();
        assert!(!is_emulated_pi(tree.path()));
    }
}
