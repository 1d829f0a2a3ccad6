//! `image/debs.lock`: the packages of a build, pinned by SHA-256. Written by `refresh_lock` after it has checked signatures,
//! trusted by everything else. The text is stable: the same packages give the same bytes.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::wanted::{Wanted, is_name};
use crate::digest::is_sha256_hex;
use crate::pending_file::PendingFile;

/// The packages of a build, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The format of this file, [`Lock::FORMAT`].
    pub format: u32,
    /// Unix time of the newest release file that a package here comes from, and of every file in an image.
    pub source_date_epoch: u64,
    /// Debian's name of the architecture, `arm64`.
    pub architecture: String,
    /// The release files whose indexes named the packages, sorted by suite.
    #[serde(rename = "release")]
    pub releases: Vec<LockedRelease>,
    /// The packages, sorted by name.
    #[serde(rename = "package")]
    pub packages: Vec<LockedPackage>,
}

/// A release file whose signature was good when the lock was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedRelease {
    /// The suite's codename.
    pub suite: String,
    /// The archive that holds the suite.
    pub archive: Archive,
    /// The `Date` field as written.
    pub date: String,
    /// The `Date` field as Unix time.
    pub unix_time: u64,
    /// SHA-256 of the `InRelease` file.
    pub inrelease_sha256: String,
    /// Fingerprint of the pinned key that made the good signature.
    pub signed_by: String,
}

/// One package: its file on the mirror and that file's digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// The package's name.
    pub name: String,
    /// The entry of `image/packages.toml` that led to the package.
    pub wanted_as: String,
    /// The package's version.
    pub version: String,
    /// The source package it was built from, as the licences ask.
    pub source: String,
    /// The source package's version.
    pub source_version: String,
    /// The suite whose index named it.
    pub suite: String,
    /// The archive that holds the suite.
    pub archive: Archive,
    /// `main` or `non-free-firmware`.
    pub component: String,
    /// The `Filename` field: the path below the mirror's URL.
    pub path: String,
    /// The file's size in bytes.
    pub size: u64,
    /// The file's SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

/// One of Debian's archives, each with mirrors of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Archive {
    /// `debian`: releases and their updates.
    Main,
    /// `debian-security`: security updates.
    Security,
}

impl Lock {
    /// The version of the file's format.
    pub const FORMAT: u32 = 1;

    /// Reads the text of a lock file.
    ///
    /// # Errors
    ///
    /// Text that is not a lock file of this format, or names something that cannot be a package.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = |why: String| Error::malformed(FILE, why);
        if text.len() > MAX_LOCK_SIZE {
            return Err(Error::TooLarge { what: FILE.to_owned(), limit: MAX_LOCK_SIZE as u64 });
        }
        let lock: Self = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
        if lock.format != Self::FORMAT {
            return Err(bad(format!(
                "it has format {}, and this program knows {}",
                lock.format,
                Self::FORMAT
            )));
        }
        for package in &lock.packages {
            package
                .check()
                .map_err(|field| bad(format!("the {field} of `{}` cannot be one", package.name)))?;
        }
        Ok(lock)
    }

    /// Reads a lock file.
    ///
    /// # Errors
    ///
    /// As [`Lock::parse`], or when the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path);
        Self::parse(&text.map_err(|source| Error::File { doing: "read", path: path.to_owned(), source })?)
    }

    /// The text of the file.
    ///
    /// # Errors
    ///
    /// None in practice; writing TOML is fallible by its type.
    pub fn to_toml(&self) -> Result<String, Error> {
        let mut sorted = self.clone();
        sorted.releases.sort();
        sorted.packages.sort();
        let body = toml::to_string(&sorted).map_err(|_| Error::Bug("the lock cannot be written as TOML"))?;
        Ok(format!("{HEADER}\n{body}"))
    }

    /// Writes the file by renaming a temporary one.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let failed = |source| Error::File { doing: "write", path: path.to_owned(), source };
        PendingFile::write(path, self.to_toml()?.as_bytes()).map_err(failed)
    }

    /// Checks that every entry of `image/packages.toml` is locked.
    ///
    /// # Errors
    ///
    /// [`Error::NotLocked`] with the first name that is missing.
    pub fn covers(&self, wanted: &Wanted) -> Result<(), Error> {
        for package in &wanted.packages {
            if !self.packages.iter().any(|locked| locked.wanted_as == package.name) {
                return Err(Error::NotLocked { name: package.name.clone() });
            }
        }
        Ok(())
    }
}

impl LockedPackage {
    /// The file's name in the cache: the digest's beginning makes it unique, the package's name readable.
    pub(super) fn file_name(&self) -> String {
        let hash = self.sha256.get(..16).unwrap_or(&self.sha256);
        format!("{hash}-{}.deb", self.name)
    }

    /// Checks the fields; fails with the name of the first invalid one.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let checks = [
            (is_name(&self.name), "name"),
            (is_name(&self.component), "component"),
            (is_name(&self.suite), "suite"),
            (is_plain_path(&self.path), "path"),
            (self.size <= MAX_DEB_SIZE, "size"),
            (is_sha256_hex(&self.sha256), "SHA-256"),
        ];
        checks.iter().find(|(good, _)| !good).map_or(Ok(()), |(_, field)| Err(*field))
    }
}

