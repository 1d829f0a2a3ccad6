//! Debian's packages, from an untrusted mirror to files in memory.
//!
//! ```text
//!  mirror ──> InRelease ──signature by a pinned key──> Packages.xz ──SHA-256──> image/debs.lock
//!                                                                                    │
//!  cache  <── .deb <──────────────────── SHA-256 from the lock ──────────────────────┘
//!    └──> Package (its files, in memory)
//! ```
//!
//! [`refresh_lock`] is the only place where a signature is checked; a build trusts the lock's SHA-256s and nothing else.
//! Nothing out of a package is run, nothing is written outside of the cache, no mirror's name stands here, and the time is
//! an argument.
//!
//! `ar`, deb822 and the order of versions are code of our own: a page each, on bytes in memory and under limits, so that a
//! dependency would save little.

mod apt;
mod ar;
mod ca_certificates;
mod cache;
mod date;
mod deb822;
mod download;
mod error;
mod fetch;
mod index;
mod kernel;
mod keyring;
mod lock;
mod mirror;
mod package;
mod proxy;
mod release;
mod resolve;
mod version;
mod wanted;

pub use crate::progress::{Progress, Quiet};
pub use ca_certificates::ca_bundle;
pub use cache::Cache;
pub use error::Error;
pub use fetch::{Fetched, LockOrigin, Packages, fetch_all, fetch_or_refresh};
pub use kernel::Kernel;
pub use keyring::Keyring;
pub use lock::{Archive, Lock, LockedPackage, LockedRelease};
pub use mirror::{ENV_MIRROR, ENV_SECURITY_MIRROR, Mirror, MirrorSettings};
pub use package::Package;
pub use resolve::{Refresh, refresh_lock};
pub use wanted::{Wanted, WantedPackage};

#[cfg(test)]
pub(crate) mod tests;
