//! The index of packages of one suite and component (`Packages`). Its digest was checked before; still, every entry that
//! is used must be plausible.

use std::cmp::Ordering;

use super::deb822;
use super::error::Error;
use super::lock::{Archive, LockedPackage, is_plain_path};
use super::version;
use crate::digest::is_sha256_hex;

/// The suite, archive and component of an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) suite: String,
    pub(super) archive: Archive,
    pub(super) component: String,
}

/// A wanted package of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The package as it would be locked; `wanted_as` is still empty.
    pub(super) package: LockedPackage,
    /// The `Depends` field: dependencies in order, each a list of alternatives.
    pub(super) depends: Vec<Vec<Dependency>>,
}

/// One alternative of a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// The version of a relation `(= version)`; other relations are not kept, since the newest version is taken.
    pub(super) version: Option<String>,
}

/// Picks the packages whose names pass `is_wanted` out of an index.
pub(super) fn candidates(
    text: &str,
    origin: &Origin,
    architecture: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Candidate>, Error> {
    let mut found = Vec::new();
    for paragraph in deb822::paragraphs(text) {
        // The name comes first in every paragraph of Debian's; looking only there saves reading 60 000 of them.
        let name = paragraph.strip_prefix("Package: ").and_then(|rest| rest.lines().next()).map(str::trim);
        let Some(name) = name.filter(|name| is_wanted(name)) else { continue };
        let bad = |field: &str| {
            let what = format!("the index of {}/{}", origin.suite, origin.component);
            Error::malformed(what, format!("the {field} of {name} cannot be one"))
        };
        let fields = deb822::fields(paragraph).ok_or_else(|| bad("paragraph"))?;
        let value = |field: &str| deb822::value(&fields, field).ok_or_else(|| bad(field));
        if !matches!(value("Architecture")?, "all") && value("Architecture")? != architecture {
            continue;
        }
        let version = value("Version")?.to_owned();
        let (source, source_version) = source(deb822::value(&fields, "Source"), name, &version);
        let size = value("Size")?.parse().ok().ok_or_else(|| bad("Size"))?;
        let path =
            Some(value("Filename")?).filter(|path| is_plain_path(path)).ok_or_else(|| bad("Filename"))?;
        let sha256 =
            Some(value("SHA256")?).filter(|hash| is_sha256_hex(hash)).ok_or_else(|| bad("SHA256"))?;
        found.push(Candidate {
            package: LockedPackage {
                name: name.to_owned(),
                wanted_as: String::new(),
                version,
                source,
                source_version,
                suite: origin.suite.clone(),
                archive: origin.archive,
                component: origin.component.clone(),
                path: path.to_owned(),
                size,
                sha256: sha256.to_owned(),
            },
            depends: dependencies(deb822::value(&fields, "Depends").unwrap_or_default()),
        });
    }
    Ok(found)
}

/// The newest of the candidates that satisfy a dependency.
pub(super) fn newest<'a>(all: &'a [Candidate], wanted: &Dependency) -> Option<&'a Candidate> {
    let fits = |candidate: &&Candidate| {
        candidate.package.name == wanted.name
            && wanted
                .version
                .as_ref()
                .is_none_or(|exact| version::compare(exact, &candidate.package.version) == Ordering::Equal)
    };
    // Of equal versions the first wins, so that the order of the suites decides and not chance.
    all.iter().filter(fits).reduce(|best, next| {
        match version::compare(&next.package.version, &best.package.version) {
            Ordering::Greater => next,
            _ => best,
        }
    })
}

/// The `Source` field, `name (version)`; a missing part is that of the package.
fn source(field: Option<&str>, name: &str, version: &str) -> (String, String) {
    let field = field.unwrap_or(name);
    let (source, source_version) = match field.split_once(' ') {
        Some((source, rest)) => (source, rest.trim_matches(['(', ')', ' '])),
        None => (field, version),
    };
    (source.to_owned(), source_version.to_owned())
}

/// The `Depends` field (Debian Policy 7.1).
///
/// ```text
/// depends     = alternatives *("," alternatives)
/// alternatives = one *("|" one)
/// one         = name [":" architecture] ["(" operator version ")"] ["[" ... "]"]
/// ```
fn dependencies(field: &str) -> Vec<Vec<Dependency>> {
    let alternatives = |group: &str| group.split('|').filter_map(dependency).collect::<Vec<_>>();
    field.split(',').map(alternatives).filter(|group| !group.is_empty()).collect()
}

