//! Python and its programs, as `scripts/test` installs them from `scripts/requirements.txt`.

use std::path::PathBuf;

/// A program in the project's cache, or else whichever the path has.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    cached(&format!("python/bin/{name}")).unwrap_or_else(|| name.into())
}

/// A file in the project's cache, if it is there.
#[must_use]
pub fn cached(path: &str) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("HEARTH_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("hearth")))
        .or_else(|| Some(variable("HOME")?.join(".cache/hearth")));
    Some(cache?.join(path)).filter(|path| path.exists())
}
