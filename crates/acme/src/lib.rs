//! A certificate authority, asked by ACME (RFC 8555): an account, orders with their challenges, and its advice when to
//! renew (RFC 9773).
//!
//! It keeps nothing and waits for nothing but the answers of one order: the time of an order and the choice of its
//! challenge are rules (`relay_policy::certificate`), the answers to challenges are given by a [`ChallengeResponder`], and
//! the caller keeps the account and the certificate.
//!
//! | step | by |
//! |---|---|
//! | which authority? | [`Authority`], by the URL of its directory |
//! | who asks? | [`Account`], made once and restored from what the caller kept |
//! | a certificate | [`Account::order`] |
//! | answers to challenges | [`LocalChallenges`] for the ports 443 and 80; TXT records are the caller's |
//! | when to renew? | [`Account::renewal_advice`] |
#![forbid(unsafe_code)]

/// Makes a request again when the authority did not like its nonce (RFC 8555 section 6.5), some times: the library itself
/// does so twice, which is too little for an authority that has just restarted, or that checks whether clients can.
macro_rules! patiently {
    ($request:expr) => {{
        let mut left = 4_u8;
        loop {
            left = left.saturating_sub(1);
            match $request.await {
                Err(instant_acme::Error::Api(problem))
                    if left > 0 && crate::failure::is_bad_nonce(&problem) => {}
                result => break result,
            }
        }
    }};
}

mod account;
mod authority;
mod challenge;
mod failure;
mod order;
mod transport;

pub use account::{Account, RenewalAdvice};
pub use authority::{Authority, LETS_ENCRYPT, LETS_ENCRYPT_STAGING};
pub use challenge::{BoxFuture, Challenge, ChallengeResponder, ChallengeStore, LocalChallenges};
pub use order::{CertificateOrder, Issued, Optional};