/// Whether a path stays inside the archive: relative, without `.`, `..` and empty components, of plain characters. A
/// signed index is no reason to trust its paths.
pub(super) fn is_plain_path(path: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~:-".contains(&byte);
    path.len() <= MAX_PATH_LENGTH
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != ".." && part.bytes().all(allowed))
}

/// In bytes; the kernel's package has 93 MB.
const MAX_DEB_SIZE: u64 = 512 << 20;
const MAX_LOCK_SIZE: usize = 1 << 20;
const MAX_PATH_LENGTH: usize = 1024;
const FILE: &str = "debs.lock";
const HEADER: &str = "\
# Which Debian packages an image is built from. Made by `scripts/image --refresh-lock`, which checks Debian's
# signatures; a build checks only the SHA-256s below. Not to be edited by hand.
";

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::digest::sha256_hex;

    /// A locked package with this content.
    pub(crate) fn locked(name: &str, content: &[u8]) -> LockedPackage {
        LockedPackage {
            name: name.to_owned(),
            wanted_as: name.to_owned(),
            version: "1.0-1".to_owned(),
            source: name.to_owned(),
            source_version: "1.0-1".to_owned(),
            suite: "trixie".to_owned(),
            archive: Archive::Main,
            component: "main".to_owned(),
            path: format!("pool/main/{name}_1.0-1_arm64.deb"),
            size: content.len() as u64,
            sha256: sha256_hex(content),
        }
    }

    /// A lock of these packages.
    pub(crate) fn lock_of(packages: Vec<LockedPackage>) -> Lock {
        Lock {
            format: Lock::FORMAT,
            source_date_epoch: 1_789_199_741,
            architecture: "arm64".to_owned(),
            releases: vec![LockedRelease {
                suite: "trixie".to_owned(),
                archive: Archive::Main,
                date: "Sat, 12 Sep 2026 07:55:41 UTC".to_owned(),
                unix_time: 1_789_199_741,
                inrelease_sha256: sha256_hex(b""),
                signed_by: "00".repeat(20),
            }],
            packages,
        }
    }

    #[test]
    fn the_lock_in_the_repository_is_good() {
        let text = include_str!("../../../../image/debs.lock");
        let lock = Lock::parse(text).unwrap();
        assert_eq!(lock.to_toml().unwrap(), text);
        let wanted = Wanted::parse(include_str!("../../../../image/packages.toml")).unwrap();
        lock.covers(&wanted).unwrap();
        assert_eq!(Some(lock.source_date_epoch), lock.releases.iter().map(|release| release.unix_time).max());
    }

    #[test]
    fn a_lock_comes_back_as_written_and_sorted() {
        let lock = lock_of(vec![locked("b", b"B"), locked("a", b"A")]);
        let text = lock.to_toml().unwrap();
        let back = Lock::parse(&text).unwrap();
        assert_eq!(back.packages, [locked("a", b"A"), locked("b", b"B")]);
        assert_eq!(back.releases, lock.releases);
        assert_eq!(back.to_toml().unwrap(), text);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/debs.lock");
        lock.write(&path).unwrap();
        lock.write(&path).unwrap();
        assert_eq!(Lock::read(&path).unwrap(), back);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_lock_with_an_impossible_field_is_refused() {
        let text = lock_of(vec![locked("a", b"A")]).to_toml().unwrap();
        let hash = sha256_hex(b"A");
        for (from, to) in [
            ("format = 1", "format = 2"),
            ("name = \"a\"", "name = \"../a\""),
            ("pool/main/a_1.0-1_arm64.deb", "pool/../../a.deb"),
            (hash.as_str(), "abc"),
            (hash.as_str(), &hash.to_uppercase()),
            ("size = 1", "size = 99999999999"),
            ("size = 1", "size = -1"),
            ("archive = \"main\"", "archive = \"other\""),
            ("component", "Component"),
        ] {
            let broken = text.replace(from, to);
            assert_ne!(broken, text, "{from}");
            assert!(matches!(Lock::parse(&broken), Err(Error::Malformed { .. })), "{from} -> {to}");
        }
        for end in 0..text.len() {
            let _ = Lock::parse(text.get(..end).unwrap());
        }
    }

    #[test]
    fn what_is_wanted_but_not_locked_names_the_command() {
        let wanted = Wanted::parse(
            "architecture = \"arm64\"\n[[package]]\nname = \"b\"\nsuite = \"trixie\"\ncomponent = \"main\"\nreason = \"r\"\n",
        )
        .unwrap();
        assert!(lock_of(vec![locked("b", b"")]).covers(&wanted).is_ok());
        let message = lock_of(vec![locked("a", b"")]).covers(&wanted).unwrap_err().to_string();
        assert!(message.contains("`b`") && message.contains("--refresh-lock"), "{message}");
    }
}
