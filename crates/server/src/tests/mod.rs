//! The whole server in one process, on ports the kernel chose, with plain scripts as its clients.

mod certificate;
mod guesses;
pub(crate) mod harness;
mod https_delivery;
mod inbound;
mod invites;
mod keys;
mod logins;
mod mail;
mod mailboxes;
mod metrics;
mod name_server;
mod operation;
mod outbound;
mod pairing_window;
mod peer;
mod places;
mod push;
mod queue;
mod reachability;
