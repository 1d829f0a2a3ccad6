//! Downloads over HTTP, HTTPS or from a file: with time-outs, a size limit for each, and retries after transient errors.
//! The caller checks the bytes.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::typestate::WithoutBody;
use ureq::{Agent, Proxy, RequestBuilder};

use super::error::Error;
use super::proxy::{Proxies, authorization, forwarding_agent};
use crate::progress::Progress;

/// A client for URLs. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub(super) struct Client {
    direct: Agent,
    /// For `http:` and for `https:` URLs.
    through_proxy: [Option<Agent>; 2],
    proxies: Proxies,
    /// The waits between tries, of which there is one more.
    retry_delays: &'static [Duration],
}

impl Client {
    pub(super) fn new(proxies: Proxies) -> Self {
        let http = proxies.http.as_ref().map(|proxy| forwarding_agent(config(None), proxy));
        let https = proxies.https.clone().map(|proxy| Agent::new_with_config(config(Some(proxy))));
        let direct = Agent::new_with_config(config(None));
        Self { direct, through_proxy: [http, https], proxies, retry_delays: &RETRY_DELAYS }
    }

    /// Downloads a file into memory; after a transient error it begins again from the start.
    pub(super) fn get(
        &self,
        url: &str,
        download: &Download,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>, Error> {
        let mut delays = self.retry_delays.iter();
        loop {
            progress.begin(&download.name, download.size.known());
            let result = self.open(url).and_then(|source| source.read(download.size.limit(), progress));
            progress.end();
            let Err(error) = result else { return result };
            let Some(delay) = delays.next().filter(|_| is_transient(&error)) else {
                return Err(error);
            };
            progress.note(&format!("{error}; trying again in {} s", delay.as_secs()));
            wait(*delay);
        }
    }

    fn open(&self, url: &str) -> Result<Source, Error> {
        let not_found = || Error::NotFound { url: url.to_owned() };
        if let Some(path) = url.strip_prefix("file://") {
            let file = File::open(path).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => not_found(),
                _ => Error::io(format!("open {path}"))(error),
            })?;
            return Ok(Source { url: url.to_owned(), bytes: Box::new(file) });
        }
        let response = self.send(url)?;
        match response.status().as_u16() {
            200 => {}
            404 | 410 => return Err(not_found()),
            status => return Err(Error::Status { url: url.to_owned(), status }),
        }
        // The size limit is ours, in `Source::read`; the library's default would cut the kernel package.
        let bytes = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Source { url: url.to_owned(), bytes: Box::new(bytes) })
    }

    /// Sends a request, and follows redirects.
    fn send(&self, url: &str) -> Result<Response, Error> {
        let mut url = url.to_owned();
        for _ in 0..MAX_REDIRECTS {
            let failed = |source| Error::Network { url: url.clone(), source: Box::new(source) };
            let target: Uri = url.parse().map_err(|_| failed(ureq::Error::BadUri(url.clone())))?;
            let response = self.request(&target).call().map_err(failed)?;
            match redirect(&target, &response) {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        Err(Error::Network { url, source: Box::new(ureq::Error::TooManyRedirects) })
    }

    fn request(&self, target: &Uri) -> RequestBuilder<WithoutBody> {
        let [http, https] = &self.through_proxy;
        let agent = if target.scheme() == Some(&Scheme::HTTPS) { https } else { http };
        let agent = agent.as_ref().filter(|_| !self.proxies.exempts(target.host().unwrap_or_default()));
        let request = agent.unwrap_or(&self.direct).get(target);
        // ureq sends the credentials of a CONNECT tunnel itself.
        let forwards = agent.is_some() && target.scheme() == Some(&Scheme::HTTP);
        match self.proxies.http.as_ref().filter(|_| forwards).and_then(authorization) {
            Some(credentials) => request.header("Proxy-Authorization", credentials),
            None => request,
        }
    }
}

fn config(proxy: Option<Proxy>) -> Config {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::from(host_roots()))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
        .user_agent(concat!("hearth-image-builder/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        // Followed here, since a URL of the other scheme may have another proxy.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(READ_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        .build()
}

/// The certificate roots that this host trusts, so that a network with a root of its own works too.
///
/// Little depends on them: a download is checked by Debian's signature or by its digest.
fn host_roots() -> Vec<Certificate<'static>> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let places = named.into_iter().chain(ROOT_FILES.map(PathBuf::from));
    let Some(text) = places.filter_map(|place| std::fs::read(place).ok()).find(|text| !text.is_empty())
    else {
        return Vec::new();
    };
    let certificate = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    };
    ureq::tls::parse_pem(&text).filter_map(certificate).collect()
}

