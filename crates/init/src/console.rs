//! The screens of the box: every console of the kernel, written by one thread so that a slow or dead line delays
//! nobody. What is shown is decided elsewhere.
//!
//! A console is a display (`tty1`: HDMI) or a line (`ttyS1`: serial). A display shows the last screen and nothing
//! else; before the first screen, and after [`Consoles::end_screen`], it shows log lines. A line gets everything, one
//! after the other.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::time::timespec;

/// Things to show that may wait for a slow line; further ones are dropped.
const QUEUE: usize = 512;
/// A console that takes nothing for so long loses the rest of what it was to show.
const PATIENCE: Duration = Duration::from_secs(2);
/// Clears display and scroll-back, hides the cursor.
const CLEAR: &str = "\x1b[?25l\x1b[H\x1b[2J\x1b[3J";

/// The way to the consoles.
#[derive(Clone, Debug)]
pub(super) struct Consoles {
    orders: SyncSender<Order>,
}

enum Order {
    Line(String),
    Screen(String),
    EndScreen,
    Flush(SyncSender<()>),
}

impl Consoles {
    /// Opens every console that `active` (the text of `/sys/class/tty/console/active`) names in `devices` (`/dev`).
    pub(super) fn open(active: &str, devices: &Path) -> io::Result<Self> {
        let mut screens: Vec<Screen<File>> = names(active)
            .filter_map(|name| {
                let nonblocking = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
                let flags = i32::try_from(nonblocking.bits()).ok()?;
                let device =
                    OpenOptions::new().write(true).custom_flags(flags).open(devices.join(name)).ok()?;
                Some(Screen::new(kind(name), device))
            })
            .collect();
        let (orders, queue) = sync_channel(QUEUE);
        thread::Builder::new().name("consoles".to_owned()).spawn(move || {
            write_all(&mut screens, &queue);
        })?;
        Ok(Self { orders })
    }

    /// Consoles that show nothing, for when they cannot be opened.
    pub(super) fn none() -> Self {
        Self { orders: sync_channel(0).0 }
    }

    /// Shows a log line.
    pub(super) fn line(&self, line: String) {
        self.send(Order::Line(line));
    }

    /// Shows a screen in place of the one before.
    pub(super) fn screen(&self, text: String) {
        self.send(Order::Screen(text));
    }

    /// Lets displays show log lines again.
    pub(super) fn end_screen(&self) {
        self.send(Order::EndScreen);
    }

    /// Waits until everything is written, or `limit` is over.
    pub(super) fn flush(&self, limit: Duration) {
        let (done, wait) = sync_channel(1);
        self.send(Order::Flush(done));
        let _ = wait.recv_timeout(limit);
    }

    fn send(&self, order: Order) {
        match self.orders.try_send(order) {
            // A line that stands still must not stop the box.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

fn write_all<W: Write + Patient>(screens: &mut [Screen<W>], orders: &Receiver<Order>) {
    for order in orders {
        match order {
            Order::Flush(done) => drop(done.send(())),
            order => screens.iter_mut().for_each(|screen| screen.show(&order)),
        }
    }
}

/// What a console is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Display,
    Line,
}

/// The consoles' names, most important first, none twice.
fn names(active: &str) -> impl Iterator<Item = &str> {
    let plain = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut names: Vec<&str> = active.split_ascii_whitespace().filter(plain).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter()
}

/// Virtual terminals are `tty` and a number; everything else is a line.
fn kind(name: &str) -> Kind {
    match name.strip_prefix("tty") {
        Some(number) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            Kind::Display
        }
        _ => Kind::Line,
    }
}

struct Screen<W> {
    kind: Kind,
    device: W,
    showing: bool,
}

impl<W: Write + Patient> Screen<W> {
    fn new(kind: Kind, device: W) -> Self {
        Self { kind, device, showing: false }
    }

    fn show(&mut self, order: &Order) {
        let text = match (order, self.kind) {
            (Order::Line(_), Kind::Display) if self.showing => return,
            (Order::Line(line), _) => format!("{line}\n"),
            (Order::Screen(text), Kind::Display) => {
                self.showing = true;
                format!("{CLEAR}{}\n", text.trim_end())
            }
            (Order::Screen(text), Kind::Line) => format!("\n{}\n\n", text.trim_end()),
            (Order::EndScreen, Kind::Display) if self.showing => {
                self.showing = false;
                CLEAR.to_owned()
            }
            (Order::EndScreen | Order::Flush(_), _) => return,
        };
        self.write(text.as_bytes());
    }

    fn write(&mut self, mut rest: &[u8]) {
        while !rest.is_empty() {
            match self.device.write(rest) {
                Ok(0) => return,
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.device.wait(PATIENCE) => {}
                Err(_) => return,
            }
        }
    }
}

/// Something that may be full for a while.
trait Patient {
    /// Waits until it takes more; false when it did not.
    fn wait(&self, limit: Duration) -> bool;
}

impl Patient for File {
    fn wait(&self, limit: Duration) -> bool {
        let mut fds = [PollFd::new(self, PollFlags::OUT)];
        matches!(poll(&mut fds, Some(&timespec(limit))), Ok(1..))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CLEAR, Kind, Order, Patient, Screen, kind, names};

    impl Patient for Vec<u8> {
        fn wait(&self, _: Duration) -> bool {
            false
        }
    }

    fn shown(kind: Kind, orders: &[Order]) -> String {
        let mut screen = Screen::new(kind, Vec::new());
        orders.iter().for_each(|order| screen.show(order));
        String::from_utf8(screen.device).unwrap()
    }

    fn story() -> [Order; 5] {
        [
            Order::Line("one".to_owned()),
            Order::Screen("QR\n\n".to_owned()),
            Order::Line("two".to_owned()),
            Order::EndScreen,
            Order::Line("three".to_owned()),
        ]
    }

    #[test]
    fn a_display_shows_only_the_screen_while_there_is_one() {
        assert_eq!(shown(Kind::Display, &story()), format!("one\n{CLEAR}QR\n{CLEAR}three\n"));
    }

    #[test]
    fn a_line_gets_everything_in_plain_text() {
        assert_eq!(shown(Kind::Line, &story()), "one\n\nQR\n\ntwo\nthree\n");
    }

    #[test]
    fn the_consoles_are_told_apart_by_name() {
        let found: Vec<_> = names("tty1 ttyS1 ../sda tty1\n").map(|name| (name, kind(name))).collect();
        assert_eq!(found, [("tty1", Kind::Display), ("ttyS1", Kind::Line)]);
        assert_eq!(kind("ttyAMA0"), Kind::Line);
        assert_eq!(kind("hvc0"), Kind::Line);
        assert_eq!(kind("tty"), Kind::Line);
    }
}
