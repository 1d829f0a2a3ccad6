//! The commands, one a file: each asks a library or the running server, and prints the answer for people or as JSON.

pub(crate) mod check;
mod control_client;
pub(crate) mod dns;
pub(crate) mod invite;
pub(crate) mod name;
pub(crate) mod network_check;
pub(crate) mod owner_file;
pub(crate) mod pair;
pub(crate) mod queue;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod store;
mod words;
