//! Bytes over HTTP, HTTPS or from a file: with time-outs, a size limit for every download, and patience
//! with a network that stumbles. What the bytes mean, and whether to believe them, is decided by the caller.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use super::error::Error;
use crate::progress::Progress;

/// Opens addresses. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub(super) struct Client {
    agent: ureq::Agent,
    pauses: &'static [Duration],
}

impl Client {
    /// `fallback_proxy` is used when the environment (`http_proxy` and its kin) names none.
    pub(super) fn new(fallback_proxy: Option<&str>) -> Self {
        let tls = ureq::tls::TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let proxy = ureq::Proxy::try_from_env().or_else(|| ureq::Proxy::new(fallback_proxy?).ok());
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy)
            .user_agent(concat!("hearth-image-builder/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(SILENCE_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .build();
        Self { agent: ureq::Agent::new_with_config(config), pauses: &PAUSES }
    }

    /// Opens `url` and hands it to `attempt`; trouble of the network is waited out and tried again from the start.
    pub(super) fn retry<T>(
        &self,
        url: &str,
        progress: &dyn Progress,
        attempt: &mut dyn FnMut(Source) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut pauses = self.pauses.iter();
        loop {
            let result = self.open(url).and_then(&mut *attempt);
            let Err(error) = result else { return result };
            let Some(pause) = pauses.next().filter(|_| is_worth_another_try(&error)) else {
                return Err(error);
            };
            progress.note(&format!("{error}; trying again in {} s", pause.as_secs()));
            wait(*pause);
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
        let response = self
            .agent
            .get(url)
            .call()
            .map_err(|source| Error::Network { url: url.to_owned(), source: Box::new(source) })?;
        match response.status().as_u16() {
            200 => {}
            404 | 410 => return Err(not_found()),
            status => return Err(Error::Status { url: url.to_owned(), status }),
        }
        // The size limit is ours, in `Source::copy`; the library's default would cut the kernel package.
        let bytes = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Source { url: url.to_owned(), bytes: Box::new(bytes) })
    }
}

/// A file that is being downloaded.
pub(super) struct Source {
    url: String,
    bytes: Box<dyn Read>,
}

impl Source {
    /// Copies everything to `sink`, and no byte beyond `limit`. Gives the number of bytes.
    pub(super) fn copy(
        mut self,
        sink: &mut dyn Write,
        limit: u64,
        progress: &dyn Progress,
    ) -> Result<u64, Error> {
        let mut buffer = vec![0; BUFFER];
        let mut total: u64 = 0;
        loop {
            let count = self.bytes.read(&mut buffer).map_err(|error| self.failed(error))?;
            if count == 0 {
                return Ok(total);
            }
            total = total.saturating_add(count as u64);
            if total > limit {
                return Err(Error::TooLarge { what: self.url, limit });
            }
            let chunk = buffer.get(..count).ok_or(Error::Bug("a reader gave more than it was asked for"))?;
            sink.write_all(chunk).map_err(Error::io(format!("write what comes from {}", self.url)))?;
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

fn is_worth_another_try(error: &Error) -> bool {
    match error {
        Error::Status { status, .. } => matches!(status, 408 | 429 | 500..),
        // A host that does not exist or an address that is none will not begin to.
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
fn wait(pause: Duration) {
    std::thread::sleep(pause);
}

const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const SILENCE_TIMEOUT: Duration = Duration::from_secs(40);
const BUFFER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
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
                asked.push(lines.next().unwrap().unwrap());
                while !lines.next().unwrap().unwrap().is_empty() {}
                stream.write_all(answer).unwrap();
            }
            asked
        });
        (url, server)
    }

    fn get(url: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let mut client = Client::new(None);
        client.pauses = &AT_ONCE;
        client.retry(url, &Quiet, &mut |source| {
            let mut bytes = Vec::new();
            source.copy(&mut bytes, limit, &Quiet).map(|_| bytes)
        })
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
    fn files_are_read_too() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "here").unwrap();
        let url = format!("file://{}", file.path().display());
        assert_eq!(get(&url, 4).unwrap(), b"here");
        assert!(matches!(get(&url, 3), Err(Error::TooLarge { .. })));
        assert!(matches!(get(&format!("{url}.gone"), 4), Err(Error::NotFound { .. })));
    }
}
