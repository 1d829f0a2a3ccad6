//! The choice of a mirror: the settings, else the environment, else the mirror of this host's own apt.
//! No mirror's name stands here, so none can age. Nothing that a mirror sends is trusted.

use std::fmt;

use super::apt::{self, Repository};
use super::download::{Client, Download};
use super::error::Error;
use super::lock::{Archive, is_plain_path};
use super::proxy::Proxies;
use crate::progress::Progress;

/// Environment variable with the address of a Debian mirror.
pub const ENV_MIRROR: &str = "HEARTH_DEBIAN_MIRROR";
/// Environment variable with the address of a mirror of Debian's security archive.
pub const ENV_SECURITY_MIRROR: &str = "HEARTH_DEBIAN_SECURITY_MIRROR";

/// The command line's settings; one that is missing is taken from the environment, then from the host's apt.
#[derive(Debug, Clone, Copy, Default)]
pub struct MirrorSettings<'a> {
    /// `--mirror URL`: the directory that holds `dists/` and `pool/`.
    pub main: Option<&'a str>,
    /// `--security-mirror URL`: the mirror of the security archive.
    pub security: Option<&'a str>,
}

/// The mirrors of Debian's archives.
///
/// An unknown mirror is no error until the cache lacks a file.
#[derive(Clone)]
pub struct Mirror {
    main: Option<Base>,
    security: Option<Base>,
    client: Client,
}

impl Mirror {
    /// Chooses by settings, environment and the host's apt, in this order.
    ///
    /// # Errors
    ///
    /// URLs that cannot be used.
    pub fn find(settings: MirrorSettings<'_>) -> Result<Self, Error> {
        let mut mirror = Self::choose(settings, |name| std::env::var(name).ok(), apt::repositories)?;
        mirror.client =
            Client::new(Proxies::choose(|name| std::env::var(name).ok(), apt::proxy().as_deref()));
        Ok(mirror)
    }

    /// Mirrors at known URLs.
    ///
    /// # Errors
    ///
    /// URLs that cannot be used.
    pub fn at(main: &str, security: Option<&str>) -> Result<Self, Error> {
        Self::choose(MirrorSettings { main: Some(main), security }, |_| None, Vec::new)
    }

    /// Whether a mirror of the security archive is known.
    #[must_use]
    pub fn has_security(&self) -> bool {
        self.security.is_some()
    }

    /// Reads a file into memory.
    pub(super) fn get(
        &self,
        archive: Archive,
        path: &str,
        download: &Download,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>, Error> {
        self.client.get(&self.url(archive, path)?, download, progress)
    }

    /// The URL of a file of an archive.
    pub(super) fn url(&self, archive: Archive, path: &str) -> Result<String, Error> {
        let base = match archive {
            Archive::Main => self.main.as_ref().ok_or(Error::NoMirror)?,
            Archive::Security => {
                self.security.as_ref().ok_or_else(|| Error::NoSecurityMirror { package: path.to_owned() })?
            }
        };
        if !is_plain_path(path) {
            return Err(Error::BadUrl { url: path.to_owned(), why: "it is not a path of a Debian archive" });
        }
        Ok(format!("{}/{path}", base.0))
    }

    fn choose(
        settings: MirrorSettings<'_>,
        environment: impl Fn(&str) -> Option<String>,
        apt: impl FnOnce() -> Vec<Repository>,
    ) -> Result<Self, Error> {
        let named = |setting: Option<&str>, name| {
            let value =
                setting.map(str::to_owned).or_else(|| environment(name).filter(|value| !value.is_empty()));
            value.map(|url| Base::parse(&url)).transpose()
        };
        let mut main = named(settings.main, ENV_MIRROR)?;
        let mut security = named(settings.security, ENV_SECURITY_MIRROR)?;
        if main.is_none() || security.is_none() {
            // URLs of apt that cannot be used here (`cdrom:` and the like) are skipped.
            let usable = |repository: Repository| Some((Base::parse(&repository.url).ok()?, repository));
            let known: Vec<_> = apt().into_iter().filter_map(usable).collect();
            main = main.or_else(|| pick(&known, "Debian", "/debian"));
            security = security.or_else(|| pick(&known, "Debian-Security", "/debian-security"));
        }
        Ok(Self { main, security, client: Client::new(Proxies::default()) })
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("main", &self.main)
            .field("security", &self.security)
            .finish_non_exhaustive()
    }
}

/// The URL of an archive's mirror, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Base(String);

impl Base {
    fn parse(url: &str) -> Result<Self, Error> {
        let bad = |why| Error::BadUrl { url: url.to_owned(), why };
        if url.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
            return Err(bad("it contains a character that an archive's address cannot have"));
        }
        let (scheme, rest) =
            url.split_once(':').ok_or_else(|| bad("it does not begin with http:, https: or file:"))?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => {
                let host = rest.strip_prefix("//").ok_or_else(|| bad("it names no host"))?;
                if host.is_empty() || host.starts_with('/') {
                    return Err(bad("it names no host"));
                }
            }
            "file" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if !path.starts_with('/') {
                    return Err(bad("its path is not absolute"));
                }
                return Ok(Self(format!("file://{}", path.trim_end_matches('/'))));
            }
            _ => return Err(bad("only http:, https: and file: are possible")),
        }
        Ok(Self(url.trim_end_matches('/').to_owned()))
    }
}

