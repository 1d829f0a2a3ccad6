//! Makes the lock: asks the mirror for signed release files and for the indexes they vouch for,
//! and picks the newest version of every wanted package. The only place where signatures decide.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Read;
use std::time::SystemTime;

use super::download::{Download, Size};
use super::error::Error;
use super::index::{Candidate, Dependency, Origin, candidates, newest};
use super::keyring::Keyring;
use super::lock::{Archive, Lock, LockedPackage, LockedRelease};
use super::mirror::Mirror;
use super::release::{Promise, Release};
use super::version;
use super::wanted::{Wanted, WantedPackage};
use crate::digest::sha256_hex;
use crate::progress::Progress;

/// What a new lock is made from.
#[derive(Debug, Clone, Copy)]
pub struct Refresh<'a> {
    /// `image/packages.toml`.
    pub wanted: &'a Wanted,
    /// `image/keys/debian-archive-trixie.asc`.
    pub keys: &'a Keyring,
    /// Whom to ask.
    pub mirror: &'a Mirror,
    /// The lock as it was, so that no mirror can lead back to an older version.
    pub previous: Option<&'a Lock>,
    /// The time, for release files that are only valid for some days.
    pub now: SystemTime,
}

/// Makes a lock of the newest versions.
///
/// Without a mirror of the security archive the lock is made all the same, and the progress is told.
///
/// # Errors
///
/// Anything that is not signed, not fresh or not there; a version older than the one in the previous lock.
pub fn refresh_lock(refresh: &Refresh<'_>, progress: &dyn Progress) -> Result<Lock, Error> {
    let mut offers = Offers {
        refresh,
        progress,
        releases: BTreeMap::new(),
        left_out: BTreeSet::new(),
        candidates: BTreeMap::new(),
    };
    let mut packages = Vec::new();
    for wanted in &refresh.wanted.packages {
        packages.extend(offers.resolve(wanted)?);
    }
    packages.sort();
    packages.dedup();
    let used: BTreeSet<&str> = packages.iter().map(|package| package.suite.as_str()).collect();
    let releases: Vec<LockedRelease> = offers
        .releases
        .values()
        .map(|known| &known.locked)
        .filter(|r| used.contains(r.suite.as_str()))
        .cloned()
        .collect();
    let lock = Lock {
        format: Lock::FORMAT,
        source_date_epoch: releases.iter().map(|release| release.unix_time).max().unwrap_or_default(),
        architecture: refresh.wanted.architecture.clone(),
        releases,
        packages,
    };
    if let Some(previous) = refresh.previous {
        refuse_older(previous, &lock, refresh.mirror)?;
    }
    Ok(lock)
}

/// What the mirror has, read when it is first asked for.
struct Offers<'a> {
    refresh: &'a Refresh<'a>,
    progress: &'a dyn Progress,
    releases: BTreeMap<String, Known>,
    /// Suites that cannot be asked for, about which the person has been told.
    left_out: BTreeSet<String>,
    candidates: BTreeMap<Origin, Vec<Candidate>>,
}

/// A release file with a good signature.
struct Known {
    release: Release,
    locked: LockedRelease,
}

