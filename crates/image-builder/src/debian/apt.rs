//! The repositories and the proxy of this host's apt, from its programs; its files and its keys are not used.

use std::path::Path;
use std::process::{Command, Stdio};

/// A repository that apt uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    /// The URL above `dists/`.
    pub(super) url: String,
    /// The `Label` of its release file, such as `Debian`; none if apt has not downloaded that yet.
    pub(super) label: Option<String>,
    /// The suite that apt uses.
    pub(super) suite: String,
}

/// The repositories of apt; none on a host without it.
pub(super) fn repositories() -> Vec<Repository> {
    let format = "$(REPO_URI)|$(RELEASE)|$(ORIGIN)|$(LABEL)";
    let lines = output_of("apt-get", &["indextargets", "--format", format, "Created-By: Packages"]);
    let mut all: Vec<Repository> = lines.iter().filter_map(|line| index_target(line)).collect();
    if !all.iter().any(|repository| repository.label.is_some()) {
        // Before the first `apt-get update` there are no index targets, but the downloads that it would make are known.
        let lines = output_of("apt-get", &["--print-uris", "update"]);
        all.extend(lines.iter().filter_map(|line| planned_download(line)));
    }
    all.into_iter().flat_map(expand_list).collect()
}

/// The proxy for HTTP, which is often a cache in the same network.
pub(super) fn proxy() -> Option<String> {
    let lines = output_of("apt-config", &["dump", "--format", "%v%n", "Acquire::http::Proxy"]);
    lines.into_iter().find(|proxy| proxy.starts_with("http"))
}

/// `http://host/debian/|trixie|Debian|Debian`
fn index_target(line: &str) -> Option<Repository> {
    let mut words = line.split('|');
    let (url, suite) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (origin, label) = (words.next()?, words.next()?);
    // Any repository may claim Debian as its origin; the claim decides the choice of a mirror, not the trust in it.
    let label = (origin == "Debian").then(|| label.to_owned());
    (!url.is_empty()).then_some(Repository { url, label, suite })
}

/// `'http://host/debian/dists/trixie/InRelease' host_debian_dists_trixie_InRelease 0`
fn planned_download(line: &str) -> Option<Repository> {
    let (url, _) = line.strip_prefix('\'')?.split_once('\'')?;
    let (base, rest) = url.strip_suffix("/InRelease")?.split_once("/dists/")?;
    Some(Repository { url: base.to_owned(), label: None, suite: rest.to_owned() })
}

/// Replaces a `mirror+file:` list (apt-transport-mirror(1)), which Debian's cloud images have, by the URLs in it.
fn expand_list(repository: Repository) -> Vec<Repository> {
    let Some(path) = repository.url.strip_prefix("mirror+file:") else { return vec![repository] };
    let urls = mirror_list(Path::new(path.trim_end_matches('/')));
    urls.into_iter().map(|url| Repository { url, ..repository.clone() }).collect()
}

/// The URLs of a mirror list, one a line; words behind a URL rank it.
fn mirror_list(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let words = text.lines().filter_map(|line| line.split_whitespace().next());
    words.filter(|word| !word.starts_with('#')).map(str::to_owned).collect()
}

fn output_of(program: &str, arguments: &[&str]) -> Vec<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success());
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(url: &str, label: Option<&str>, suite: &str) -> Repository {
        Repository { url: url.to_owned(), label: label.map(str::to_owned), suite: suite.to_owned() }
    }

    #[test]
    fn what_apt_uses_is_read() {
        for (line, expected) in [
            (
                "http://a.example/d/|trixie|Debian|Debian",
                Some(("http://a.example/d/", Some("Debian"), "trixie")),
            ),
            (
                "http://a.example/debian/|stable|Shop|Debian",
                Some(("http://a.example/debian/", None, "stable")),
            ),
            ("http://a.example/debian/|trixie||", Some(("http://a.example/debian/", None, "trixie"))),
            ("|trixie|Debian|Debian", None),
            ("http://a.example/debian/", None),
        ] {
            let expected = expected.map(|(url, label, suite)| repository(url, label, suite));
            assert_eq!(index_target(line), expected, "{line}");
        }
    }

    #[test]
    fn what_apt_would_download_names_its_repositories() {
        let line =
            "'http://a.example/debian/dists/trixie/InRelease' a.example_debian_dists_trixie_InRelease 0 ";
        assert_eq!(planned_download(line), Some(repository("http://a.example/debian", None, "trixie")));
        for line in [
            "",
            "'",
            "http://a.example/debian/dists/x/InRelease",
            "'http://a.example/debian/flat/InRelease' x 0",
            "'http://a.example/debian/dists/trixie/main/binary-arm64/Packages.xz' x 0",
        ] {
            assert_eq!(planned_download(line), None, "{line}");
        }
    }

    #[test]
    fn mirror_lists_of_cloud_images_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "# ours\nhttps://a.example/debian\tpriority:1\n\nhttps://b.example/debian\n";
        std::fs::write(file.path(), text).unwrap();
        let listed = repository(&format!("mirror+file:{}/", file.path().display()), None, "trixie");
        let urls: Vec<_> = expand_list(listed).into_iter().map(|repository| repository.url).collect();
        assert_eq!(urls, ["https://a.example/debian", "https://b.example/debian"]);
        assert!(expand_list(repository("mirror+file:/nonexistent", None, "trixie")).is_empty());
        let plain = repository("http://a.example/debian", None, "trixie");
        assert_eq!(expand_list(plain.clone()), [plain]);
    }
}
