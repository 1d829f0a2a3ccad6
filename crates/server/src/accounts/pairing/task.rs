//! The task: feeds [`pairing::PairingWindow`], mints credentials when it opens, and draws what it shows.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use host::clock;
use mail_types::Domain;
use pairing::{
    DisplayStatus, Endpoint, Input, LedState, Output, PairingCode, PairingWindow, WindowEnd, login_link,
};
use relay_policy::Registration;
use tls::TlsSettings;
use tokio::sync::{mpsc, watch};

use crate::accounts::pairing::handle::{COMMAND_QUEUE_LENGTH, Command, PairingHandle};
use crate::accounts::pairing::mint::Credentials;
use crate::runtime::until::until;

/// The codes of one window that are valid, the newest included: a phone may just have scanned an older one.
const VALID_CODES: usize = 8;
/// The unit in which the window's end is shown.
const MINUTE: Duration = Duration::from_secs(60);

/// The task's settings.
#[derive(Clone)]
pub(crate) struct Setup {
    /// The part after the `@`.
    pub(crate) domain: Domain,
    /// The window is of use with `Open` and `Pairing` only.
    pub(crate) registration: Registration,
    /// The host that links name, if the configuration says so.
    pub(crate) host: Option<String>,
    /// The port of IMAP over TLS that links name.
    pub(crate) imaps_port: u16,
    /// The port of submission over TLS that links name.
    pub(crate) submissions_port: u16,
    /// The number of accounts at the start.
    pub(crate) accounts: usize,
    /// The machine's addresses as far as known at the start.
    pub(crate) addresses: Vec<IpAddr>,
    /// For the certificate of the moment.
    pub(crate) tls: TlsSettings,
    /// Whether an authority is asked for a certificate: until there is one, the name may not lead here yet.
    pub(crate) awaits_certificate: bool,
}

/// The machine and its surroundings.
pub(crate) struct PairingTask {
    setup: Setup,
    machine: PairingWindow,
    /// Shown on the screen, the newest first.
    codes: Vec<Credentials>,
    accounts: usize,
    addresses: Vec<IpAddr>,
    troubles: Vec<String>,
    led: LedState,
    wake_at: Option<Instant>,
    commands: mpsc::Receiver<Command>,
    view: watch::Sender<DisplayStatus>,
}

impl PairingTask {
    /// The task, not yet running, and its handle.
    pub(crate) fn new(setup: Setup) -> (Self, PairingHandle) {
        let (sender, commands) = mpsc::channel(COMMAND_QUEUE_LENGTH);
        let status = status(&setup.domain, setup.accounts, &setup.addresses);
        let (view, watched) = watch::channel(status);
        let lets_in = matches!(setup.registration, Registration::Open | Registration::Pairing);
        let now = clock::now();
        let mut task = Self {
            machine: PairingWindow::new(setup.accounts > 0 || !lets_in),
            codes: Vec::new(),
            accounts: setup.accounts,
            addresses: setup.addresses.clone(),
            troubles: Vec::new(),
            led: LedState::Booting,
            wake_at: None,
            setup,
            commands,
            view,
        };
        let up = !task.addresses.is_empty();
        task.machine.handle(now, Input::Network { up });
        task.carry_out_outputs();
        task.show(now);
        (task, PairingHandle { commands: sender, view: watched })
    }