impl Offers<'_> {
    /// The packages that one entry of the list leads to.
    fn resolve(&mut self, wanted: &WantedPackage) -> Result<Vec<LockedPackage>, Error> {
        let mut offered = Vec::new();
        let mut places = Vec::new();
        for origin in origins(wanted) {
            if let Some(candidates) = self.read(&origin)? {
                offered.extend(candidates.iter().cloned());
                places.push(format!("{}/{}", origin.suite, origin.component));
            }
        }
        let missing = |name: &str| Error::NoSuchPackage {
            name: name.to_owned(),
            architecture: self.refresh.wanted.architecture.clone(),
            places: places.join(", "),
        };
        let first = Dependency { name: wanted.name.clone(), version: None };
        let found = newest(&offered, &first).ok_or_else(|| missing(&wanted.name))?;
        let mut chosen = match wanted.follow.as_slice() {
            [] => vec![found.package.clone()],
            prefixes => follow(found, prefixes, &offered).map_err(|name| missing(&name))?,
        };
        for package in &mut chosen {
            package.wanted_as.clone_from(&wanted.name);
            let bad = |field| {
                let what = format!("the index of {}/{}", package.suite, package.component);
                Error::malformed(what, format!("the {field} of {} cannot be one", package.name))
            };
            package.check().map_err(bad)?;
        }
        Ok(chosen)
    }

    /// What an index offers of all that is wanted; `None` when there is no such suite, which is said, and is no error.
    fn read(&mut self, origin: &Origin) -> Result<Option<&[Candidate]>, Error> {
        if !self.candidates.contains_key(origin) {
            let Some(text) = self.read_index(origin)? else { return Ok(None) };
            let wanted = self.refresh.wanted;
            let is_wanted = |name: &str| {
                let prefixes =
                    |package: &WantedPackage| package.follow.iter().any(|prefix| name.starts_with(prefix));
                wanted.packages.iter().any(|package| package.name == name || prefixes(package))
            };
            let all = candidates(&text, origin, &wanted.architecture, is_wanted)?;
            self.candidates.insert(origin.clone(), all);
        }
        Ok(self.candidates.get(origin).map(Vec::as_slice))
    }

    fn read_index(&mut self, origin: &Origin) -> Result<Option<String>, Error> {
        let architecture = &self.refresh.wanted.architecture;
        let path = format!("{}/binary-{architecture}/Packages", origin.component);
        let Some(known) = self.release(&origin.suite, origin.archive)? else { return Ok(None) };
        let compressed = format!("{path}.xz");
        let lacks = || {
            Error::malformed(
                format!("the release file of {}", origin.suite),
                format!("it has no {compressed}"),
            )
        };
        let promise = known.release.promise(&compressed).ok_or_else(lacks)?;
        let limit = known.release.promise(&path).map_or(MAX_INDEX, |plain| plain.size.min(MAX_INDEX));
        let by_hash = known.release.by_hash.then(|| {
            let folder = compressed.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/by-hash/SHA256/{}", promise.sha256)
        });
        let bytes = self.download(origin, &compressed, by_hash.as_deref(), &promise)?;
        unpack_index(&format!("the index of {}/{}", origin.suite, origin.component), &bytes, limit).map(Some)
    }

    /// Asks by hash where the archive knows that, since the plain name may already be the next version of the file.
    fn download(
        &self,
        origin: &Origin,
        path: &str,
        by_hash: Option<&str>,
        promise: &Promise,
    ) -> Result<Vec<u8>, Error> {
        if promise.size > MAX_INDEX {
            return Err(Error::TooLarge { what: format!("{path} of {}", origin.suite), limit: MAX_INDEX });
        }
        let name = format!("packages of {}/{}", origin.suite, origin.component);
        let step = Download { name, size: Size::Exactly(promise.size) };
        let get = |path: &str| {
            let path = format!("dists/{}/{path}", origin.suite);
            self.refresh.mirror.get(origin.archive, &path, &step, self.progress)
        };
        let result = match by_hash.map(get) {
            Some(Err(Error::NotFound { .. })) | None => get(path),
            Some(other) => other,
        };
        let bytes = result?;
        let found = sha256_hex(&bytes);
        if found != promise.sha256 {
            let what = format!("{path} of {}", origin.suite);
            return Err(Error::Hash { what, expected: promise.sha256.clone(), found });
        }
        Ok(bytes)
    }

    /// The release file of a suite, its signature checked.
    fn release(&mut self, suite: &str, archive: Archive) -> Result<Option<&Known>, Error> {
        if !self.releases.contains_key(suite) {
            let refresh = self.refresh;
            if archive == Archive::Security && !refresh.mirror.has_security() {
                if self.left_out.insert(suite.to_owned()) {
                    self.progress.note(&format!(
                        "no mirror of Debian's security archive is known, so {suite} is left out: \
                         pass --security-mirror URL to have security updates as soon as they are made"
                    ));
                }
                return Ok(None);
            }
            let step = Download { name: format!("release file of {suite}"), size: Size::AtMost(MAX_RELEASE) };
            let file =
                refresh.mirror.get(archive, &format!("dists/{suite}/InRelease"), &step, self.progress)?;
            let verified = refresh.keys.verify(suite, &file, refresh.now)?;
            let release = Release::parse(suite, &verified.text, refresh.now)?;
            let locked = LockedRelease {
                suite: suite.to_owned(),
                archive,
                date: release.date.clone(),
                unix_time: release.unix_time,
                inrelease_sha256: sha256_hex(&file),
                signed_by: verified.signed_by,
            };
            self.releases.insert(suite.to_owned(), Known { release, locked });
        }
        Ok(self.releases.get(suite))
    }
}

