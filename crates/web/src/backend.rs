//! The questions that the web asks the server: its state, fresh credentials, and accounts for invites.

use std::net::IpAddr;
use std::pin::Pin;

use mail_types::{Address, Secret};
use relay_policy::{InviteToken, JoinRefusal};

/// An account's address and password.
pub type Credentials = (Address, Secret);
/// A future that can be a trait object's answer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The server behind the pages.
pub trait Backend: Send + Sync + 'static {
    /// The state of the box, with the pairing link while the pairing window is open.
    fn status(&self) -> pairing::DisplayStatus;

    /// Fresh credentials. They are on no disk: the first login with them creates the account.
    ///
    /// # Errors
    ///
    /// When the registration mode lets no client create an account by itself, or no random bytes are to be had.
    fn credentials(&self) -> Result<Credentials, JoinRefusal>;

    /// Tells whether redeeming this invite would create an account now. It redeems nothing.
    ///
    /// # Errors
    ///
    /// When it would not. A token that no invite has counts as a guess of the peer's network.
    fn examine_invite(&self, token: &InviteToken, peer: IpAddr) -> Result<(), JoinRefusal>;

    /// Redeems an invite: creates an account and takes one use off the invite. Both are on disk when the future ends.
    ///
    /// # Errors
    ///
    /// As [`Self::examine_invite`], and when the machine is short of disk or memory.
    fn redeem_invite(
        &self,
        token: InviteToken,
        peer: IpAddr,
    ) -> BoxFuture<'_, Result<Credentials, JoinRefusal>>;
}
