//! The way to the pairing task, and the view of the window that it shows.

use std::net::IpAddr;

use mail_types::{Address, Secret};
use pairing::DisplayStatus;
use tokio::sync::{mpsc, oneshot, watch};

use crate::accounts::pairing::mint::Credentials;

/// Commands that wait for the task at most.
pub(super) const COMMAND_QUEUE_LENGTH: usize = 64;

/// A command to the task.
#[derive(Debug)]
pub(super) enum Command {
    /// An input of the machine.
    Input(pairing::Input),
    /// The machine's addresses changed.
    Addresses(Vec<IpAddr>),
    /// Sentences for the screen; the LED shows whether there are any.
    Troubles(Vec<String>),
    /// Open the window, and answer with the status that shows it.
    Open(oneshot::Sender<DisplayStatus>),
    /// Answer whether these credentials may create an account.
    IsValid(Credentials, oneshot::Sender<bool>),
    /// The number of accounts, after some were removed.
    Accounts(usize),
    /// The account with this address was created.
    AccountCreated(Address, oneshot::Sender<()>),
}

/// The way to the task for the rest of the server. Once the task has ended no credentials are valid.
#[derive(Clone, Debug)]
pub(crate) struct PairingHandle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) view: watch::Receiver<DisplayStatus>,
}

impl PairingHandle {
    /// The status of the box, with the code while the window is open; now and from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<DisplayStatus> {
        self.view.clone()
    }

    /// Passes an input to the machine.
    pub(crate) async fn input(&self, input: pairing::Input) {
        self.send(Command::Input(input)).await;
    }

    /// Sets the machine's addresses.
    pub(crate) async fn addresses(&self, addresses: Vec<IpAddr>) {
        self.send(Command::Addresses(addresses)).await;
    }

    /// Sets the number of accounts, after some were removed.
    pub(crate) async fn accounts(&self, count: usize) {
        self.send(Command::Accounts(count)).await;
    }

    /// Sets the sentences about what needs attention.
    pub(crate) async fn troubles(&self, troubles: Vec<String>) {
        self.send(Command::Troubles(troubles)).await;
    }

    /// Opens the window; none when the server is ending.
    pub(crate) async fn open(&self) -> Option<DisplayStatus> {
        let (answer, opened) = oneshot::channel();
        self.send(Command::Open(answer)).await;
        opened.await.ok()
    }

    /// True if these credentials were minted for the window that is open.
    pub(crate) async fn is_valid(&self, address: &Address, password: &Secret) -> bool {
        let (answer, valid) = oneshot::channel();
        let credentials = Credentials { address: address.clone(), password: password.clone() };
        self.send(Command::IsValid(credentials, answer)).await;
        valid.await.unwrap_or(false)
    }

    /// Reports a new account; returns when the window knows it.
    pub(crate) async fn account_created(&self, address: &Address) {
        let (answer, noted) = oneshot::channel();
        self.send(Command::AccountCreated(address.clone(), answer)).await;
        let _ = noted.await;
    }

    async fn send(&self, command: Command) {
        // The task ends with the server; commands after that have no effect.
        let _ = self.commands.send(command).await;
    }
}
