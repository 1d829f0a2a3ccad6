//! `image/packages.toml`: the Debian packages that the card needs, with reasons and without versions.

use serde::Deserialize;

use super::error::Error;

/// The packages of an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Debian's name of the architecture, `arm64`.
    pub architecture: String,
    /// The packages, in the order of the file.
    #[serde(rename = "package")]
    pub packages: Vec<WantedPackage>,
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedPackage {
    /// The package's name, and the entry's name in the rest of the builder.
    pub name: String,
    /// The release by codename. A bare one (`trixie`) takes its updates and security updates too;
    /// one with a dash (`trixie-backports`) is taken alone.
    pub suite: String,
    /// `main` or `non-free-firmware`.
    pub component: String,
    /// For a metapackage: prefixes of the names of the dependencies to take in its place.
    #[serde(default)]
    pub follow: Vec<String>,
    /// The card's need for it, for readers of the file.
    pub reason: String,
}

impl Wanted {
    /// Reads the text of `image/packages.toml`.
    ///
    /// # Errors
    ///
    /// Text that is not such a list, a name twice, a name that no Debian package can have.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = |why: String| Error::malformed(FILE, why);
        let wanted: Self = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
        let mut seen = std::collections::BTreeSet::new();
        for package in &wanted.packages {
            let words = [&package.name, &package.suite, &package.component, &wanted.architecture];
            if let Some(odd) = words.into_iter().chain(&package.follow).find(|word| !is_name(word)) {
                return Err(bad(format!("`{odd}` (in the entry `{}`) is no name of Debian's", package.name)));
            }
            if !seen.insert(&package.name) {
                return Err(bad(format!("`{}` is listed twice", package.name)));
            }
        }
        Ok(wanted)
    }
}

/// Whether a word can name a package, suite or component: lower-case letters, digits, plus, minus and dot
/// (Debian Policy 5.6.1).
pub(super) fn is_name(word: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.len() <= 128 && word.bytes().all(allowed)
}

const FILE: &str = "image/packages.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_in_the_repository_is_good() {
        let wanted = Wanted::parse(include_str!("../../../../image/packages.toml")).unwrap();
        assert_eq!(wanted.architecture, "arm64");
        for name in ["linux-image-arm64", "raspi-firmware", "u-boot-rpi", "e2fsck-static"] {
            assert!(wanted.packages.iter().any(|package| package.name == name), "{name}");
        }
        assert!(wanted.packages.iter().all(|package| package.reason.len() > 10));
    }

    #[test]
    fn mistakes_are_named() {
        let entry = "[[package]]\nname = \"a\"\nsuite = \"s\"\ncomponent = \"main\"\nreason = \"r\"\n";
        for (text, expected) in [
            (entry.to_owned(), "architecture"),
            (format!("architecture = \"arm64\"\n{entry}{entry}"), "listed twice"),
            (format!("architecture = \"arm64\"\nextra = 1\n{entry}"), "extra"),
            (format!("architecture = \"arm64\"\n{}", entry.replace("\"s\"", "\"../s\"")), "../s"),
            (format!("architecture = \"arm64\"\n{}", entry.replace("reason", "raison")), "raison"),
        ] {
            let message = Wanted::parse(&text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
