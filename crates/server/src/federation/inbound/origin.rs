//! The proof that a message comes from the domain in its From.

use dkim::{Flaw, KeyAnswer, Signatures, Verdict};
use host::clock;
use mail_types::Domain;
use relay_policy::Refusal;

use super::keys::{KeySource, look_up};

/// Proves that the domain signed the message; `name` is the domain as a host name.
///
/// # Errors
///
/// The refusal of a message that is not signed, or not validly, or whose keys cannot be had now.
pub(super) async fn prove(
    keys: &dyn KeySource,
    signatures: &Signatures,
    domain: &Domain,
    name: &str,
) -> Result<(), Refusal> {
    match verdict(keys, signatures, name).await {
        Verdict::Valid => Ok(()),
        Verdict::NoSignature => Err(Refusal::NoDkimSignature),
        Verdict::Unavailable => Err(Refusal::OriginUnclear(domain.clone())),
        Verdict::Invalid(Flaw::FromTheFuture) => Err(Refusal::SignedLater(domain.clone())),
        Verdict::Invalid(flaw) => {
            tracing::debug!(%flaw, "a message from elsewhere is not signed by its author's domain");
            Err(Refusal::NoValidDkimSignature)
        }
    }
}

/// The verdict by the keys that are known; if that fails, by those that are asked for again: a domain may have changed its
/// key since.
async fn verdict(keys: &dyn KeySource, signatures: &Signatures, name: &str) -> Verdict {
    let now = clock::wall();
    let names = signatures.key_names(name, now);
    let mut verdict = Verdict::Unavailable;
    for _ in 0..2 {
        let answers = look_up(keys, &names).await;
        let answer = |name: &str| answers.get(name).cloned().unwrap_or(KeyAnswer::Unavailable);
        verdict = signatures.judge(name, now, answer);
        // Each name is forgotten, not only the first that can be.
        if !is_of_the_key(verdict) || names.iter().filter(|name| keys.forget(name)).count() == 0 {
            break;
        }
    }
    verdict
}

/// Whether another key might change the verdict.
fn is_of_the_key(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Invalid(Flaw::NoKey | Flaw::KeyRecord | Flaw::RevokedKey | Flaw::Signature))
}
