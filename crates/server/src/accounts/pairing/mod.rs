//! The pairing window of a running server: one task owns the machine and the credentials it minted; everybody else
//! sends it commands and watches what it shows.
//!
//! A code is a name and a password that nobody else has, and only a first login with both makes an account: whoever
//! reaches the open window's ports without having seen a code stays outside. Each account brings the next code, so a
//! family scans one after another; a few codes before the newest stay good, for whoever has just scanned one.

mod mint;
mod task;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use mail_types::{Address, Secret};
use pairing::DisplayStatus;
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use mint::Credentials;
pub(crate) use task::{PairingTask, Setup, endpoint};

/// Commands that may wait for the task.
const COMMANDS_WAITING: usize = 64;

/// What everybody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// What a person may know of the box, pairing code included while the window is open.
    pub(crate) status: DisplayStatus,
    /// The whole text of the screens.
    pub(crate) screen: String,
}

/// What the task is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// A request to open, the network, trouble: for the machine.
    Happened(pairing::Input),
    /// The machine's addresses changed.
    Addresses(Vec<IpAddr>),
    /// Sentences for the screen; the LED shows whether there are any.
    Troubles(Vec<String>),
    /// Open the window and tell what it shows then.
    Open(oneshot::Sender<View>),
    /// May these credentials make an account?
    IsInvited(Credentials, oneshot::Sender<bool>),
    /// So many accounts there are, after some were removed.
    Accounts(usize),
    /// They did.
    AccountCreated(Address, oneshot::Sender<()>),
}

/// How the rest of the server speaks with the task. When the task is gone nobody is invited.
#[derive(Clone, Debug)]
pub(crate) struct PairingHandle {
    commands: mpsc::Sender<Command>,
    view: watch::Receiver<View>,
}

impl PairingHandle {
    /// What is shown now and from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// Tells the machine that something happened.
    pub(crate) async fn happened(&self, input: pairing::Input) {
        self.send(Command::Happened(input)).await;
    }

    /// Tells the machine's addresses.
    pub(crate) async fn addresses(&self, addresses: Vec<IpAddr>) {
        self.send(Command::Addresses(addresses)).await;
    }

    /// Tells how many accounts are left after some were removed.
    pub(crate) async fn accounts(&self, count: usize) {
        self.send(Command::Accounts(count)).await;
    }

    /// Tells what needs a person's attention; nothing, when the list is empty.
    pub(crate) async fn troubles(&self, troubles: Vec<String>) {
        self.send(Command::Troubles(troubles)).await;
    }

    /// Opens the window; none when the server is ending.
    pub(crate) async fn open(&self) -> Option<View> {
        let (answer, opened) = oneshot::channel();
        self.send(Command::Open(answer)).await;
        opened.await.ok()
    }

    /// Whether these credentials were minted for the window that is open.
    pub(crate) async fn is_invited(&self, address: &Address, password: &Secret) -> bool {
        let (answer, invited) = oneshot::channel();
        let credentials = Credentials { address: address.clone(), password: password.clone() };
        self.send(Command::IsInvited(credentials, answer)).await;
        invited.await.unwrap_or(false)
    }

    /// Tells that an account exists now; returns when the window knows.
    pub(crate) async fn account_created(&self, address: &Address) {
        let (answer, noted) = oneshot::channel();
        self.send(Command::AccountCreated(address.clone(), answer)).await;
        let _ = noted.await;
    }

    async fn send(&self, command: Command) {
        // The task ends with the server; what is said after that concerns nobody.
        let _ = self.commands.send(command).await;
    }
}
