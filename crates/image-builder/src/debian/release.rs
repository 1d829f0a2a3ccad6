//! A release file (`InRelease`) whose signature has been checked: its suite, its dates and the digests of its indexes.

use std::time::{Duration, SystemTime};

use super::date;
use super::deb822;
use super::error::Error;
use crate::digest::is_sha256_hex;

/// The fields of a release file that a lock needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    /// The `Date` field as written.
    pub(super) date: String,
    /// The `Date` field as Unix time.
    pub(super) unix_time: u64,
    /// `Acquire-By-Hash`: indexes can be requested by their digest.
    pub(super) by_hash: bool,
    sha256: String,
}

/// The size in bytes and SHA-256 of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexDigest {
    pub(super) size: u64,
    pub(super) sha256: String,
}

impl Release {
    /// Reads the signed text of the release file of `suite`.
    ///
    /// A file that is expired, from the future or of another suite is refused: even with a good signature it may be there
    /// to keep updates away (replay and freeze attacks).
    pub(super) fn parse(suite: &str, text: &str, now: SystemTime) -> Result<Self, Error> {
        let bad = |why: &str| Error::malformed(format!("the release file of {suite}"), why);
        let outdated = |why: String| Error::Outdated { suite: suite.to_owned(), why };
        let fields =
            deb822::fields(text.trim_matches('\n')).ok_or_else(|| bad("it is not a list of fields"))?;
        let value = |name| deb822::value(&fields, name);
        match value("Codename") {
            Some(codename) if codename == suite => {}
            Some(other) => return Err(outdated(format!("it is that of {other}"))),
            None => return Err(bad("it does not say which release it is of")),
        }
        let date = value("Date").ok_or_else(|| bad("it has no date"))?;
        let time = date::parse(date).ok_or_else(|| bad("its date cannot be read"))?;
        if time > now + CLOCK_TOLERANCE {
            return Err(outdated(format!(
                "it was made on {date}, which is in the future; is this host's clock right?"
            )));
        }
        if let Some(until) = value("Valid-Until") {
            let end = date::parse(until).ok_or_else(|| bad("its last day cannot be read"))?;
            if now > end {
                return Err(outdated(format!(
                    "it was valid until {until}; the mirror has not been brought up to date, or this host's clock is wrong"
                )));
            }
        }
        Ok(Self {
            date: date.to_owned(),
            unix_time: date::unix_seconds(time),
            by_hash: value("Acquire-By-Hash").is_some_and(|word| word.eq_ignore_ascii_case("yes")),
            sha256: value("SHA256").ok_or_else(|| bad("it has no SHA-256 hashes"))?.to_owned(),
        })
    }

    /// The entry of the `SHA256` field for the index at `path`, relative to the suite's directory.
    ///
    /// ```text
    /// line = SP sha256 1*SP size 1*SP path
    /// ```
    pub(super) fn index_digest(&self, path: &str) -> Option<IndexDigest> {
        self.sha256.lines().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (sha256, size) = (words.next()?, words.next()?);
            if words.next()? != path || words.next().is_some() || !is_sha256_hex(sha256) {
                return None;
            }
            Some(IndexDigest { size: size.parse().ok()?, sha256: sha256.to_owned() })
        })
    }
}

/// A host's clock may be behind by this much.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "f61f27bd17de546264aa58f40f3aafaac7021e0ef69c17f6b1b4cd7664a037ec";

    fn text() -> String {
        format!(
            "Origin: Debian\nCodename: trixie-updates\nDate: Sat, 21 Nov 2026 02:10:46 UTC\n\
             Valid-Until: Sat, 28 Nov 2026 02:10:46 UTC\nAcquire-By-Hash: yes\nSHA256:\n {HASH}       20 main/a.xz\n \
             short 20 main/b.xz\n {HASH} many main/c.xz\n {HASH} 1 main/d.xz extra\n"
        )
    }

    fn at(date: &str) -> SystemTime {
        date::parse(date).unwrap()
    }

    fn parse(text: &str) -> Result<Release, Error> {
        Release::parse("trixie-updates", text, at("Sun, 22 Nov 2026 00:00:00 UTC"))
    }

    #[test]
    fn promises_are_found_by_the_whole_path() {
        let release = parse(&text()).unwrap();
        assert!(release.by_hash);
        assert_eq!(release.unix_time, 1_795_227_046);
        assert_eq!(
            release.index_digest("main/a.xz"),
            Some(IndexDigest { size: 20, sha256: HASH.to_owned() })
        );
        for path in ["main/a", "a.xz", "main/b.xz", "main/c.xz", "main/d.xz", ""] {
            assert_eq!(release.index_digest(path), None, "{path}");
        }
    }

    #[test]
    fn dates_keep_old_and_future_files_out() {
        let read = |now: &str| Release::parse("trixie-updates", &text(), at(now));
        assert!(read("Sat, 28 Nov 2026 02:10:46 UTC").is_ok());
        assert!(matches!(read("Sat, 28 Nov 2026 02:10:47 UTC"), Err(Error::Outdated { .. })));
        assert!(read("Fri, 20 Nov 2026 03:00:00 UTC").is_ok(), "a clock that is a little behind");
        assert!(matches!(read("Fri, 20 Nov 2026 01:00:00 UTC"), Err(Error::Outdated { .. })));
        let without_end: String =
            text().lines().filter(|l| !l.starts_with("Valid")).map(|l| format!("{l}\n")).collect();
        assert!(Release::parse("trixie-updates", &without_end, at("Mon, 01 Jan 2035 00:00:00 UTC")).is_ok());
    }

    #[test]
    fn another_suite_is_refused_though_its_signature_is_good() {
        let other = text().replace("trixie-updates", "bookworm");
        let message = parse(&other).unwrap_err().to_string();
        assert!(message.contains("it is that of bookworm"), "{message}");
    }

    #[test]
    fn missing_or_broken_fields_are_refused() {
        for (from, to) in [
            ("Codename", "Other"),
            ("Date", "Other"),
            ("SHA256", "SHA1"),
            ("Sat, 21 Nov", "21 Nov"),
            ("Sat, 28 Nov", "28 Nov"),
            ("Origin: ", "Origin "),
        ] {
            let result = parse(&text().replace(from, to));
            assert!(matches!(result, Err(Error::Malformed { .. })), "{from}");
        }
        let text = text();
        for end in 0..text.len() {
            let _ = parse(text.get(..end).unwrap());
        }
    }
}
