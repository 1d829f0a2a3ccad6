//! What can go wrong between a mirror and the files of a package; nothing is handled here.

use std::io;
use std::path::PathBuf;

/// Trouble with a mirror, a signature, the lock file or a package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither the person nor the host's apt named a mirror.
    #[error(
        "no Debian mirror is known, because this host's apt names none: \
         pass --mirror URL (the address above `dists/` and `pool/`), or set HEARTH_DEBIAN_MIRROR"
    )]
    NoMirror,
    /// The lock needs Debian's security archive, and nobody named a mirror of it.
    #[error(
        "{package} comes from Debian's security archive, and no mirror of that is known: \
         pass --security-mirror URL, or set HEARTH_DEBIAN_SECURITY_MIRROR"
    )]
    NoSecurityMirror {
        /// The package that is needed from there.
        package: String,
    },
    /// The address cannot be used.
    #[error("`{url}` cannot be used as a mirror: {why}")]
    BadUrl {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The transport failed, also after the retries.
    #[error("cannot download {url}: check the network, the proxy settings and --mirror")]
    Network {
        /// What was asked for.
        url: String,
        /// The last attempt's failure.
        source: Box<ureq::Error>,
    },
    /// The server answered, but not with the file.
    #[error("cannot download {url}: the server answered with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The mirror does not have the file.
    #[error("the mirror does not have {url}")]
    NotFound {
        /// What was asked for.
        url: String,
    },
    /// The mirror has dropped what the lock names.
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
    /// Something is bigger than it may be.
    #[error("{what} is larger than the {limit} bytes it may have")]
    TooLarge {
        /// What was being read.
        what: String,
        /// The limit it met.
        limit: u64,
    },
    /// The file system or a stream failed.
    #[error("cannot {doing}")]
    Io {
        /// What was being done, to what.
        doing: String,
        /// The operating system's word.
        source: io::Error,
    },
    /// The bytes are not those that were promised.
    #[error(
        "{what} has SHA-256 {found}, but {expected} was promised: it is damaged or has been tampered with"
    )]
    Hash {
        /// What was being checked.
        what: String,
        /// The promised hash.
        expected: String,
        /// The hash of what came.
        found: String,
    },
    /// The pinned keys cannot be used.
    #[error("the pinned archive keys cannot be used: {why}")]
    Keys {
        /// What is wrong with them.
        why: String,
    },
    /// No pinned key vouches for the release file.
    #[error("the release file of {suite} is not to be trusted: {why}")]
    Untrusted {
        /// The suite that was asked for.
        suite: String,
        /// What is wrong with its signatures.
        why: String,
    },
    /// The release file is too old, too new or not the one that was asked for.
    #[error("the release file of {suite} cannot be used: {why}")]
    Outdated {
        /// The suite that was asked for.
        suite: String,
        /// Which of its dates is wrong, and how.
        why: String,
    },
    /// Text or an archive that does not follow its format.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// Which file.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// No suite offers the package.
    #[error("no package `{name}` for {architecture} in {places}: see its entry in image/packages.toml")]
    NoSuchPackage {
        /// The name that was looked for.
        name: String,
        /// The architecture it was looked for in.
        architecture: String,
        /// The suites and components that were searched.
        places: String,
    },
    /// `image/packages.toml` asks for something the lock does not have.
    #[error("image/debs.lock does not have `{name}`: run `scripts/image --refresh-lock`")]
    NotLocked {
        /// The name in `image/packages.toml`.
        name: String,
    },
    /// A package does not contain a file that is needed.
    #[error("package {package} has no file {path}")]
    NoSuchFile {
        /// The package, with its version.
        package: String,
        /// The path inside it.
        path: String,
    },
    /// There is no place for the cache.
    #[error("no cache folder is known: set HEARTH_CACHE to a folder, or HOME")]
    NoCache,
    /// A file of the person's could not be read or written.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// The operating system's word.
        source: io::Error,
    },
    /// The code contradicts itself.
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
