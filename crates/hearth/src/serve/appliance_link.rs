//! The server's end of the two pipes to `hearth init`, and what stands in for them on a machine without it.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, watch};

use super::health;
use super::pairing::{PairingHandle, View};
use super::server::Server;
use crate::appliance::{LINE_LIMIT, ToInit, ToServe};

/// Messages to init that may wait.
const WAITING: usize = 16;

/// Starts both directions. Returns when init says stop, or is gone.
pub(super) async fn run(server: Arc<Server>) {
    let (sender, messages) = mpsc::channel(WAITING);
    let tasks = [
        tokio::spawn(write(messages)),
        tokio::spawn(show(server.pairing.clone(), sender.clone())),
        tokio::spawn(beat(Arc::clone(&server), sender)),
    ];
    listen(&server.pairing).await;
    for task in tasks {
        task.abort();
    }
}

/// Init's messages, one a line, until it says stop.
async fn listen(pairing: &PairingHandle) {
    let mut input = BufReader::new(tokio::io::stdin());
    loop {
        let mut line = Vec::new();
        let limit = u64::try_from(LINE_LIMIT).unwrap_or(u64::MAX);
        match (&mut input).take(limit).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        match serde_json::from_slice(&line) {
            Ok(ToServe::ButtonPressed) => pairing.happened(pairing::Input::ButtonPressed).await,
            Ok(ToServe::ButtonReleased) => pairing.happened(pairing::Input::ButtonReleased).await,
            Ok(ToServe::Addresses(addresses)) => pairing.addresses(addresses).await,
            Ok(ToServe::Stop) => return,
            Err(error) => tracing::warn!(%error, "a line from init was not understood and is ignored"),
        }
    }
}

/// What LED and screen show, as it changes.
async fn show(pairing: PairingHandle, messages: mpsc::Sender<ToInit>) {
    let mut watched = pairing.watch();
    let mut shown: Option<View> = None;
    loop {
        let view = watched.borrow_and_update().clone();
        let mut news = Vec::new();
        if shown.as_ref().is_none_or(|shown| shown.status.led != view.status.led) {
            news.push(ToInit::Led(view.status.led));
        }
        if shown.as_ref().is_none_or(|shown| shown.screen != view.screen) {
            news.push(ToInit::Screen(view.screen.clone()));
        }
        if view.factory_reset && shown.as_ref().is_none_or(|shown| !shown.factory_reset) {
            news.push(ToInit::FactoryReset);
        }
        for message in news {
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
async fn beat(server: Arc<Server>, messages: mpsc::Sender<ToInit>) {
    let mut ready = false;
    let mut known = Vec::new();
    let mut interval = tokio::time::interval(health::INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let troubles = health::check(&server).await;
        if troubles != known {
            for trouble in &troubles {
                tracing::error!(trouble, "the self-check found something wrong");
            }
            server.pairing.troubles(troubles.clone()).await;
            known.clone_from(&troubles);
        }
        if !troubles.is_empty() {
            continue;
        }
        let was_ready = std::mem::replace(&mut ready, true);
        let message = if was_ready { ToInit::Healthy } else { ToInit::Ready };
        if messages.send(message).await.is_err() {
            return;
        }
    }
}

async fn write(mut messages: mpsc::Receiver<ToInit>) {
    let mut output = tokio::io::stdout();
    while let Some(message) = messages.recv().await {
        let Ok(line) = serde_json::to_string(&message) else { continue };
        let written = output.write_all((line + "\n").as_bytes()).await;
        if written.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}

/// Without init: shows the screen on standard error whenever a new code is on it.
pub(super) async fn show_on_terminal(mut watched: watch::Receiver<View>) {
    let mut shown = None;
    loop {
        let view = watched.borrow_and_update().clone();
        let link = view.status.invitation.map(|invitation| invitation.link);
        if link.is_some() && link != shown {
            let _ = tokio::io::stderr().write_all(format!("{}\n", view.screen).as_bytes()).await;
        }
        shown = link;
        if watched.changed().await.is_err() {
            return;
        }
    }
}
