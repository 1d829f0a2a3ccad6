//! An authority, by the URL of its directory.

use anyhow::{Context, ensure};
use https_client::HttpsClient;
use hyper::Uri;

use crate::transport::Transport;

/// The directory of Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// The directory of Let's Encrypt's rehearsal: generous limits, and certificates that no client trusts.
pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// A certificate authority with an ACME directory (RFC 8555 section 7.1.1).
#[derive(Clone, Debug)]
pub struct Authority {
    pub(crate) directory: String,
    pub(crate) client: HttpsClient,
}

impl Authority {
    /// The authority with the directory at this URL, asked by this client, which must trust the authority's server.
    ///
    /// # Errors
    ///
    /// When it is no HTTPS URL (RFC 8555 section 6.1).
    pub fn new(directory: &str, client: HttpsClient) -> anyhow::Result<Self> {
        let uri: Uri = directory.parse().with_context(|| format!("reading the URL {directory}"))?;
        ensure!(uri.scheme_str() == Some("https"), "{directory} does not begin with https://");
        Ok(Self { directory: directory.to_owned(), client })
    }

    pub(crate) fn transport(&self) -> Transport {
        Transport::new(self.client.clone())
    }
}
