//! Events of the program itself: lines from the keyboard, and signals that end it.

use std::io::BufRead;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// An event of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A line was typed.
    Typed(String),
    /// Standard input is closed.
    KeyboardClosed,
    /// SIGINT, SIGTERM or SIGHUP.
    Interrupted,
}

/// The use of standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyboard {
    Read,
    Ignore,
}

/// Starts the threads that send events. A second signal ends the program at once; the kernel ends QEMU with it.
pub(crate) fn listen(keyboard: Keyboard) -> std::io::Result<Receiver<Event>> {
    let (sender, events) = mpsc::channel();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let interrupted = sender.clone();
    thread::spawn(move || {
        for (count, _) in signals.forever().enumerate() {
            if count > 0 || interrupted.send(Event::Interrupted).is_err() {
                std::process::exit(130);
            }
        }
    });
    if keyboard == Keyboard::Read {
        thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(Event::Typed(line.trim().to_owned())).is_err() {
                    return;
                }
            }
            let _ = sender.send(Event::KeyboardClosed);
        });
    }
    Ok(events)
}
