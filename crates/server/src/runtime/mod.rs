//! The means of tasks of every kind: threads that may block, counters, lines from streams, waits, the machine's resources, its clock.

pub(crate) mod blocking;
pub(crate) mod counters;
pub(crate) mod lines;
pub(crate) mod resources;
pub(crate) mod true_clock;
pub(crate) mod tunnel;
pub(crate) mod until;
