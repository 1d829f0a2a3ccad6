//! Shutdown: state saved, data partition unmounted, then power-off, restart, or restart with an erased data partition.
//! The children have ended before this.

use std::convert::Infallible;
use std::path::Path;
use std::sync::mpsc::channel;

use rustix::fs::sync;
use rustix::system::{RebootCommand, reboot};

use super::disk::data::{self, Data};
use super::log::Log;
use super::persistent_state::PersistentState;
use super::watchdog::Watchdog;

/// The purpose of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Power-off.
    PowerOff,
    /// Restart.
    Restart,
    /// Restart as a new box: the data partition is erased.
    FactoryReset,
}

/// Shuts the box down.
pub(super) fn finish(
    goal: Goal,
    log: &Log,
    data: &Data,
    state: Option<&PersistentState>,
    watchdog: Watchdog,
) -> Infallible {
    let kept = state.map_or(Ok(()), |state| state.save_clock().and(state.save_seed()));
    if let Err(error) = kept {
        log.say(format!("time and seed cannot be kept: {error}"));
    }
    log.close_file();
    sync();
    if !matches!(data, Data::Absent { .. })
        && let Err(error) = data::unmount_data()
    {
        log.say(format!("the data partition cannot be unmounted: {error}"));
    }
    if goal == Goal::FactoryReset {
        match data.device() {
            Some(device) => erase(device, log),
            None => log.say("nothing is erased: there is no data partition"),
        }
    }
    watchdog.close();
    let (command, words) = match goal {
        Goal::PowerOff => (RebootCommand::PowerOff, "switched off"),
        Goal::Restart | Goal::FactoryReset => (RebootCommand::Restart, "restarting"),
    };
    log.say(words);
    log.flush();
    sync();
    if let Err(error) = reboot(command) {
        log.say(format!("the kernel refuses: {error}; pull the plug, everything is safe"));
    }
    // Nothing is left to do, and the first process must not end.
    let (_never, for_ever) = channel::<()>();
    loop {
        let _ = for_ever.recv();
    }
}

fn erase(device: &Path, log: &Log) {
    match data::invalidate(device, log) {
        Ok(()) => log.say("everything is erased"),
        Err(error) => log.say(format!("the data partition cannot be erased: {error}")),
    }
}