    /// Runs until the last handle is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let now = clock::now();
            let wake_at = self.wake_at.into_iter().chain(self.next_minute(now)).min();
            let woken = tokio::select! {
                command = self.commands.recv() => Some(command),
                () = until(wake_at) => None,
            };
            let now = clock::now();
            match woken {
                Some(Some(command)) => self.carry_out_command(now, command),
                Some(None) => return,
                None => {
                    // The machine names a new time if it wants one; this one is used up.
                    self.wake_at = self.wake_at.filter(|&time| time > now);
                    self.machine.handle(now, Input::Tick);
                }
            }
            self.carry_out_outputs();
            self.show(now);
        }
    }

    fn carry_out_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Input(input) => self.machine.handle(now, input),
            Command::Addresses(addresses) => {
                self.machine.handle(now, Input::Network { up: !addresses.is_empty() });
                self.addresses = addresses;
            }
            Command::Troubles(troubles) => {
                self.machine.handle(now, Input::Trouble { present: !troubles.is_empty() });
                self.troubles = troubles;
            }
            Command::Open(answer) => {
                self.machine.handle(now, Input::OpenRequested);
                self.carry_out_outputs();
                self.show(now);
                let _ = answer.send(self.view.borrow().clone());
            }
            Command::IsValid(credentials, answer) => {
                let known = self.codes.contains(&credentials);
                let _ = answer.send(known && self.machine.end().is_some());
            }
            Command::Accounts(count) => self.accounts = count,
            Command::AccountCreated(address, answer) => {
                self.codes.retain(|code| code.address != address);
                self.accounts += 1;
                self.machine.handle(now, Input::AccountCreated);
                self.carry_out_outputs();
                self.show(now);
                let _ = answer.send(());
            }
        }
    }

    fn carry_out_outputs(&mut self) {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Opened(_) => self.mint(),
                Output::Closed => self.codes.clear(),
                Output::Led(led) => self.led = led,
                Output::WakeAt(time) => self.wake_at = Some(time),
            }
        }
    }

    fn mint(&mut self) {
        if !matches!(self.setup.registration, Registration::Open | Registration::Pairing) {
            tracing::warn!(
                "the window shows no code: the configuration's registration mode does not allow pairing"
            );
            return;
        }
        match Credentials::mint(&self.setup.domain) {
            Ok(code) => {
                self.codes.insert(0, code);
                self.codes.truncate(VALID_CODES);
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "no pairing code could be made"),
        }
    }

    fn link(&self, code: &Credentials) -> String {
        let endpoint = endpoint(&self.setup, &self.addresses);
        let check = endpoint.check(&self.setup.domain.to_string(), self.setup.tls.is_vouched_for());
        login_link(&code.address, &code.password, &endpoint, check)
    }

    /// Makes the view anew; watchers are woken only if it differs.
    fn show(&mut self, now: Instant) {
        let code = self
            .machine
            .end()
            .zip(self.codes.first())
            .map(|(window, code)| PairingCode { link: self.link(code), closes: closes(window, now) });
        let view = DisplayStatus {
            led: self.led,
            troubles: self.troubles.clone(),
            code,
            ..status(&self.setup.domain, self.accounts, &self.addresses)
        };
        self.view.send_if_modified(|shown| {
            let changed = *shown != view;
            *shown = view;
            changed
        });
    }

    /// The time at which the words for the window's end change next.
    fn next_minute(&self, now: Instant) -> Option<Instant> {
        let Some(WindowEnd::At(end)) = self.machine.end() else { return None };
        let left = end.saturating_duration_since(now);
        let into_minute = Duration::from_nanos(u64::try_from(left.as_nanos() % MINUTE.as_nanos()).ok()?);
        (left > MINUTE).then(|| now + into_minute + Duration::from_millis(1))
    }
}

/// The status of a box that has just started.
fn status(domain: &Domain, accounts: usize, addresses: &[IpAddr]) -> DisplayStatus {
    DisplayStatus {
        name: domain.to_string(),
        addresses: addresses.to_vec(),
        led: LedState::Booting,
        accounts,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        troubles: Vec::new(),
        code: None,
    }
}

/// The endpoint that links name.
pub(crate) fn endpoint(setup: &Setup, addresses: &[IpAddr]) -> Endpoint {
    let Setup { imaps_port, submissions_port, .. } = *setup;
    Endpoint { host: host(setup, addresses), imaps_port, submissions_port }
}

/// The host that a link names. A `.local` name needs multicast DNS on the phone, which many lack, so an address that
/// the home network gave us is better.
fn host(setup: &Setup, addresses: &[IpAddr]) -> String {
    if let Some(host) = &setup.host {
        return host.clone();
    }
    let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    match (&setup.domain, address) {
        (Domain::Ipv4(literal), _) => literal.to_string(),
        (Domain::Ipv6(literal), _) => literal.to_string(),
        (Domain::Name(name), Some(address)) if name.ends_with(".local") || !name.contains('.') => {
            address.to_string()
        }
        (Domain::Name(_), Some(address)) if setup.awaits_certificate && !setup.tls.is_vouched_for() => {
            address.to_string()
        }
        (Domain::Name(name), _) => name.clone(),
    }
}

fn closes(window: WindowEnd, now: Instant) -> String {
    match window {
        WindowEnd::FirstAccount => "when the first account exists".to_owned(),
        WindowEnd::At(end) => match end.saturating_duration_since(now).as_secs().div_ceil(60) {
            0 | 1 => "within a minute".to_owned(),
            minutes => format!("in {minutes} minutes"),
        },
    }
}
