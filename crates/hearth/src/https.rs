//! Asking other servers by HTTPS: one client for everything that goes out. It keeps connections for a while, trusts the
//! roots of the machine, and takes no longer and no more than it is told.
//!
//! What is asked, and what an answer means, is the caller's business.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::serve::provider;

/// A server that does not let us in by then is not there, at all its addresses together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// A connection that is not used for so long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Idle connections to one server.
const IDLE_LIMIT: usize = 2;
/// TLS sessions that are remembered, to be resumed.
const SESSIONS_LIMIT: usize = 8;
/// The longest head of an answer, in bytes; hyper wants at least 8 KiB.
const HEAD_LIMIT: usize = 16 * 1024;

/// What one question may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// The time until the whole answer is here.
    pub(crate) time: Duration,
    /// The bytes of the answer's body that are read.
    pub(crate) bytes: usize,
}

/// A client; clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct HttpsClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpsClient {
    /// A client that believes whom these roots vouch for. It speaks plain HTTP too where the address says so.
    pub(crate) fn new(roots: RootCertStore) -> anyhow::Result<Self> {
        let mut tls = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .context("choosing TLS versions")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.resumption = Resumption::in_memory_sessions(SESSIONS_LIMIT);
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        // The connector around it has to pass on addresses that begin with `https`.
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_LIMIT)
            .http1_max_buf_size(HEAD_LIMIT)
            .build(connector);
        Ok(Self { client })
    }

    /// Asks, and gives the answer whatever its status is. Of a body longer than the limit, or one that breaks off, it
    /// gives the beginning.
    ///
    /// # Errors
    ///
    /// When no answer came in time: the name is not known, nobody listens, the certificate is not trusted, and so on.
    pub(crate) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        patience: Patience,
    ) -> anyhow::Result<Response<Vec<u8>>> {
        let asked = async {
            let (head, body) = self.client.request(request).await?.into_parts();
            let body = beginning(body, patience.bytes).await;
            Ok(Response::from_parts(head, body))
        };
        tokio::time::timeout(patience.time, asked)
            .await
            .with_context(|| format!("no answer within {} s", patience.time.as_secs()))?
    }
}

async fn beginning(mut body: Incoming, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let data = frame.into_data().unwrap_or_default();
        let room = limit.saturating_sub(bytes.len());
        bytes.extend(data.iter().take(room));
        if data.len() > room {
            break;
        }
    }
    bytes
}

/// The roots of the machine, and those in a PEM file of the owner's.
///
/// # Errors
///
/// When the owner's file cannot be read or has no certificate. A machine without roots is none: it trusts nobody but
/// the owner's.
pub(crate) fn roots(further: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // Some of a system's roots are always too old for our taste; what counts is how many are left.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = further {
        let certificates = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("reading the certificates in {}", file.display()))?;
        anyhow::ensure!(!certificates.is_empty(), "there is no certificate in {}", file.display());
        for certificate in certificates {
            roots.add(certificate).with_context(|| format!("using a certificate in {}", file.display()))?;
        }
    }
    Ok(roots)
}
