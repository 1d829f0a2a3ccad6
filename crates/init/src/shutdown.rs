//! Shutdown: state saved, data partition unmounted, then power-off, restart, or restart with an erased data partition.
//! The children have ended before this, but for one that not even SIGKILL ends.

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

impl Goal {
    /// True if this goal, decided now, takes the place of `pending`. The factory reset comes from ten seconds of holding
    /// the button, the others from less; a shutdown has begun already, so one of these never changes it.
    pub(super) fn replaces(self, pending: Option<Self>) -> bool {
        match pending {
            None => true,
            Some(pending) => self == Self::FactoryReset && pending != Self::FactoryReset,
        }
    }
}

/// Shuts the box down.
pub(super) fn finish(
    goal: Goal,
    log: &Log,
    data: &Data,
    state: Option<&PersistentState>,
    watchdog: Watchdog,
) -> Infallible {
    // Both are on the data partition: before it is erased, saving them is only another way to get stuck.
    let kept = state.filter(|_| goal != Goal::FactoryReset);
    if let Err(error) = kept.map_or(Ok(()), |state| state.save_clock().and(state.save_seed())) {
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

#[cfg(test)]
mod tests {
    use super::Goal::{FactoryReset, PowerOff, Restart};

    #[test]
    fn only_a_factory_reset_changes_a_shutdown_that_has_begun() {
        for goal in [PowerOff, Restart, FactoryReset] {
            assert!(goal.replaces(None));
            assert!(!goal.replaces(Some(FactoryReset)));
        }
        for pending in [PowerOff, Restart] {
            assert!(FactoryReset.replaces(Some(pending)));
            assert!(!PowerOff.replaces(Some(pending)) && !Restart.replaces(Some(pending)));
        }
    }
}
