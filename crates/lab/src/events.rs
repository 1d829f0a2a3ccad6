//! What can happen to the program itself: lines from the keyboard, and signals to end.

use std::io::BufRead;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// One such thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A line was typed.
    Typed(String),
    /// There is no keyboard, or it is gone.
    KeyboardClosed,
    /// Ctrl-C, or a polite request to end.
    Interrupted,
}

/// Whether to read the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyboard {
    Read,
    Leave,
}

/// Starts to listen. A second interruption ends the program at once; the kernel ends QEMU with it.
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
