//! The server's end of the two pipes to `hearth init`, and what stands in for them on a machine without it.

use ipc::appliance::{LINE_LIMIT, ToInit, ToServe};
use ipc::lines;
use pairing::DisplayStatus;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use crate::accounts::pairing::PairingHandle;
use crate::runtime::lines::Lines;

/// Messages to init that may wait.
const WAITING: usize = 16;

/// Speaks with init over these two streams. Returns when init says stop, or is gone.
pub(crate) async fn run<R, W>(pairing: PairingHandle, good: watch::Receiver<u64>, input: R, output: W)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (sender, messages) = mpsc::channel(WAITING);
    let tasks = [
        tokio::spawn(write(messages, output)),
        tokio::spawn(show(pairing.clone(), sender.clone())),
        tokio::spawn(beat(good, sender)),
    ];
    listen(&pairing, input).await;
    for task in tasks {
        task.abort();
    }
}

/// Carries out init's messages until it says stop, or is gone.
async fn listen<R: AsyncRead + Unpin>(pairing: &PairingHandle, input: R) {
    let mut lines = Lines::new(input, LINE_LIMIT);
    while let Ok(Some(line)) = lines.next().await {
        match line.decode() {
            Ok(ToServe::OpenPairingWindow) => pairing.input(pairing::Input::OpenRequested).await,
            Ok(ToServe::Addresses(addresses)) => pairing.addresses(addresses).await,
            Ok(ToServe::Stop) => return,
            Err(error) => tracing::warn!(%error, "a line from init was not understood and is dropped"),
        }
    }
}

/// Tells init the states of LED and screen as they change.
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
            return;
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
    use mail_types::Domain;
    use pairing::LedState;
    use relay_policy::Registration;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, duplex, split};
    use tokio::sync::watch;

    use crate::accounts::pairing::{PairingTask, Setup};
    use crate::operation::appliance::run;

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
        });
        tokio::spawn(task.run());
        let (good, beats) = watch::channel(0);
        let (mut to_serve, input) = duplex(1024);
        let (output, from_serve) = duplex(64 * 1024);
        let link = tokio::spawn(run(pairing, beats, split(input).0, output));
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
        say(ToServe::Stop).await;
        link.await.unwrap();
    }
}
