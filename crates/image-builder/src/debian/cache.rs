//! The directory of downloaded packages. A file's digest is checked whenever it is used.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::download::{Download, Size};
use super::error::Error;
use super::lock::LockedPackage;
use super::mirror::Mirror;
use crate::digest::sha256_hex;
use crate::pending_file::PendingFile;
use crate::progress::Progress;

/// Environment variable with the directory for everything that can be downloaded again.
pub(super) const ENV_CACHE: &str = "HEARTH_CACHE";

/// Downloaded packages, kept between builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// `$HEARTH_CACHE`, else `$XDG_CACHE_HOME/hearth`, else `~/.cache/hearth`; packages are in `debs` below it.
    ///
    /// # Errors
    ///
    /// [`Error::NoCache`] if the environment names none of them.
    pub fn find() -> Result<Self, Error> {
        Self::choose(|name| std::env::var_os(name))
    }

    /// A cache in a given directory, which is made when it is needed.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The directory.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn choose(environment: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let folder = |name| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = folder(ENV_CACHE)
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("hearth")))
            .or_else(|| folder("HOME").map(|home| home.join(".cache/hearth")));
        Ok(Self { folder: base.ok_or(Error::NoCache)?.join("debs") })
    }

    /// The bytes of a locked package: from the directory if they are there and undamaged, else from the mirror.
    pub(super) fn obtain(
        &self,
        package: &LockedPackage,
        mirror: &Mirror,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>, Error> {
        let place = self.folder.join(package.file_name());
        match fs::read(&place) {
            Ok(bytes) if check(package, &bytes).is_ok() => return Ok(bytes),
            Ok(_) => progress.note(&format!("{} is damaged and is downloaded again", place.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::File { doing: "read", path: place, source }),
        }
        let bytes = download(package, mirror, progress)?;
        check(package, &bytes)?;
        PendingFile::write(&place, &bytes).map_err(|source| Error::File {
            doing: "write",
            path: place,
            source,
        })?;
        Ok(bytes)
    }
}

fn download(package: &LockedPackage, mirror: &Mirror, progress: &dyn Progress) -> Result<Vec<u8>, Error> {
    let step =
        Download { name: format!("{} {}", package.name, package.version), size: Size::Exactly(package.size) };
    let result = mirror.get(package.archive, &package.path, &step, progress);
    result.map_err(|error| match error {
        Error::NotFound { .. } => {
            Error::Dropped { package: package.name.clone(), version: package.version.clone() }
        }
        Error::NoSecurityMirror { .. } => Error::NoSecurityMirror { package: package.name.clone() },
        other => other,
    })
}

fn check(package: &LockedPackage, bytes: &[u8]) -> Result<(), Error> {
    let found = sha256_hex(bytes);
    if bytes.len() as u64 == package.size && found == package.sha256 {
        return Ok(());
    }
    let what = format!("the package {} {}", package.name, package.version);
    Err(Error::Hash { what, expected: package.sha256.clone(), found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::lock::tests::locked;
    use crate::progress::Quiet;

    fn setting() -> (tempfile::TempDir, Cache, Mirror, LockedPackage) {
        let folder = tempfile::tempdir().unwrap();
        let package = locked("tiny", b"content");
        let file = folder.path().join("mirror").join(&package.path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, b"content").unwrap();
        let mirror = Mirror::at(&format!("file://{}/mirror", folder.path().display()), None).unwrap();
        let cache = Cache::at(folder.path().join("cache/debs"));
        (folder, cache, mirror, package)
    }

    fn remove_from_mirror(folder: &tempfile::TempDir, package: &LockedPackage) {
        fs::remove_file(folder.path().join("mirror").join(&package.path)).unwrap();
    }

    #[test]
    fn the_second_time_no_mirror_is_needed() {
        let (folder, cache, mirror, package) = setting();
        assert_eq!(cache.obtain(&package, &mirror, &Quiet).unwrap(), b"content");
        remove_from_mirror(&folder, &package);
        assert_eq!(cache.obtain(&package, &mirror, &Quiet).unwrap(), b"content");
    }

    #[test]
    fn a_damaged_file_is_downloaded_again() {
        let (folder, cache, mirror, package) = setting();
        cache.obtain(&package, &mirror, &Quiet).unwrap();
        for damage in [&b"contenT"[..], b"conten", b""] {
            fs::write(cache.folder().join(package.file_name()), damage).unwrap();
            assert_eq!(cache.obtain(&package, &mirror, &Quiet).unwrap(), b"content");
        }
        fs::write(cache.folder().join(package.file_name()), b"contenT").unwrap();
        remove_from_mirror(&folder, &package);
        assert!(matches!(cache.obtain(&package, &mirror, &Quiet), Err(Error::Dropped { .. })));
    }

    #[test]
    fn what_a_mirror_tampered_with_is_refused_and_not_kept() {
        let (folder, cache, mirror, package) = setting();
        for content in [&b"CONTENT"[..], b"conte", b"content and more"] {
            fs::write(folder.path().join("mirror").join(&package.path), content).unwrap();
            let error = cache.obtain(&package, &mirror, &Quiet).unwrap_err();
            assert!(matches!(error, Error::Hash { .. } | Error::TooLarge { .. }), "{error}");
            assert!(fs::read_dir(cache.folder()).map_or(true, |mut all| all.next().is_none()));
        }
    }

    #[test]
    fn a_version_the_mirror_dropped_names_the_command() {
        let (folder, cache, mirror, package) = setting();
        remove_from_mirror(&folder, &package);
        let message = cache.obtain(&package, &mirror, &Quiet).unwrap_err().to_string();
        assert!(message.contains("scripts/image --refresh-lock"), "{message}");
    }

    #[test]
    fn the_folder_follows_the_environment() {
        let with = |all: &'static [(&str, &str)]| {
            Cache::choose(move |name| all.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
        };
        assert_eq!(with(&[("HOME", "/h")]).unwrap().folder(), Path::new("/h/.cache/hearth/debs"));
        assert_eq!(
            with(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]).unwrap().folder(),
            Path::new("/c/hearth/debs")
        );
        assert_eq!(with(&[("HOME", "/h"), ("HEARTH_CACHE", "/x")]).unwrap().folder(), Path::new("/x/debs"));
        assert!(matches!(with(&[("HOME", "")]), Err(Error::NoCache)));
    }
}
