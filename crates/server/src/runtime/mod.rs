//! What tasks of every kind use: threads that may block, counters, the lifetime of tasks, the machine's resources.

pub(crate) mod blocking;
pub(crate) mod counters;
pub(crate) mod lines;
pub(crate) mod resources;
pub(crate) mod tasks;
