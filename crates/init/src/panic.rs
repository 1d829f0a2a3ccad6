//! The panic hook: a panic is logged to the disk, and the box restarts in order. The process itself must not end, because
//! the kernel panics without its first process.

use std::panic::PanicHookInfo;
use std::sync::mpsc::{SyncSender, channel};
use std::thread;
use std::time::Duration;

use rustix::fs::sync;
use rustix::system::{RebootCommand, reboot};

use super::event::Event;
use super::log::Log;

/// Time for the consoles to show the reason.
const REBOOT_DELAY: Duration = Duration::from_secs(5);

/// Installs the hook. It never returns, so that no thread unwinds or aborts: a helper's thread stands still and the
/// main one is asked to restart the box; if it is the main one, the box is restarted from here.
pub(super) fn install(log: &Log, events: &SyncSender<Event>) {
    let (log, events) = (log.clone(), events.clone());
    std::panic::set_hook(Box::new(move |panic| {
        write_down(&log, panic);
        let is_main = thread::current().name() == Some("main");
        if is_main || events.send(Event::ThreadPanicked).is_err() {
            log.flush();
            let (_never, pause) = channel::<()>();
            let _ = pause.recv_timeout(REBOOT_DELAY);
            sync();
            let _ = reboot(RebootCommand::Restart);
        }
        loop {
            thread::park();
        }
    }));
}

fn write_down(log: &Log, panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("a nameless thread");
    let line = format!("init panicked in {name}: {panic}").replace('\n', " ");
    log.say(&line);
    log.keep_trouble(&[line]);
}
