//! What is asked of the server: fresh credentials, and accounts for invites.

use std::net::IpAddr;
use std::pin::Pin;

use mail_types::{Address, Secret};
use relay_policy::InviteToken;

use super::invite::Refusal;

/// An account's address and password.
pub type Credentials = (Address, Secret);
/// The end of something that takes a while.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the pages need to know, and what they may ask for.
pub trait Office: Send + Sync + 'static {
    /// What a person may know of the box without asking, pairing code included while the window is open.
    fn status(&self) -> pairing::Status;
    /// Fresh credentials for an account that its first login will create, or why there are none.
    fn credentials(&self) -> Result<Credentials, Refusal>;
    /// Whether this invite would make an account now.
    fn examine_invite(&self, token: &InviteToken, peer: IpAddr) -> Result<(), Refusal>;
    /// Makes an account for whoever brings this invite; when it returns, the account exists.
    fn redeem_invite(&self, token: InviteToken, peer: IpAddr) -> Later<'_, Result<Credentials, Refusal>>;
}
