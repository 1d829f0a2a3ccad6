//! The questions that the web asks the server: its state, fresh credentials, and accounts for invites.

use std::net::IpAddr;
use std::pin::Pin;

use ipc::control::NamingStatus;
use ipc::reachability::Finding;
use mail_types::{Address, Secret};
use relay_policy::certificate::ChallengeToken;
use relay_policy::{InviteToken, JoinRefusal};
use smtp::{Envelope, Reply};

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

    /// The state of the server's name; none for a server that has no name on the internet.
    fn naming(&self) -> Option<NamingStatus>;

    /// The findings of the last minutes about the network.
    fn last_findings(&self) -> BoxFuture<'_, Option<Vec<Finding>>>;

    /// The same, or new ones if there are none, which takes some seconds.
    fn look_at_network(&self) -> BoxFuture<'_, Vec<Finding>>;

    /// The key authorization for a challenge of ours that is pending (RFC 8555 section 8.1).
    fn challenge_answer(&self, token: &ChallengeToken) -> Option<String>;

    /// Begins to receive a message of another server, whose address is `peer`.
    ///
    /// # Errors
    ///
    /// When the server takes no message with this envelope, or none now.
    fn receive(&self, envelope: Envelope, peer: IpAddr)
    -> BoxFuture<'_, Result<Box<dyn MessageSink>, Reply>>;
}

/// A message on its way in. Dropped before its end, it is forgotten.
pub trait MessageSink: Send {
    /// Takes the next bytes, its dots unescaped; a failure is told at the end.
    fn push(&mut self, bytes: Vec<u8>) -> BoxFuture<'_, ()>;

    /// Takes the message, which is whole. `Ok` means that it is on disk in every mailbox that it reaches.
    ///
    /// # Errors
    ///
    /// The reply that says why it is not taken.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<(), Reply>>;
}
