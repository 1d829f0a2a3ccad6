//! The rules of a chatmail relay, pure: each a function or a small machine with time and chance as arguments.
//!
//! | question | answered by |
//! |---|---|
//! | may this message be sent or taken? | [`Inspection`], then [`judge_outgoing`] or [`judge_incoming`] |
//! | too much mail? | [`RateLimiter`] |
//! | whose mail is not wanted? | [`BlockList`] |
//! | what leaves the header? | [`HeaderCleanup`] |
//! | who may become an account? | [`Registration`], [`JoinRefusal`], [`AccountRules`], [`mint_name`] |
//! | what are the terms of an invite? | [`InviteToken`], [`InviteTerms`] |
//! | where does a recipient live? | [`route`] |
//! | what must a host prove before it gets mail? | [`HostProof`], with [`PolicyCache`] for MTA-STS |
//! | again, or give up? | [`RetrySchedule`] |
//! | which queued message next, to which server? | [`OutboundSchedule`] |
//! | what goes when? | [`ExpiryRules`], [`token_is_expired`] |
//! | which device is notified when? | [`PushQueue`] |
//! | which records does a domain need, and can others reach it? | [`reachability`] |
//! | when is a certificate asked for, and by which challenge? | [`certificate`] |
//! | how is the sender told? | [`Refusal`] at once, [`Bounce`] later |
//!
//! No store, no socket, no clock, no logging. Large messages pass through in pieces of any size; memory stays bounded.
#![forbid(unsafe_code)]

mod account;
mod armour;
mod block_list;
mod bounce;
pub mod certificate;
mod cleanup;
mod expiry;
mod fields;
mod gate;
mod host_proof;
mod invite;
mod judge;
mod lines;
mod mta_sts;
mod outbound;
mod packets;
mod parts;
mod policy_cache;
mod push;
mod rate;
pub mod reachability;
mod refusal;
mod registration;
mod retry;
mod routing;
mod transfer;

pub use account::{AccountRefusal, AccountRules, mint_name, mint_password};
pub use block_list::BlockList;
pub use bounce::{Bounce, FailedRecipient};
pub use cleanup::{HeaderCleanup, Purpose};
pub use expiry::{ExpiryRules, Held, Load, Noticed, Quota};
pub use gate::{Content, Inspected, Inspection};
pub use host_proof::{HostNotInPolicy, HostProof, host_proof, is_uncertified, tlsa_name};
pub use invite::{
    InviteLifetimeError, InviteTerms, InviteTermsError, InviteToken, InviteTokenError, parse_lifetime,
};
pub use judge::{Admitted, Cleartext, Origin, judge_incoming, judge_outgoing, may_send_as};
pub use mta_sts::{POLICY_LIMIT, Policy, PolicyError, PolicyId, PolicyMode};
pub use outbound::{Attempted, Due, OutboundSchedule, QueueShare, SMALL_MESSAGE, WaitingMessage};
pub use policy_cache::{PolicyCache, PolicyStep};
pub use push::{Device, PushQueue, PushTask, Reception, Settled, token_is_expired, token_is_valid};
pub use rate::{RateLimiter, SendRate};
pub use refusal::Refusal;
pub use registration::{JoinRefusal, Registration, RegistrationError};
pub use retry::{Next, Queued, RetrySchedule};
pub use routing::{Route, route};
