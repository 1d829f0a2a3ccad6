//! The server's end of the two pipes to `hearth init`, and what stands in for them on a machine without it.

use std::net::IpAddr;

use host::clock;
use ipc::appliance::{LINE_LIMIT, ToInit, ToServe};
use ipc::lines;
use pairing::DisplayStatus;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use crate::accounts::pairing::PairingHandle;
use crate::runtime::lines::Lines;
use crate::runtime::true_clock::TrueClock;
use crate::runtime::tunnel::KnownTunnel;

/// Messages to init that may wait.
const WAITING: usize = 16;

/// The link to init. It outlives a server that starts anew with other settings.
pub(crate) struct InitLink<R> {
    lines: Lines<R>,
    messages: mpsc::Sender<ToInit>,
    /// The last addresses that init named, for a server that starts anew.
    addresses: Option<Vec<IpAddr>>,
    clock: TrueClock,
    tunnel: KnownTunnel,
}

impl<R: AsyncRead + Unpin> InitLink<R> {
    /// A link over these two streams; the task that writes ends with it.
    pub(crate) fn new<W: AsyncWrite + Unpin + Send + 'static>(
        input: R,
        output: W,
        clock: TrueClock,
        tunnel: KnownTunnel,
    ) -> Self {
        let (messages, queue) = mpsc::channel(WAITING);
        tokio::spawn(write(queue, output));
        Self { lines: Lines::new(input, LINE_LIMIT), messages, addresses: None, clock, tunnel }
    }

    /// Sends one message.
    pub(crate) async fn say(&self, message: ToInit) {
        // Without init nobody waits for it.
        let _ = self.messages.send(message).await;
    }

    /// Speaks with init for one server. Returns when init says stop, or is gone; cancelled, it loses no message of init.
    pub(crate) async fn run(&mut self, pairing: PairingHandle, good: watch::Receiver<u64>) {
        if let Some(addresses) = &self.addresses {
            pairing.addresses(addresses.clone()).await;
        }
        let (shown, sender) = (pairing.clone(), self.messages.clone());
        tokio::select! {
            () = self.listen(&pairing) => {}
            () = show(shown, sender.clone()) => {}
            () = beat(good, sender) => {}
        }
    }

    /// Carries out init's messages until it says stop, or is gone.
    async fn listen(&mut self, pairing: &PairingHandle) {
        while let Ok(Some(line)) = self.lines.next().await {
            match line.decode() {
                Ok(ToServe::OpenPairingWindow) => pairing.input(pairing::Input::OpenRequested).await,
                Ok(ToServe::Addresses(addresses)) => {
                    self.addresses = Some(addresses.clone());
                    pairing.addresses(addresses).await;
                }
                Ok(ToServe::ClockIsRight(source)) => self.clock.set_right(source),
                Ok(ToServe::Tunnel(tunnel)) => self.tunnel.set(tunnel, clock::now()),
                Ok(ToServe::TunnelFileRefused) => self.tunnel.refuse_file(),
                Ok(ToServe::Stop) => return,
                Err(error) => tracing::warn!(%error, "a line from init was not understood and is dropped"),
            }
        }
    }
}

/// Tells init the states of LED and screen as they change; returns when init is gone.
async fn show(pairing: PairingHandle, messages: mpsc::Sender<ToInit>) {
    let mut watched = pairing.watch();
    let mut shown: Option<DisplayStatus> = None;
    loop {
        let view = watched.borrow_and_update().clone();
        let led = shown.as_ref().is_none_or(|shown| shown.led != view.led).then_some(ToInit::Led(view.led));
        for message in led.into_iter().chain([ToInit::Screen(Box::new(view.clone().bounded()))]) {
            if messages.send(message).await.is_err() {
                return;
            }
        }
        shown = Some(view);
        if watched.changed().await.is_err() {
            // The window has ended with the server, which init hears of by itself.
            return std::future::pending().await;
        }
    }
}

/// Ready once, then healthy as long as it is true: init feeds the watchdog only while it hears this.
async fn beat(mut good: watch::Receiver<u64>, messages: mpsc::Sender<ToInit>) {
    let mut message = ToInit::Ready;
    while good.changed().await.is_ok() {
        if messages.send(message).await.is_err() {
            return;
        }
        message = ToInit::Healthy;
    }
    std::future::pending().await
}

