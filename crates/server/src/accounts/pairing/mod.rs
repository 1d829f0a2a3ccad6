//! The pairing window of a running server: one task owns the machine and the credentials it minted; the rest of the
//! server sends it commands and watches its view.
//!
//! A code is a name and a password drawn at random, and only a first login with both creates an account: a client that
//! reaches the open window's ports without having seen a code gets none. Each account brings the next code, so a
//! family scans one after another; a few codes before the newest stay valid, for a phone that has just scanned one.

mod handle;
mod mint;
mod task;
#[cfg(test)]
mod tests;

pub(crate) use handle::PairingHandle;
pub(crate) use mint::Credentials;
pub(crate) use task::{PairingTask, Setup, endpoint};
