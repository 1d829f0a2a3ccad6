//! The events of a running box: each thread of init sends them into one channel, which the event loop empties.
//!
//! The channel is bounded: a child process that floods init with messages fills its own pipe and stands still, where an
//! unbounded channel would fill the memory.

use std::time::Duration;

use ipc::appliance::ToInit;
use ipc::network::FromNetwork;
use rpi_led::keys::KeyEvent;
use rustix::process::Pid;

use super::network_process::Role;

/// Events that wait for the event loop; senders wait while there are so many. The loop looks at the button's time after
/// as many events at the latest.
pub(super) const QUEUE_LENGTH: usize = 256;

/// An event of a running box.
#[derive(Debug)]
pub(super) enum Event {
    /// A message of the server process with this ID.
    Server(Pid, ToInit),
    /// A key moved, at this time since the start of the machine.
    Key(KeyEvent, Duration),
    /// A signal arrived.
    Signal(i32),
    /// A message of the network process with this task and this ID.
    Network(Role, Pid, FromNetwork),
    /// A thread of init panicked and stands still.
    ThreadPanicked,
}