async fn write<W: AsyncWrite + Unpin>(mut messages: mpsc::Receiver<ToInit>, mut output: W) {
    while let Some(message) = messages.recv().await {
        let Ok(line) = lines::encode(&message) else { continue };
        let written = output.write_all(&line).await;
        if written.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}

/// Without init: shows the screen on standard error whenever a new code is on it.
pub(crate) async fn show_on_terminal(mut watched: watch::Receiver<DisplayStatus>) {
    let mut shown = None;
    loop {
        let view = watched.borrow_and_update().clone();
        let text = pairing::screen(&view);
        let link = view.code.map(|code| code.link);
        if link.is_some() && link != shown {
            let _ = tokio::io::stderr().write_all(format!("{text}\n").as_bytes()).await;
        }
        shown = link;
        if watched.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use ipc::appliance::{ToInit, ToServe};
    use ipc::network::ClockSource;
    use mail_types::Domain;
    use pairing::LedState;
    use relay_policy::Registration;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, duplex, split};
    use tokio::sync::watch;

    use crate::accounts::pairing::{PairingTask, Setup};
    use crate::operation::appliance::InitLink;
    use crate::runtime::true_clock::TrueClock;
    use crate::runtime::tunnel::KnownTunnel;
    use crate::tests::harness::self_signed_tls;

    async fn next(lines: &mut Lines<BufReader<DuplexStream>>) -> ToInit {
        let line = lines.next_line().await.unwrap().expect("a line");
        assert!(line.len() < ipc::appliance::LINE_LIMIT, "{} bytes", line.len());
        serde_json::from_str(&line).unwrap()
    }

    /// The next LED state, over screens and heartbeats.
    async fn led(lines: &mut Lines<BufReader<DuplexStream>>) -> LedState {
        loop {
            if let ToInit::Led(led) = next(lines).await {
                return led;
            }
        }
    }

    #[tokio::test]
    async fn a_press_of_the_button_reaches_led_and_screen() {
        let (task, pairing) = PairingTask::new(Setup {
            domain: Domain::Name("hearth-1a2b.local".to_owned()),
            registration: Registration::Pairing,
            host: None,
            imaps_port: 993,
            submissions_port: 465,
            accounts: 1,
            addresses: Vec::new(),
            tls: self_signed_tls(),
            awaits_certificate: false,
        });
        tokio::spawn(task.run());
        let (good, beats) = watch::channel(0);
        let (mut to_serve, input) = duplex(1024);
        let (output, from_serve) = duplex(64 * 1024);
        let clock = TrueClock::of_box();
        let mut link = InitLink::new(split(input).0, output, clock.clone(), KnownTunnel::default());
        let link = tokio::spawn(async move { link.run(pairing, beats).await });
        let mut lines = BufReader::new(from_serve).lines();

        assert_eq!(led(&mut lines).await, LedState::WaitingForNetwork);
        let mut say = async |message: ToServe| {
            let line = serde_json::to_string(&message).unwrap() + "\n";
            to_serve.write_all(line.as_bytes()).await.unwrap();
        };
        say(ToServe::Addresses(vec!["192.0.2.7".parse().unwrap()])).await;
        assert_eq!(led(&mut lines).await, LedState::Ready);
        say(ToServe::OpenPairingWindow).await;
        assert_eq!(led(&mut lines).await, LedState::PairingOpen);
        let ToInit::Screen(screen) = next(&mut lines).await else { panic!("the screen follows the LED") };
        assert!(screen.code.is_some_and(|code| code.link.contains("&ih=192.0.2.7&")));
        good.send_replace(1);
        assert_eq!(next(&mut lines).await, ToInit::Ready);
        good.send_replace(2);
        assert_eq!(next(&mut lines).await, ToInit::Healthy);
        assert!(!clock.is_right());
        say(ToServe::ClockIsRight(ClockSource::TimeServers)).await;
        say(ToServe::Stop).await;
        link.await.unwrap();
        assert!(clock.is_right());
    }
}
