//! The events of a running box: each thread of init sends them into one channel, which the event loop empties.
//!
//! The channel is bounded: a child process that floods init with messages fills its own pipe and stands still, where an
//! unbounded channel would fill the memory.
//!
//! Key events have a channel of their own. Behind a full one a release would wait while the countdown to the factory
//! reset goes on, and the events after it would be stamped with the time of their turn instead of their own.

use ipc::appliance::ToInit;
use ipc::network::FromNetwork;
use rustix::process::Pid;

use super::role::Role;

/// Events that wait for the event loop; senders wait while there are so many. The loop looks at keys and button after as
/// many events at the latest.
pub(super) const QUEUE_LENGTH: usize = 256;

/// An event of a running box.
#[derive(Debug)]
pub(super) enum Event {
    /// A message of the server process with this ID.
    Server(Pid, ToInit),
    /// There are key events in their channel.
    KeysMoved,
    /// A signal arrived.
    Signal(i32),
    /// A message of the network process with this task and this ID.
    Network(Role, Pid, FromNetwork),
    /// A thread of init panicked and stands still.
    ThreadPanicked,
}
