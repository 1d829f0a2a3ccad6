//! Pebble, the test authority of Let's Encrypt, with a name server of its own: every name leads to 127.0.0.1, and it looks
//! for the answers to its challenges at ports that a test chooses.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http_body_util::Full;
use https_client::{HttpsClient, RequestLimits, roots};
use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tls::Roots;

use crate::internet::{Authority, CertificateKind, Internet, Service};
use crate::ports::ReservedPort;
use crate::python::cached;

/// A name that it issues nothing for.
pub const BLOCKED: &str = "blocked.test";

/// The bounds of a request to the name server's control port.
const LIMITS: RequestLimits = RequestLimits { time: Duration::from_secs(10), bytes: 4096 };

/// A running authority and its name server; both end when dropped.
pub struct Pebble {
    folder: TempDir,
    client: HttpsClient,
    roots: PathBuf,
    directory: String,
    management: String,
    /// The URL of its name server's control port; empty when it asks another.
    records: String,
    pebble: Service,
    /// Its settings' file, and the name server that it asks.
    start: (PathBuf, String),
    _names: Option<Service>,
    _ports: Vec<ReservedPort>,
}

/// The settings of an authority among servers.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The address that it listens on.
    pub address: Ipv4Addr,
    /// The time for which its certificates are good.
    pub validity: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { address: Ipv4Addr::LOCALHOST, validity: Duration::from_secs(90 * 86_400) }
    }
}

impl Pebble {
    /// Starts it; its challenges come to these ports. It refuses a fifth of all nonces, and an authorization is never used
    /// twice.
    pub fn start(http: u16, https: u16) -> Result<Self> {
        Self::start_asking(None, http, https, Options::default())
    }

    /// The same as an authority of an internet, whose names it asks for, and whose servers have the standard ports.
    pub fn start_among(internet: &Internet) -> Result<Self> {
        Self::start_among_with(internet, Options::default())
    }

    /// The same with these settings.
    pub fn start_among_with(internet: &Internet, options: Options) -> Result<Self> {
        Self::start_asking(Some(internet.names().address()), 80, 443, options)
    }

    fn start_asking(resolver: Option<Ipv4Addr>, http: u16, https: u16, options: Options) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let ports = (0..4).map(|_| ReservedPort::new()).collect::<Result<Vec<_>>>()?;
        let own = options.address;
        let address = |index: usize| format!("{own}:{}", ports[index].number());
        let authority = Authority::new(&folder.path().join("authority"))?;
        let own = authority.issue(CertificateKind::Trusted, &[&own.to_string()], folder.path())?;
        let configuration = json!({ "pebble": {
            "listenAddress": address(0), "managementListenAddress": address(1),
            "certificate": own.certificate, "privateKey": own.key,
            "httpPort": http, "tlsPort": https,
            "domainBlocklist": [BLOCKED], "retryAfter": { "authz": 1, "order": 1 },
            "certificateValidityPeriod": options.validity.as_secs(),
        }});
        let file = folder.path().join("pebble.json");
        std::fs::write(&file, configuration.to_string())?;
        let mut names = None;
        let asked = match resolver {
            Some(resolver) => format!("{resolver}:53"),
            None => {
                let own = names.insert(start_names(&address(2), &address(3), folder.path())?);
                own.wait_for(address(3).parse()?)?;
                address(2)
            }
        };
        let mut pebble = start_pebble(&file, &asked, folder.path())?;
        pebble.wait_for(address(0).parse()?)?;
        let client = HttpsClient::new(roots(Some(&Roots::File(authority.roots().to_owned())))?)?;
        Ok(Self {
            folder,
            roots: authority.roots().to_owned(),
            client,
            directory: format!("https://{}/dir", address(0)),
            management: format!("https://{}", address(1)),
            records: format!("http://{}", address(3)),
            pebble,
            start: (file, asked),
            _names: names,
            _ports: ports,
        })
    }

    /// The URL of its directory.
    #[must_use]
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The file with the root certificate of its server. Those that it issues have another one ([`Self::issuer`]).
    #[must_use]
    pub fn roots(&self) -> &Path {
        &self.roots
    }

    /// A file with the root certificate of those that it issues.
    pub fn issuer(&self) -> Result<PathBuf> {
        let request = Request::get(format!("{}/roots/0", self.management)).body(Full::default())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(self.client.send(request, LIMITS))?;
        ensure!(answer.status().is_success(), "its root: {}", answer.status());
        let file = self.folder().join("issuer.pem");
        std::fs::write(&file, answer.into_body())?;
        Ok(file)
    }

    /// A client that trusts its server.
    #[must_use]
    pub fn client(&self) -> HttpsClient {
        self.client.clone()
    }

    /// Sets a TXT record.
    pub async fn set_txt(&self, name: &str, value: &str) -> Result<()> {
        self.control("set-txt", &json!({ "host": format!("{name}."), "value": value })).await
    }

    /// Removes a TXT record.
    pub async fn clear_txt(&self, name: &str) -> Result<()> {
        self.control("clear-txt", &json!({ "host": format!("{name}.") })).await
    }

    /// Makes a name one that does not exist.
    pub async fn forget_name(&self, name: &str) -> Result<()> {
        self.control("set-servfail", &json!({ "host": format!("{name}.") })).await
    }

    /// Ends the authority, as if it were down.
    pub fn stop(&mut self) {
        self.pebble.kill();
    }

    /// Starts the authority again after [`Self::stop`]. It has forgotten everything.
    pub fn resume(&mut self) -> Result<()> {
        let (configuration, names) = &self.start;
        self.pebble = start_pebble(configuration, names, self.folder.path())?;
        let address = self.directory.trim_start_matches("https://").trim_end_matches("/dir").parse()?;
        self.pebble.wait_for(address)
    }

    /// The output of the authority so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.pebble.log()
    }

    /// A folder that ends with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    async fn control(&self, what: &str, body: &Value) -> Result<()> {
        let request = Request::post(format!("{}/{what}", self.records))
            .body(Full::new(Bytes::from(body.to_string())))?;
        let answer = self.client.send(request, LIMITS).await?;
        ensure!(answer.status().is_success(), "{what}: {}", answer.status());
        Ok(())
    }
}

fn start_names(records: &str, control: &str, folder: &Path) -> Result<Service> {
    let mut command = Command::new(program("pebble-challtestsrv")?);
    command.args([
        "-defaultIPv4",
        "127.0.0.1",
        "-defaultIPv6",
        "",
        "-dns01",
        records,
        "-management",
        control,
    ]);
    // Those who answer challenges are the tests themselves.
    command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""]);
    Service::start("pebble-challtestsrv", command, &folder.join("names.log"))
}

fn start_pebble(configuration: &Path, names: &str, folder: &Path) -> Result<Service> {
    let mut command = Command::new(program("pebble")?);
    command.arg("-config").arg(configuration).args(["-dnsserver", names, "-strict"]);
    command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "20").env("PEBBLE_AUTHZREUSE", "0");
    Service::start("pebble", command, &folder.join("pebble.log"))
}

/// A program of Debian's package `pebble`, which `scripts/prepare test` unpacks into the project's cache.
fn program(name: &str) -> Result<PathBuf> {
    cached(&format!("pebble/usr/bin/{name}"))
        .with_context(|| format!("{name} is not in the cache; scripts/prepare test fetches it"))
}
