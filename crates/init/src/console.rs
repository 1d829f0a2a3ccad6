//! The output to the kernel's consoles, written by a thread of its own, so that a slow or dead serial line delays nothing
//! else. The content is decided elsewhere.
//!
//! A console is a display (`tty1`: HDMI) or a line (`ttyS1`: serial). A display shows the last screen and nothing
//! else, laid out for the size that it has at that moment; before the first screen, and after [`Consoles::end_screen`],
//! it shows log lines. A line gets everything, one after the other.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use pairing::ScreenSize;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::tcgetwinsize;

use super::screen::Screen;
use host::clock::poll_timeout;

/// Messages that wait for a slow line; further ones are dropped.
const QUEUE_LENGTH: usize = 512;
/// The longest wait for a console to take more bytes; after it the rest of the message is dropped.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// Hides the cursor and clears display and scroll-back (ECMA-48 CUP, ED; ED 3 is xterm's and the kernel's).
const CLEAR: &str = "\x1b[?25l\x1b[H\x1b[2J\x1b[3J";

/// A handle to the consoles' thread.
#[derive(Clone, Debug)]
pub(super) struct Consoles {
    messages: SyncSender<Message>,
}

enum Message {
    Line(String),
    Screen(Screen),
    EndScreen,
    Flush(SyncSender<()>),
}

impl Consoles {
    /// Opens every console that `active` (the text of `/sys/class/tty/console/active`) names in `devices` (`/dev`).
    pub(super) fn open(active: &str, devices: &Path) -> io::Result<Self> {
        let mut consoles: Vec<Console<File>> = names(active)
            .filter_map(|name| {
                let nonblocking = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
                let flags = i32::try_from(nonblocking.bits()).ok()?;
                let device =
                    OpenOptions::new().write(true).custom_flags(flags).open(devices.join(name)).ok()?;
                Some(Console::new(kind(name), device))
            })
            .collect();
        let (messages, queue) = sync_channel(QUEUE_LENGTH);
        thread::Builder::new().name("consoles".to_owned()).spawn(move || {
            write_all(&mut consoles, &queue);
        })?;
        Ok(Self { messages })
    }

    /// Consoles that show nothing, for when they cannot be opened.
    pub(super) fn none() -> Self {
        Self { messages: sync_channel(0).0 }
    }

    /// Shows a log line.
    pub(super) fn line(&self, line: String) {
        self.send(Message::Line(line));
    }

    /// Shows a screen in place of the one before.
    pub(super) fn screen(&self, screen: Screen) {
        self.send(Message::Screen(screen));
    }

    /// Lets displays show log lines again.
    pub(super) fn end_screen(&self) {
        self.send(Message::EndScreen);
    }

    /// Waits until everything is written, or `limit` is over.
    pub(super) fn flush(&self, limit: Duration) {
        let (done, wait) = sync_channel(1);
        self.send(Message::Flush(done));
        let _ = wait.recv_timeout(limit);
    }

    fn send(&self, message: Message) {
        match self.messages.try_send(message) {
            // A line that stands still must not stop the box.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

fn write_all<D: Device>(consoles: &mut [Console<D>], messages: &Receiver<Message>) {
    for message in messages {
        match message {
            Message::Flush(done) => drop(done.send(())),
            message => consoles.iter_mut().for_each(|console| console.show(&message)),
        }
    }
}

/// The kind of a console.
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

struct Console<D> {
    kind: Kind,
    device: D,
    showing: bool,
}

impl<D: Device> Console<D> {
    fn new(kind: Kind, device: D) -> Self {
        Self { kind, device, showing: false }
    }

    fn show(&mut self, message: &Message) {
        let text = match (message, self.kind) {
            (Message::Line(_), Kind::Display) if self.showing => return,
            (Message::Line(line), _) => format!("{line}\n"),
            // Without a newline at the end: behind the last line it would scroll the first one away.
            (Message::Screen(screen), Kind::Display) => {
                self.showing = true;
                format!("{CLEAR}{}", screen.for_display(self.device.size()))
            }
            (Message::Screen(screen), Kind::Line) => format!("\n{}\n\n", screen.for_line()),
            (Message::EndScreen, Kind::Display) if self.showing => {
                self.showing = false;
                CLEAR.to_owned()
            }
            (Message::EndScreen | Message::Flush(_), _) => return,
        };
        self.write(text.as_bytes());
    }

    fn write(&mut self, mut rest: &[u8]) {
        while !rest.is_empty() {
            match self.device.write(rest) {
                Ok(0) => return,
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock && self.device.wait(WRITE_TIMEOUT) => {}
                Err(_) => return,
            }
        }
    }
}

/// A terminal that never blocks, but can be waited for.
trait Device: Write {
    /// Waits until it takes more bytes; false after `limit`.
    fn wait(&self, limit: Duration) -> bool;

    /// Its size now.
    fn size(&self) -> ScreenSize;
}

impl Device for File {
    fn wait(&self, limit: Duration) -> bool {
        let mut fds = [PollFd::new(self, PollFlags::OUT)];
        matches!(poll(&mut fds, Some(&poll_timeout(limit))), Ok(1..))
    }

    fn size(&self) -> ScreenSize {
        tcgetwinsize(self)
            .map_or(ScreenSize::DEFAULT, |size| ScreenSize::of_terminal(size.ws_col, size.ws_row))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pairing::ScreenSize;

    use super::{CLEAR, Console, Device, Kind, Message, Screen, kind, names};

    impl Device for Vec<u8> {
        fn wait(&self, _: Duration) -> bool {
            false
        }

        fn size(&self) -> ScreenSize {
            ScreenSize::of_terminal(6, 5)
        }
    }

    fn shown(kind: Kind, messages: &[Message]) -> String {
        let mut console = Console::new(kind, Vec::new());
        messages.iter().for_each(|message| console.show(message));
        String::from_utf8(console.device).unwrap()
    }

    fn story() -> [Message; 5] {
        [
            Message::Line("one".to_owned()),
            Message::Screen(Screen::Text("QR\n\n".to_owned())),
            Message::Line("two".to_owned()),
            Message::EndScreen,
            Message::Line("three".to_owned()),
        ]
    }

    #[test]
    fn a_display_shows_only_the_screen_in_its_middle_while_there_is_one() {
        assert_eq!(shown(Kind::Display, &story()), format!("one\n{CLEAR}\n\n  QR{CLEAR}three\n"));
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