/// The URL of a redirect (RFC 9110 section 15.4): another HTTP or HTTPS URL, or another absolute path on the same server.
fn redirect(from: &Uri, response: &Response) -> Option<String> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get("Location")?.to_str().ok()?;
    if location.starts_with("http://") || location.starts_with("https://") {
        return Some(location.to_owned());
    }
    let path = location.strip_prefix('/').filter(|path| !path.starts_with('/'))?;
    Some(format!("{}://{}/{path}", from.scheme_str()?, from.authority()?))
}

type Response = ureq::http::Response<ureq::Body>;

/// A file to download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Download {
    /// The name for progress messages.
    pub(super) name: String,
    /// The limit of its size.
    pub(super) size: Size,
}

/// The size of a file as it is known before the download, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// The size, from a trusted source.
    Exactly(u64),
    /// A limit only.
    AtMost(u64),
}

impl Size {
    fn known(self) -> Option<u64> {
        match self {
            Self::Exactly(size) => Some(size),
            Self::AtMost(_) => None,
        }
    }

    fn limit(self) -> u64 {
        let (Self::Exactly(limit) | Self::AtMost(limit)) = self;
        limit
    }
}

/// A file that has been opened.
struct Source {
    url: String,
    bytes: Box<dyn Read>,
}

impl Source {
    /// Reads to the end; more than `limit` bytes are an error.
    fn read(mut self, limit: u64, progress: &dyn Progress) -> Result<Vec<u8>, Error> {
        let mut buffer = vec![0; BUFFER_SIZE];
        let mut all = Vec::new();
        loop {
            let count = self.bytes.read(&mut buffer).map_err(|error| self.failed(error))?;
            if count == 0 {
                return Ok(all);
            }
            if all.len() as u64 + count as u64 > limit {
                return Err(Error::TooLarge { what: self.url, limit });
            }
            all.extend_from_slice(
                buffer.get(..count).ok_or(Error::Bug("a reader gave more than it was asked for"))?,
            );
            progress.advance(count as u64);
        }
    }

    fn failed(&self, error: std::io::Error) -> Error {
        if self.url.starts_with("file://") {
            return Error::io(format!("read {}", self.url))(error);
        }
        Error::Network { url: self.url.clone(), source: Box::new(ureq::Error::from(error)) }
    }
}

/// Whether the same request may succeed later.
fn is_transient(error: &Error) -> bool {
    match error {
        Error::Status { status, .. } => matches!(status, 408 | 429 | 500..),
        // A malformed URL does not become well-formed.
        Error::Network { source, .. } => {
            !matches!(**source, ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl)
        }
        _ => false,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a server that stumbled gives no event to wait for; the pauses are few and short"
)]
fn wait(delay: Duration) {
    std::thread::sleep(delay);
}

