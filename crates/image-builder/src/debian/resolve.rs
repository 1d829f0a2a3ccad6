//! Makes the lock: downloads release files and the indexes whose digests they hold, and picks the newest version of every
//! wanted package. The only place where signatures are checked.

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
use super::release::{IndexDigest, Release};
use super::version;
use super::wanted::{Wanted, WantedPackage};
use crate::digest::sha256_hex;
use crate::progress::Progress;

/// The inputs of a new lock.
#[derive(Debug, Clone, Copy)]
pub struct Refresh<'a> {
    /// The entries of `image/packages.toml`.
    pub wanted: &'a Wanted,
    /// The keys of `image/keys/debian-archive-trixie.asc`.
    pub keys: &'a Keyring,
    /// The mirrors.
    pub mirror: &'a Mirror,
    /// The lock to replace; no package and no release file may become older.
    pub previous: Option<&'a Lock>,
    /// The current time, against which release files must be fresh.
    pub now: SystemTime,
}

/// Makes a lock of the newest versions.
///
/// Without a mirror of the security archive the lock is made of the other suites, with a note to `progress`.
///
/// # Errors
///
/// Anything that is not signed, not fresh or not there; a version older than the one in the previous lock.
pub fn refresh_lock(refresh: &Refresh<'_>, progress: &dyn Progress) -> Result<Lock, Error> {
    let mut index = MirrorIndex {
        refresh,
        progress,
        releases: BTreeMap::new(),
        left_out: BTreeSet::new(),
        candidates: BTreeMap::new(),
    };
    let mut packages = Vec::new();
    for wanted in &refresh.wanted.packages {
        packages.extend(index.resolve(wanted)?);
    }
    packages.sort();
    packages.dedup();
    let used: BTreeSet<&str> = packages.iter().map(|package| package.suite.as_str()).collect();
    let releases: Vec<LockedRelease> = index
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

/// Release files and indexes of the mirror, each downloaded when it is first needed.
struct MirrorIndex<'a> {
    refresh: &'a Refresh<'a>,
    progress: &'a dyn Progress,
    releases: BTreeMap<String, KnownRelease>,
    /// Suites without a known mirror, of which `progress` has been notified.
    left_out: BTreeSet<String>,
    candidates: BTreeMap<Origin, Vec<Candidate>>,
}

/// A release file whose signature is good.
struct KnownRelease {
    release: Release,
    locked: LockedRelease,
}

impl MirrorIndex<'_> {
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

    /// The wanted packages of an index; `None` if no mirror of the suite is known, of which `progress` has been notified.
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
        let digest = known.release.index_digest(&compressed).ok_or_else(lacks)?;
        let limit =
            known.release.index_digest(&path).map_or(MAX_INDEX_SIZE, |plain| plain.size.min(MAX_INDEX_SIZE));
        let by_hash = known.release.by_hash.then(|| {
            let folder = compressed.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/by-hash/SHA256/{}", digest.sha256)
        });
        let bytes = self.download(origin, &compressed, by_hash.as_deref(), &digest)?;
        unpack_index(&format!("the index of {}/{}", origin.suite, origin.component), &bytes, limit).map(Some)
    }

    /// Downloads an index, by its digest if the archive supports that: while a mirror is updated, the plain name may already
    /// be the next version of the file.
    fn download(
        &self,
        origin: &Origin,
        path: &str,
        by_hash: Option<&str>,
        digest: &IndexDigest,
    ) -> Result<Vec<u8>, Error> {
        if digest.size > MAX_INDEX_SIZE {
            return Err(Error::TooLarge {
                what: format!("{path} of {}", origin.suite),
                limit: MAX_INDEX_SIZE,
            });
        }
        let name = format!("packages of {}/{}", origin.suite, origin.component);
        let step = Download { name, size: Size::Exactly(digest.size) };
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
        if found != digest.sha256 {
            let what = format!("{path} of {}", origin.suite);
            return Err(Error::Hash { what, expected: digest.sha256.clone(), found });
        }
        Ok(bytes)
    }

    /// The release file of a suite, after its signature was checked.
    fn release(&mut self, suite: &str, archive: Archive) -> Result<Option<&KnownRelease>, Error> {
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
            let step =
                Download { name: format!("release file of {suite}"), size: Size::AtMost(MAX_RELEASE_SIZE) };
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
            self.releases.insert(suite.to_owned(), KnownRelease { release, locked });
        }
        Ok(self.releases.get(suite))
    }
}

/// The suites in which an entry is searched: a bare codename has updates and security updates, any other stands alone.
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

/// The packages that a metapackage depends on, directly or not, as far as their names begin with one of `prefixes`; a
/// breadth-first walk. Fails with the name of a package that no suite has.
///
/// This is no solver: a dependency of which some alternatives lie outside of the prefixes is left alone, and so are
/// conflicts. The kernel's metapackages depend on exact versions of packages that have no choice.
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
            // `a | b` with only `a` among the prefixes may be satisfied by `b`, which is not on the card's list.
            let Some(first) = followed.first().filter(|_| followed.len() == alternatives.len()) else {
                continue;
            };
            let next =
                followed.iter().find_map(|one| newest(offered, one)).ok_or_else(|| first.name.clone())?;
            // Dependencies may be circular, also back to the metapackage itself.
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
    let stream = liblzma::stream::Stream::new_stream_decoder(MAX_XZ_MEMORY, liblzma::stream::CONCATENATED)
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

/// Refuses a lock with an older release file or package than `previous`, which an outdated or a hostile mirror would give.
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

/// In bytes; Debian's have 150 KB.
const MAX_RELEASE_SIZE: u64 = 4 << 20;
/// In bytes, uncompressed; that of trixie's `main` has 50 MB.
const MAX_INDEX_SIZE: u64 = 512 << 20;
/// In bytes, for the decoder; `xz -9` needs 65 MiB.
const MAX_XZ_MEMORY: u64 = 256 << 20;
