//! From the lock to unpacked packages. Only the lock's SHA-256s are trusted here.

use super::cache::Cache;
use super::error::Error;
use super::lock::Lock;
use super::mirror::Mirror;
use super::package::Package;
use super::resolve::{Refresh, refresh_lock};
use crate::progress::Progress;

/// All packages of a lock, unpacked.
#[derive(Debug)]
pub struct Packages(Vec<(String, Package)>);

impl Packages {
    /// The first package that an entry of `image/packages.toml` led to.
    ///
    /// # Errors
    ///
    /// [`Error::NotLocked`] if there is none.
    pub fn one(&self, wanted_as: &str) -> Result<&Package, Error> {
        self.all(wanted_as)?.first().copied().ok_or(Error::Bug("an entry without packages"))
    }

    /// All packages that an entry of `image/packages.toml` led to; a kernel may be split in several.
    ///
    /// # Errors
    ///
    /// [`Error::NotLocked`] if there is none.
    pub fn all(&self, wanted_as: &str) -> Result<Vec<&Package>, Error> {
        let all: Vec<_> =
            self.0.iter().filter(|(wanted, _)| wanted == wanted_as).map(|(_, package)| package).collect();
        if all.is_empty() {
            return Err(Error::NotLocked { name: wanted_as.to_owned() });
        }
        Ok(all)
    }

    /// Every package, in the lock's order.
    pub fn iter(&self) -> impl Iterator<Item = &Package> {
        self.0.iter().map(|(_, package)| package)
    }
}

/// The result of [`fetch_or_refresh`].
#[derive(Debug)]
pub struct Fetched {
    /// The packages.
    pub packages: Packages,
    /// The lock they came from.
    pub lock: Lock,
    /// The origin of that lock.
    pub origin: LockOrigin,
}

/// The origin of a build's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockOrigin {
    /// The lock that was given.
    Given,
    /// A new lock, because the mirror no longer had a package of the given one. It belongs beside the image.
    Refreshed,
}

/// Obtains every package of the lock, from the cache or the mirror, and unpacks it.
///
/// # Errors
///
/// [`Error::Dropped`] if the mirror no longer has a locked version; errors of cache, mirror and packages.
pub fn fetch_all(
    lock: &Lock,
    mirror: &Mirror,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<Packages, Error> {
    // Everything is downloaded before anything is unpacked, so that a dropped version shows early.
    let mut debs = Vec::new();
    for locked in &lock.packages {
        debs.push((locked, cache.obtain(locked, mirror, progress)?));
    }
    let mut packages = Vec::new();
    for (locked, deb) in debs {
        progress.begin(&format!("unpacking {}", locked.name), None);
        let package = Package::unpack(&locked.name, &locked.version, &deb);
        progress.end();
        packages.push((locked.wanted_as.clone(), package?));
    }
    Ok(Packages(packages))
}

/// As [`fetch_all`]; if the mirror has dropped a locked version, a new lock is made, with its signatures checked, and used.
///
/// # Errors
///
/// As [`fetch_all`] and [`refresh_lock`].
pub fn fetch_or_refresh(
    lock: Lock,
    refresh: &Refresh<'_>,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<Fetched, Error> {
    match fetch_all(&lock, refresh.mirror, cache, progress) {
        Ok(packages) => Ok(Fetched { packages, lock, origin: LockOrigin::Given }),
        Err(dropped @ Error::Dropped { .. }) => {
            progress.note(&format!(
                "{dropped}. For now this build takes the newer one, checked by Debian's signature"
            ));
            let lock = refresh_lock(&Refresh { previous: Some(&lock), ..*refresh }, progress)?;
            let packages = fetch_all(&lock, refresh.mirror, cache, progress)?;
            Ok(Fetched { packages, lock, origin: LockOrigin::Refreshed })
        }
        Err(other) => Err(other),
    }
}
