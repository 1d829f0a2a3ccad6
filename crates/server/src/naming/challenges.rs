//! The answers to an authority's challenges: on the ports 443 and 80 of this server, and by the provider of its records.

use std::sync::Arc;

use acme::{BoxFuture, Challenge, ChallengeResponder, LocalChallenges};
use relay_policy::certificate::ChallengeKind;

use super::updater::Updater;

/// The answers that this server can give.
#[derive(Clone)]
pub(crate) struct Responder {
    pub(crate) local: LocalChallenges,
    /// None if the records are the owner's to write.
    pub(crate) records: Option<Arc<Updater>>,
    /// Whether port 443 is listened on.
    pub(crate) https: bool,
    /// Whether port 80 is listened on.
    pub(crate) http: bool,
}

impl Responder {
    /// The kinds of challenges that it can answer.
    pub(crate) fn available(&self) -> Vec<ChallengeKind> {
        let kinds = [
            (self.https, ChallengeKind::TlsAlpn01),
            (self.http, ChallengeKind::Http01),
            (self.records.is_some(), ChallengeKind::Dns01),
        ];
        kinds.into_iter().filter_map(|(available, kind)| available.then_some(kind)).collect()
    }
}

impl ChallengeResponder for Responder {
    fn present<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, anyhow::Result<()>> {
        match (challenge, &self.records) {
            (Challenge::Dns01 { record, value, .. }, Some(records)) => {
                Box::pin(records.publish(record, value))
            }
            _ => self.local.present(challenge),
        }
    }

    fn withdraw<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, ()> {
        match (challenge, &self.records) {
            (Challenge::Dns01 { record, .. }, Some(records)) => Box::pin(records.remove(record)),
            _ => self.local.withdraw(challenge),
        }
    }

    fn forget(&self, challenge: &Challenge) {
        match (challenge, &self.records) {
            (Challenge::Dns01 { record, .. }, Some(records)) => records.remove_later(record),
            _ => self.local.forget(challenge),
        }
    }
}
