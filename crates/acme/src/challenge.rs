//! Challenges, and those who answer them.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::ensure;
use host::locks::Mutex;
use relay_policy::certificate::ChallengeToken;
use tls::ChallengeCertificates;

/// The most answers that are kept at once; an order has two names.
const ANSWERS_LIMIT: usize = 16;

/// A future that can be a trait object's answer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The answer that an authority will look for.
#[derive(Clone, PartialEq, Eq)]
pub enum Challenge {
    /// A handshake on port 443 with a certificate for the name (RFC 8737 section 3).
    TlsAlpn01 {
        /// The domain name or the address.
        name: String,
        /// The SHA-256 of the key authorization.
        digest: [u8; 32],
    },
    /// A text on port 80 at `/.well-known/acme-challenge/TOKEN` (RFC 8555 section 8.3).
    Http01 {
        /// The domain name or the address.
        name: String,
        /// The token in the path.
        token: ChallengeToken,
        /// The text.
        key_authorization: String,
    },
    /// A TXT record (RFC 8555 section 8.4).
    Dns01 {
        /// The domain name.
        name: String,
        /// The record's whole name, `_acme-challenge.` and the domain name.
        record: String,
        /// The record's text.
        value: String,
    },
}

/// Those who answer challenges.
pub trait ChallengeResponder: Send + Sync {
    /// Gives the answer from now on, until it is withdrawn. When the future ends the authority can see it: a record is on
    /// all name servers of its zone.
    ///
    /// # Errors
    ///
    /// When the answer cannot be given; nothing is left to withdraw then.
    fn present<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, anyhow::Result<()>>;

    /// Takes the answer away; the attempt is over.
    fn withdraw<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, ()>;

    /// Takes the answer away when an order's future is dropped, where there is no time for more than a lock.
    fn forget(&self, challenge: &Challenge);
}

/// The answers on port 80, by token. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ChallengeStore {
    answers: Arc<Mutex<BTreeMap<ChallengeToken, String>>>,
}

impl ChallengeStore {
    /// Gives this answer for a token, until it is removed.
    ///
    /// # Errors
    ///
    /// When 16 other answers are kept.
    pub fn insert(&self, token: ChallengeToken, key_authorization: String) -> anyhow::Result<()> {
        let mut answers = self.answers.lock();
        let has_room = answers.len() < ANSWERS_LIMIT || answers.contains_key(&token);
        ensure!(has_room, "{ANSWERS_LIMIT} challenges are pending already");
        answers.insert(token, key_authorization);
        Ok(())
    }

    /// Removes the answer for a token.
    pub fn remove(&self, token: &ChallengeToken) {
        self.answers.lock().remove(token);
    }

    /// True while no challenge is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.lock().is_empty()
    }

    /// The key authorization for a token; none for a token that is not of a pending challenge of this server.
    #[must_use]
    pub fn answer(&self, token: &ChallengeToken) -> Option<String> {
        self.answers.lock().get(token).cloned()
    }
}

/// The answers that this machine gives itself, on the ports 443 and 80.
#[derive(Clone, Debug, Default)]
pub struct LocalChallenges {
    /// On port 443: those of the TLS settings.
    pub certificates: ChallengeCertificates,
    /// On port 80.
    pub answers: ChallengeStore,
}

impl LocalChallenges {
    /// True while no challenge is pending.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.certificates.is_empty() && self.answers.is_empty()
    }
}

impl ChallengeResponder for LocalChallenges {
    fn present<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            match challenge {
                Challenge::TlsAlpn01 { name, digest } => self.certificates.present(name, digest),
                Challenge::Http01 { token, key_authorization, .. } => {
                    self.answers.insert(token.clone(), key_authorization.clone())
                }
                Challenge::Dns01 { record, .. } => {
                    anyhow::bail!("nothing is configured that could publish the record {record}")
                }
            }
        })
    }

    fn withdraw<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, ()> {
        Box::pin(async { self.forget(challenge) })
    }

    fn forget(&self, challenge: &Challenge) {
        match challenge {
            Challenge::TlsAlpn01 { name, .. } => self.certificates.withdraw(name),
            Challenge::Http01 { token, .. } => self.answers.remove(token),
            Challenge::Dns01 { .. } => {}
        }
    }
}

/// The answers of one order: all are taken away when it is over, however it ends.
pub(crate) struct Presented<'a> {
    responder: &'a dyn ChallengeResponder,
    challenges: Vec<Challenge>,
}

impl<'a> Presented<'a> {
    pub(crate) fn new(responder: &'a dyn ChallengeResponder) -> Self {
        Self { responder, challenges: Vec::new() }
    }

    pub(crate) async fn present(&mut self, challenge: Challenge) -> anyhow::Result<()> {
        // Known before it is given: an order that is dropped meanwhile forgets it all the same.
        self.challenges.push(challenge.clone());
        let presented = self.responder.present(&challenge).await;
        if presented.is_err() {
            self.challenges.pop();
        }
        presented
    }

    pub(crate) async fn withdraw(&mut self) {
        while let Some(challenge) = self.challenges.last() {
            self.responder.withdraw(challenge).await;
            self.challenges.pop();
        }
    }
}

impl Drop for Presented<'_> {
    fn drop(&mut self) {
        for challenge in &self.challenges {
            self.responder.forget(challenge);
        }
    }
}

#[cfg(test)]
mod tests {
    use relay_policy::certificate::ChallengeToken;

    use super::{Challenge, ChallengeResponder, ChallengeStore, LocalChallenges, Presented};

    fn token(text: &str) -> ChallengeToken {
        ChallengeToken::try_from(text).unwrap()
    }

    fn by_http(text: &str) -> Challenge {
        Challenge::Http01 {
            name: "box.test".to_owned(),
            token: token(text),
            key_authorization: format!("{text}.thumb"),
        }
    }

    #[test]
    fn only_own_tokens_are_answered_and_they_have_a_limit() {
        let store = ChallengeStore::default();
        for number in 0..16 {
            store.insert(token(&number.to_string()), "x".to_owned()).unwrap();
        }
        store.insert(token("more"), "x".to_owned()).unwrap_err();
        store.insert(token("3"), "y".to_owned()).unwrap();
        assert_eq!(store.answer(&token("3")).as_deref(), Some("y"));
        assert_eq!(store.answer(&token("more")), None);
        store.remove(&token("3"));
        assert_eq!(store.clone().answer(&token("3")), None);
    }

    #[tokio::test]
    async fn answers_go_when_the_order_ends_or_is_dropped() {
        let local = LocalChallenges::default();
        let given = |text: &str| local.answers.answer(&token(text)).is_some();
        let mut presented = Presented::new(&local);
        presented.present(by_http("a")).await.unwrap();
        presented.present(by_http("b")).await.unwrap();
        assert!(given("a") && given("b"));
        presented.withdraw().await;
        assert!(!given("a") && !given("b"));
        presented.present(by_http("c")).await.unwrap();
        drop(presented);
        assert!(!given("c"));
        let record = Challenge::Dns01 {
            name: "box.test".to_owned(),
            record: "_acme-challenge.box.test".to_owned(),
            value: "x".to_owned(),
        };
        local.present(&record).await.unwrap_err();
    }
}
