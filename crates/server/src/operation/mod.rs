//! Operation: how the server is observed and steered by its owner and by `hearth init`, and its periodic tasks.

pub(crate) mod appliance;
pub(crate) mod certificate;
pub(crate) mod control;
pub(crate) mod expiry_task;
pub(crate) mod health;
mod invites;
mod metrics;
pub(crate) mod observed;
pub(crate) mod queue;
pub(crate) mod reachability;
