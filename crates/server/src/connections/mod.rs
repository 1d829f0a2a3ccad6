//! Connections: sockets that accept, their places, and the driver that runs a protocol machine over a stream.
//! No protocol's meaning is known here, but for two files: `machines.rs` names the machines' inputs and outputs, and
//! `rejection.rs` has each protocol's words for "too many connections".

pub(crate) mod driver;
pub(crate) mod listeners;
mod machines;
pub(crate) mod network;
pub(crate) mod places;
pub(crate) mod rejection;
pub(crate) mod service;