/// Where an entry is looked for: a bare codename has updates and security updates, another suite stands alone.
fn origins(wanted: &WantedPackage) -> Vec<Origin> {
    let origin = |suite: String, archive| Origin { suite, archive, component: wanted.component.clone() };
    let suite = &wanted.suite;
    if suite.contains('-') {
        return vec![origin(suite.clone(), Archive::Main)];
    }
    vec![
        origin(suite.clone(), Archive::Main),
        origin(format!("{suite}-updates"), Archive::Main),
        origin(format!("{suite}-security"), Archive::Security),
    ]
}

/// Walks from a package without content to those it depends on, as far as their names begin with one of the prefixes.
/// Fails with the name of a package that is not there.
fn follow(
    from: &Candidate,
    prefixes: &[String],
    offered: &[Candidate],
) -> Result<Vec<LockedPackage>, String> {
    let mut chosen: BTreeMap<String, LockedPackage> = BTreeMap::new();
    let mut open = VecDeque::from([from]);
    while let Some(candidate) = open.pop_front() {
        for alternatives in &candidate.depends {
            let followed: Vec<_> = alternatives
                .iter()
                .filter(|one| prefixes.iter().any(|prefix| one.name.starts_with(prefix)))
                .collect();
            // What may also be something that is not followed is not ours to decide.
            let Some(first) = followed.first().filter(|_| followed.len() == alternatives.len()) else {
                continue;
            };
            let next =
                followed.iter().find_map(|one| newest(offered, one)).ok_or_else(|| first.name.clone())?;
            if chosen.contains_key(&next.package.name) || next.package.name == from.package.name {
                continue;
            }
            chosen.insert(next.package.name.clone(), next.package.clone());
            open.push_back(next);
        }
    }
    if chosen.is_empty() {
        return Err(format!("{}...", prefixes.join("..., ")));
    }
    Ok(chosen.into_values().collect())
}

fn unpack_index(what: &str, bytes: &[u8], limit: u64) -> Result<String, Error> {
    let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)
        .map_err(|error| Error::malformed(what, error.to_string()))?;
    let mut text = String::new();
    let decoder = liblzma::read::XzDecoder::new_stream(bytes, stream);
    let read = decoder.take(limit.saturating_add(1)).read_to_string(&mut text);
    read.map_err(Error::io(format!("unpack {what}")))?;
    if text.len() as u64 > limit {
        return Err(Error::TooLarge { what: what.to_owned(), limit });
    }
    Ok(text)
}

/// A mirror that is behind, or one that wants us to keep a hole, must not lead back.
fn refuse_older(previous: &Lock, lock: &Lock, mirror: &Mirror) -> Result<(), Error> {
    for release in &lock.releases {
        let before = previous.releases.iter().find(|before| before.suite == release.suite);
        if let Some(before) = before.filter(|before| before.unix_time > release.unix_time) {
            let why = format!(
                "it is of {}, and image/debs.lock was made from that of {}: this mirror is behind, try another",
                release.date, before.date
            );
            return Err(Error::Outdated { suite: release.suite.clone(), why });
        }
    }
    for package in &lock.packages {
        let before = previous.packages.iter().find(|before| before.wanted_as == package.wanted_as);
        let Some(before) = before else { continue };
        if version::compare(&package.version, &before.version) == Ordering::Less {
            let advice = match mirror.has_security() {
                true => "this mirror is behind, try another",
                false => "pass --security-mirror URL to find the newer one",
            };
            let why = format!(
                "it offers {} {}, and image/debs.lock already has {}: {advice}",
                package.name, package.version, before.version
            );
            return Err(Error::Outdated { suite: package.suite.clone(), why });
        }
    }
    Ok(())
}

const MAX_RELEASE: u64 = 4 << 20;
const MAX_INDEX: u64 = 512 << 20;
const XZ_MEMORY: u64 = 256 << 20;
