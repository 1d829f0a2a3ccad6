//! The MTA-STS policies of destinations (RFC 8461): looked up, fetched, remembered.

use std::sync::Arc;
use std::time::Duration;

use dns::Resolver;
use host::clock;
use host::locks::Mutex;
use http_body_util::Full;
use https_client::{HttpsClient, RequestLimits};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode, Uri};
use mail_types::Domain;
use relay_policy::{POLICY_LIMIT, Policy, PolicyCache, PolicyId, PolicyStep, is_uncertified};
use rustls::RootCertStore;

/// The limits of one fetch; RFC 8461 section 3.3 suggests a minute, but a sender may wait.
const FETCH_LIMITS: RequestLimits = RequestLimits { time: Duration::from_secs(15), bytes: POLICY_LIMIT + 1 };

/// The policies that are known.
pub(super) struct Policies {
    cache: Mutex<PolicyCache>,
    client: HttpsClient,
}

impl Policies {
    /// None yet; they are fetched from servers whose certificates these authorities issued.
    pub(super) fn new(roots: RootCertStore) -> anyhow::Result<Self> {
        Ok(Self { cache: Mutex::default(), client: HttpsClient::new(roots)? })
    }

    /// The policy of a destination, if it has one.
    pub(super) async fn of(&self, resolver: &Resolver, destination: &Domain) -> Option<Arc<Policy>> {
        if is_uncertified(destination) {
            return None;
        }
        let name = PolicyId::record_name(destination)?;
        let published = resolver.texts(&name).await.ok().and_then(|texts| PolicyId::find(&texts));
        let step = self.cache.lock().step(destination, published.as_ref(), clock::wall());
        match (step, published) {
            (PolicyStep::Known(policy), _) => policy,
            (PolicyStep::Fetch, Some(id)) => {
                let fetched = self.fetch(destination).await.inspect_err(|error| {
                    tracing::debug!(error = format!("{error:#}"), "a policy could not be fetched");
                });
                self.cache.lock().fetched(destination, id, fetched.ok(), clock::wall())
            }
            (PolicyStep::Fetch, None) => None,
        }
    }

    async fn fetch(&self, destination: &Domain) -> anyhow::Result<Policy> {
        let uri: Uri = Policy::uri(destination).unwrap_or_default().parse()?;
        let mut request = Request::new(Full::default());
        *request.uri_mut() = uri;
        // The client follows no redirection, as RFC 8461 section 3.3 wants it.
        let response = self.client.send(request, FETCH_LIMITS).await?;
        anyhow::ensure!(response.status() == StatusCode::OK, "the answer is {}", response.status());
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        anyhow::ensure!(media_type.is_some_and(Policy::is_media_type), "the answer is no plain text");
        Ok(Policy::parse(response.body())?)
    }
}
