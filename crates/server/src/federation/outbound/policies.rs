//! The MTA-STS policies of destinations (RFC 8461): looked up, fetched, remembered.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use host::clock;
use mail_types::Domain;
use relay_policy::{POLICY_LIMIT, Policy, PolicyId, PolicyStep, is_uncertified};

use super::addresses::Unreached;
use super::dial::dial;
use super::https::HttpsConnection;
use super::transport::Transport;

/// The time for one fetch; RFC 8461 section 3.3 suggests a minute, but a sender may wait.
const FETCH_LIMIT: Duration = Duration::from_secs(15);

impl Transport {
    /// The policy of a destination, if it has one.
    pub(super) async fn policy(&self, destination: &Domain) -> Option<Arc<Policy>> {
        if is_uncertified(destination) {
            return None;
        }
        let name = PolicyId::record_name(destination)?;
        let published = self.resolver.texts(&name).await.ok().and_then(|texts| PolicyId::find(&texts));
        let step = self.policies.lock().step(destination, published.as_ref(), clock::wall());
        match (step, published) {
            (PolicyStep::Known(policy), _) => policy,
            (PolicyStep::Fetch, Some(id)) => {
                let fetch = tokio::time::timeout(FETCH_LIMIT, self.fetch(destination));
                let fetched =
                    fetch.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
                if let Err(error) = &fetched {
                    tracing::debug!(error = format!("{error:#}"), "a policy could not be fetched");
                }
                self.policies.lock().fetched(destination, id, fetched.ok(), clock::wall())
            }
            (PolicyStep::Fetch, None) => None,
        }
    }

    /// Over a connection as mail has them: by the same name servers, and to no private network. No redirection is
    /// followed (RFC 8461 section 3.3).
    async fn fetch(&self, destination: &Domain) -> anyhow::Result<Policy> {
        let uri: hyper::Uri = Policy::uri(destination).unwrap_or_default().parse()?;
        let host = uri.host().unwrap_or_default();
        let addresses = self.addresses(host).await.map_err(Unreached::trouble)?;
        let trust = self.trusts.by_authority(host)?;
        let stream = dial(&addresses, self.peers.https).await?;
        let mut connection = HttpsConnection::open(stream, host, &trust).await?;
        let (media_type, body) = connection.get(uri.path(), POLICY_LIMIT + 1).await?;
        anyhow::ensure!(Policy::is_media_type(&media_type), "the answer is no plain text");
        Ok(Policy::parse(&body)?)
    }
}
