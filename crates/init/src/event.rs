//! The events of a running box: each thread of init sends them into one channel, which the event loop empties.

use std::time::Duration;

use ipc::appliance::ToInit;
use ipc::network::FromNetwork;
use rpi_led::keys::KeyEvent;
use rustix::process::Pid;

/// An event of a running box.
#[derive(Debug)]
pub(super) enum Event {
    /// A message of the server process with this ID.
    Server(Pid, ToInit),
    /// A key moved, at this time since the start of the machine.
    Key(KeyEvent, Duration),
    /// A signal arrived.
    Signal(i32),
    /// A message of the network process with this ID.
    Network(Pid, FromNetwork),
    /// A thread of init panicked and stands still.
    ThreadPanicked,
}