/// Debian and its kin, Fedora and its kin, Alpine and others.
const ROOT_FILES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
const RETRY_DELAYS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const READ_TIMEOUT: Duration = Duration::from_secs(40);
const BUFFER_SIZE: usize = 64 << 10;
const MAX_REDIRECTS: usize = 10;

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::progress::Quiet;

    const AT_ONCE: [Duration; 2] = [Duration::ZERO; 2];

    /// A server that gives these answers to one connection each, then the paths it was asked for.
    fn serve(answers: &'static [&'static [u8]]) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let mut line = lines.next().unwrap().unwrap();
                let headers: Vec<String> =
                    lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
                if headers
                    .iter()
                    .any(|header| header.eq_ignore_ascii_case("Proxy-Authorization: Basic bWU6c2VjcmV0"))
                {
                    line += " as me";
                }
                asked.push(line);
                stream.write_all(answer).unwrap();
            }
            asked
        });
        (url, server)
    }

    fn get(url: &str, limit: u64) -> Result<Vec<u8>, Error> {
        get_through(Proxies::default(), url, limit)
    }

    fn get_through(proxies: Proxies, url: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let client = Client { retry_delays: &AT_ONCE, ..Client::new(proxies) };
        client.get(url, &Download { name: "a file".to_owned(), size: Size::AtMost(limit) }, &Quiet)
    }

    const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngood";
    const CUT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngo";
    const BUSY: &[u8] = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const GONE: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    #[test]
    fn a_server_that_stumbles_is_asked_again() {
        let (url, server) = serve(&[BUSY, CUT, GOOD]);
        assert_eq!(get(&format!("{url}/pool/a+b~c.deb"), 4).unwrap(), b"good");
        assert_eq!(server.join().unwrap(), ["GET /pool/a+b~c.deb HTTP/1.1"; 3]);
    }

    #[test]
    fn patience_ends() {
        let (url, server) = serve(&[BUSY, CUT, CUT]);
        assert!(matches!(get(&url, 4), Err(Error::Network { .. })));
        server.join().unwrap();
    }

    #[test]
    fn a_missing_file_is_not_asked_for_twice() {
        let (url, server) = serve(&[GONE]);
        assert!(matches!(get(&url, 4), Err(Error::NotFound { .. })));
        server.join().unwrap();
    }

    #[test]
    fn more_than_the_limit_is_refused() {
        let (url, server) = serve(&[GOOD]);
        assert!(matches!(get(&url, 3), Err(Error::TooLarge { limit: 3, .. })));
        server.join().unwrap();
    }

    #[test]
    fn redirects_are_followed_on_the_web_only() {
        let (there, second) = serve(&[GOOD]);
        let moved: &'static [u8] = Box::leak(
            format!(
                "HTTP/1.1 302 Found\r\nLocation: {there}/b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .into_boxed_str()
            .into_boxed_bytes(),
        );
        let answers: &'static [&'static [u8]] = Box::leak(Box::new([MOVED, moved]));
        let (url, first) = serve(answers);
        assert_eq!(get(&format!("{url}/first"), 4).unwrap(), b"good");
        assert_eq!(first.join().unwrap(), ["GET /first HTTP/1.1", "GET /other HTTP/1.1"]);
        assert_eq!(second.join().unwrap(), ["GET /b HTTP/1.1"]);

        let (url, server) = serve(&[TO_FILE]);
        assert!(matches!(get(&url, 4), Err(Error::Status { status: 302, .. })));
        server.join().unwrap();
    }

    const MOVED: &[u8] =
        b"HTTP/1.1 301 Moved\r\nLocation: /other\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const TO_FILE: &[u8] =
        b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    #[test]
    fn a_proxy_is_told_the_whole_address() {
        let (proxy, server) = serve(&[BUSY, GOOD]);
        let address = proxy.replace("http://", "http://me:secret@");
        let environment = |name: &str| match name {
            "http_proxy" => Some(address.clone()),
            "no_proxy" => Some("direct.invalid".to_owned()),
            _ => None,
        };
        let proxies = Proxies::choose(environment, None);
        let url = "http://mirror.invalid:8000/debian/pool/a+b.deb";
        assert_eq!(get_through(proxies.clone(), url, 4).unwrap(), b"good");
        assert_eq!(
            server.join().unwrap(),
            ["GET http://mirror.invalid:8000/debian/pool/a+b.deb HTTP/1.1 as me"; 2]
        );
        let client = Client { retry_delays: &[], ..Client::new(proxies) };
        let download = Download { name: String::new(), size: Size::AtMost(1) };
        assert!(
            client.get("http://direct.invalid/x", &download, &Quiet).is_err(),
            "no proxy knows this host"
        );
    }

    #[test]
    fn files_are_read_too() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "here").unwrap();
        let url = format!("file://{}", file.path().display());
        assert_eq!(get(&url, 4).unwrap(), b"here");
        assert!(matches!(get(&url, 3), Err(Error::TooLarge { .. })));
        assert!(matches!(get(&format!("{url}.gone"), 4), Err(Error::NotFound { .. })));
    }
}