fn dependency(text: &str) -> Option<Dependency> {
    let text = text.trim();
    let name = text.split(|c: char| c.is_whitespace() || matches!(c, ':' | '(' | '[')).next()?;
    let constraint =
        text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside.trim());
    let version =
        constraint.and_then(|inside| inside.strip_prefix('=')).map(|version| version.trim().to_owned());
    (!name.is_empty()).then(|| Dependency { name: name.to_owned(), version })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "f61f27bd17de546264aa58f40f3aafaac7021e0ef69c17f6b1b4cd7664a037ec";

    fn entry(name: &str, version: &str, extra: &str) -> String {
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: arm64\n{extra}Filename: pool/{name}.deb\nSize: 5\nSHA256: {HASH}\n\n"
        )
    }

    fn read(text: &str) -> Result<Vec<Candidate>, Error> {
        let origin =
            Origin { suite: "trixie".to_owned(), archive: Archive::Main, component: "main".to_owned() };
        candidates(text, &origin, "arm64", |name| name.starts_with('a'))
    }

    fn plain(name: &str) -> Dependency {
        Dependency { name: name.to_owned(), version: None }
    }

    #[test]
    fn the_newest_version_is_taken() {
        let text = entry("a", "1.9-1", "")
            + &entry("a", "1.10-1", "")
            + &entry("b", "9", "")
            + &entry("a", "1.10~rc1-1", "");
        let all = read(&text).unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(newest(&all, &plain("a")).unwrap().package.version, "1.10-1");
        let exact = Dependency { version: Some("1.9-1".to_owned()), ..plain("a") };
        assert_eq!(newest(&all, &exact).unwrap().package.version, "1.9-1");
        assert!(newest(&all, &Dependency { version: Some("2".to_owned()), ..plain("a") }).is_none());
        assert!(newest(&all, &plain("ab")).is_none());
    }

    #[test]
    fn source_and_dependencies_are_read() {
        let extra = "Source: src (1.0+b1)\nDepends: x (= 1.0-1), y:any (>= 2) | z [arm64],\n w\n";
        let all = read(&entry("a", "1.0-1+b2", extra)).unwrap();
        let package = &all[0].package;
        assert_eq!((package.source.as_str(), package.source_version.as_str()), ("src", "1.0+b1"));
        let exact = Dependency { name: "x".to_owned(), version: Some("1.0-1".to_owned()) };
        assert_eq!(all[0].depends, [vec![exact], vec![plain("y"), plain("z")], vec![plain("w")]]);

        let all = read(&(entry("a", "2", "") + &entry("ab", "2", "Source: other\n"))).unwrap();
        assert_eq!((all[0].package.source.as_str(), all[1].package.source_version.as_str()), ("a", "2"));
    }

    #[test]
    fn other_architectures_are_passed_over() {
        let text =
            entry("a", "1", "").replace("arm64", "amd64") + &entry("aa", "1", "").replace("arm64", "all");
        let names: Vec<_> =
            read(&text).unwrap().into_iter().map(|candidate| candidate.package.name).collect();
        assert_eq!(names, ["aa"]);
    }

    #[test]
    fn an_impossible_entry_is_refused_only_if_it_is_wanted() {
        for (from, to) in [
            ("Size: 5", "Size: -5"),
            (HASH, "F00"),
            ("pool/a.deb", "/etc/passwd"),
            ("pool/a.deb", "pool/../../a"),
            ("Version", "Vers"),
            ("Architecture", "A"),
            ("Size: 5", "Size 5"),
        ] {
            let broken = entry("a", "1", "").replace(from, to);
            assert!(matches!(read(&broken), Err(Error::Malformed { .. })), "{from} -> {to}");
            assert_eq!(read(&broken.replacen("Package: a", "Package: b", 1)).unwrap(), [], "{from} -> {to}");
        }
    }

    #[test]
    fn every_cut_is_survived() {
        let text = entry("a", "1.9-1", "Depends: x (= 1\n") + &entry("a", "1.10-1", "Source: s (\n");
        for end in 0..text.len() {
            let _ = read(text.get(..end).unwrap());
        }
    }
}
