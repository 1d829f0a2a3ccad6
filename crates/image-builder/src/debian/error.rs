//! Errors between a mirror and the files of a package.

use std::io;
use std::path::PathBuf;

/// An error of a mirror, a signature, the lock file or a package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither settings, environment nor the host's apt name a mirror.
    #[error(
        "no Debian mirror is known, because this host's apt names none: \
         pass --mirror URL (the address above `dists/` and `pool/`), or set HEARTH_DEBIAN_MIRROR"
    )]
    NoMirror,
    /// The lock names a package of the security archive, and no mirror of that is known.
    #[error(
        "{package} comes from Debian's security archive, and no mirror of that is known: \
         pass --security-mirror URL, or set HEARTH_DEBIAN_SECURITY_MIRROR"
    )]
    NoSecurityMirror {
        /// The package.
        package: String,
    },
    /// The URL of a mirror cannot be used.
    #[error("`{url}` cannot be used as a mirror: {why}")]
    BadUrl {
        /// The URL as given.
        url: String,
        /// The fault, as a clause.
        why: &'static str,
    },
    /// The HTTP transport failed, also after the retries.
    #[error("cannot download {url}: check the network, the proxy settings and --mirror")]
    Network {
        /// The requested URL.
        url: String,
        /// The last attempt's error.
        source: Box<ureq::Error>,
    },
    /// The server answered with an unexpected HTTP status.
    #[error("cannot download {url}: the server answered with status {status}")]
    Status {
        /// The requested URL.
        url: String,
        /// The status code.
        status: u16,
    },
    /// The server answered with 404 or 410.
    #[error("the mirror does not have {url}")]
    NotFound {
        /// The requested URL.
        url: String,
    },
    /// The mirror no longer has the locked version of a package.
    #[error(
        "the mirror no longer has {package} {version}, which image/debs.lock names: \
         Debian has released a newer one. Run `scripts/image --refresh-lock` to take that"
    )]
    Dropped {
        /// The package's name.
        package: String,
        /// The locked version.
        version: String,
    },
    /// A file or an archive's member exceeds its limit.
    #[error("{what} is larger than the {limit} bytes it may have")]
    TooLarge {
        /// The file.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// Reading or decompressing a stream failed.
    #[error("cannot {doing}")]
    Io {
        /// The operation and its object, as an infinitive.
        doing: String,
        /// The operating system's or the decompressor's error.
        source: io::Error,
    },
    /// The SHA-256 of a file is not the expected one.
    #[error(
        "{what} has SHA-256 {found}, but {expected} was promised: it is damaged or has been tampered with"
    )]
    Hash {
        /// The file.
        what: String,
        /// The SHA-256 in the lock or in the release file.
        expected: String,
        /// The SHA-256 of the bytes.
        found: String,
    },
    /// The pinned keys cannot be used.
    #[error("the pinned archive keys cannot be used: {why}")]
    Keys {
        /// The fault.
        why: String,
    },
    /// No signature of the release file is a good one by a pinned key.
    #[error("the release file of {suite} is not to be trusted: {why}")]
    Untrusted {
        /// The requested suite.
        suite: String,
        /// The fault of its signatures.
        why: String,
    },
    /// The release file is expired, from the future, older than the lock's, or that of another suite.
    #[error("the release file of {suite} cannot be used: {why}")]
    Outdated {
        /// The requested suite.
        suite: String,
        /// The fault.
        why: String,
    },
    /// A text or an archive does not follow its format.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// The file.
        what: String,
        /// The fault.
        why: String,
    },
    /// No suite offers the package.
    #[error("no package `{name}` for {architecture} in {places}: see its entry in image/packages.toml")]
    NoSuchPackage {
        /// The package's name.
        name: String,
        /// Debian's name of the architecture.
        architecture: String,
        /// The searched suites and components, separated by commas.
        places: String,
    },
    /// The lock has no package for an entry of `image/packages.toml`.
    #[error("image/debs.lock does not have `{name}`: run `scripts/image --refresh-lock`")]
    NotLocked {
        /// The entry's name.
        name: String,
    },
    /// A package lacks a file.
    #[error("package {package} has no file {path}")]
    NoSuchFile {
        /// The package and its version.
        package: String,
        /// The path in the package.
        path: String,
    },
    /// The environment names no directory for the cache.
    #[error("no cache folder is known: set HEARTH_CACHE to a folder, or HOME")]
    NoCache,
    /// The lock or a cached package could not be read or written.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// The operation, as an infinitive.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// An invariant of the code does not hold.
    #[error("this is a defect in the image builder, please report it: {0}")]
    Bug(&'static str),
}

impl Error {
    pub(super) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    pub(super) fn malformed(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), why: why.into() }
    }
}