/// Chooses among apt's repositories by the label in their release files. A third party's repository may end in `/debian`
/// too, so the URL decides only where apt has no release file yet, and then one that has a suite of updates is preferred.
fn pick(known: &[(Base, Repository)], label: &str, ending: &str) -> Option<Base> {
    let labelled = known.iter().find(|(_, repository)| repository.label.as_deref() == Some(label));
    let named = || {
        let named = || {
            known.iter().filter(|(base, repository)| repository.label.is_none() && base.0.ends_with(ending))
        };
        named().find(|(_, repository)| repository.suite.ends_with("-updates")).or_else(|| named().next())
    };
    labelled.or_else(named).map(|(base, _)| base.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(main: Option<&str>, env: &[(&str, &str)], apt: &[&str]) -> Result<Mirror, Error> {
        Mirror::choose(
            MirrorSettings { main, security: None },
            |name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
            || apt.iter().map(|line| repository(line)).collect(),
        )
    }

    /// `URL SUITE` of a repository whose release file apt does not have, `URL SUITE LABEL` of one that it has.
    fn repository(line: &str) -> Repository {
        let mut words = line.split(' ').map(str::to_owned);
        Repository { url: words.next().unwrap(), suite: words.next().unwrap(), label: words.next() }
    }

    fn url(mirror: &Mirror) -> String {
        mirror.url(Archive::Main, "dists/x").unwrap()
    }

    #[test]
    fn the_person_comes_first_then_the_environment_then_apt() {
        let apt = [
            "http://apt.example/debian-security/ trixie-security",
            "http://apt.example/debian/ trixie",
            "http://other.example/debian/ trixie",
        ];
        let env = [(ENV_MIRROR, "https://env.example/d")];
        assert_eq!(url(&choose(Some("file:/srv/d/"), &env, &apt).unwrap()), "file:///srv/d/dists/x");
        assert_eq!(url(&choose(None, &env, &apt).unwrap()), "https://env.example/d/dists/x");
        let mirror = choose(None, &[(ENV_MIRROR, "")], &apt).unwrap();
        assert_eq!(url(&mirror), "http://apt.example/debian/dists/x");
        assert_eq!(
            mirror.url(Archive::Security, "pool/y").unwrap(),
            "http://apt.example/debian-security/pool/y"
        );
    }

    #[test]
    fn a_shop_beside_debian_is_not_taken_for_it() {
        let shop = "https://shop.example/linux/debian/ trixie";
        let debian = ["http://d.example/debian trixie", "http://d.example/debian trixie-updates"];
        let mirror = choose(None, &[], &[shop, debian[0], debian[1]]).unwrap();
        assert_eq!(url(&mirror), "http://d.example/debian/dists/x");
        let labelled =
            ["http://c.example/odd/ trixie Debian", "http://c.example/safe/ trixie-security Debian-Security"];
        let mirror = choose(None, &[], &[shop, labelled[0], labelled[1]]).unwrap();
        assert_eq!(url(&mirror), "http://c.example/odd/dists/x");
        assert_eq!(mirror.url(Archive::Security, "x").unwrap(), "http://c.example/safe/x");
    }

    #[test]
    fn without_a_mirror_the_message_says_what_to_pass() {
        let mirror =
            choose(None, &[], &["cdrom:[Debian]/ trixie", "http://x.example/ubuntu/ noble"]).unwrap();
        assert!(!mirror.has_security());
        let message = mirror.url(Archive::Main, "x").unwrap_err().to_string();
        assert!(message.contains("--mirror URL") && message.contains(ENV_MIRROR), "{message}");
        let message = mirror.url(Archive::Security, "x").unwrap_err().to_string();
        assert!(
            message.contains("--security-mirror URL") && message.contains(ENV_SECURITY_MIRROR),
            "{message}"
        );
    }

    #[test]
    fn addresses_that_cannot_work_are_refused() {
        for bad in [
            "",
            "x",
            "ftp://a/debian",
            "http:/a",
            "http://",
            "http:///d",
            "file:relative",
            "http://a/d?x",
            "http://a b/",
        ] {
            assert!(matches!(choose(Some(bad), &[], &[]), Err(Error::BadUrl { .. })), "{bad}");
        }
    }

    #[test]
    fn no_path_leads_out_of_the_archive() {
        let mirror = Mirror::at("http://a.example/debian", None).unwrap();
        for bad in ["", "/etc/passwd", "../x", "pool/../../x", "a//b", "a/./b", "a b", "a?b", "a%2e", "ä"] {
            assert!(matches!(mirror.url(Archive::Main, bad), Err(Error::BadUrl { .. })), "{bad}");
        }
        assert!(
            mirror.url(Archive::Main, "pool/main/l/linux/linux-image-6.1+deb13_6.1~rc1-1_arm64.deb").is_ok()
        );
    }
}
