//! The rotation of DKIM keys: the next key is made on demand, and signs as soon as its record is seen.

use std::sync::Arc;
use std::time::Duration;

use host::clock;
use ipc::control::Response;
use mail_types::Domain;
use relay_policy::reachability::{Context, DomainFacts, Seen, domain_records, judge};

use super::Reachability;
use crate::federation::signing::Signer;
use crate::federation::zone::Zone;
use crate::runtime::blocking;

/// From one look at the records to the next.
const INTERVAL: Duration = Duration::from_secs(3600);

impl Reachability {
    /// Makes the next key, if there is none.
    pub(crate) async fn rotate_key(&self) -> Response {
        match self.try_rotate().await {
            Ok(name) => Response::NextKey(name),
            Err(error) => Response::Refused(format!("No key was made: {error:#}.")),
        }
    }

    async fn try_rotate(&self) -> anyhow::Result<String> {
        let signer = Arc::clone(self.signer().await?);
        blocking::run(move || {
            let now = clock::wall();
            signer.rotate(now)?;
            signer
                .next_record(now)
                .map(|record| record.name)
                .ok_or_else(|| anyhow::anyhow!("it is in use already"))
        })
        .await?
    }

    /// Looks for the record of the next key every hour, until it is cancelled.
    pub(crate) async fn watch_keys(self: Arc<Self>) {
        loop {
            // While mail goes to no other server nobody has opened the keys, and nothing is signed.
            if let Some(signer) = self.signer.get() {
                self.look_after_keys(signer).await;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn look_after_keys(&self, signer: &Arc<Signer>) {
        let is_published = self.next_key_is_published(signer).await;
        let signer = Arc::clone(signer);
        let work = move || {
            let now = clock::wall();
            if is_published && signer.change_over(now)? {
                tracing::info!("the record of the next DKIM key was seen: it signs from now on");
            }
            signer.drop_retired(now)
        };
        if let Err(error) = blocking::run(work).await.map_err(anyhow::Error::from).flatten() {
            tracing::error!(error = format!("{error:#}"), "the DKIM keys could not be changed");
        }
    }

    async fn next_key_is_published(&self, signer: &Signer) -> bool {
        let (Some(next), Domain::Name(domain)) = (signer.next_record(clock::wall()), &self.config.domain)
        else {
            return false;
        };
        let Ok(zone) = Zone::find(&self.resolver, domain, self.peers.names).await else { return false };
        let seen = zone.records(&next.name, dns::RecordKind::Txt).await;
        let facts =
            DomainFacts { domain: domain.clone(), keys: vec![next.clone()], ..DomainFacts::default() };
        is_right(&facts, &next.name, &seen)
    }

    /// One look at the records, in a test that does not wait for an hour.
    #[cfg(test)]
    pub(crate) async fn look_after_keys_now(&self) {
        let signer = Arc::clone(self.signer().await.expect("keys"));
        self.look_after_keys(&signer).await;
    }
}

/// Good, and nothing less: a key that signs must be seen by every verifier.
fn is_right(facts: &DomainFacts, name: &str, seen: &Seen) -> bool {
    let context = Context { own: &[], addresses: &[] };
    let records = domain_records(facts);
    let record = records.iter().find(|record| record.name == name);
    let judged = record.map(|record| judge(record, seen, &context));
    judged.is_some_and(|judged| judged.state == ipc::reachability::FindingState::Good)
}
