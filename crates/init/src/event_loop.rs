//! The box while it lives: events in, devices and server kept in step with them. The decisions of their own are in
//! `supervision.rs` and `pairing::Button`; this is where they meet.

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use ipc::appliance::{ToInit, ToServe};
use pairing::{Button, Gesture, LedState};
use rpi_led::Lamp;
use rpi_led::keys::KeyEvent;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, wait};
use signal_hook::consts::{SIGCHLD, SIGUSR2};

use super::disk::data::Data;
use super::display::Display;
use super::event::Event;
use super::identity::BoxName;
use super::keys::{KeyMap, Meaning};
use super::log::Log;
use super::memory;
use super::persistent_state::Keepsakes;
use super::server::Server;
use super::shutdown::{Goal, finish};
use super::supervision::{Order, Outlook, Supervision};
use super::time::uptime;
use super::watchdog::Watchdog;

/// How often the time is written down.
const SAVE_CLOCK_EVERY: Duration = Duration::from_secs(3600);
/// How often the loop looks at its watches though nothing happens.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Events handled before the button's time is looked at again.
const EVENTS_PER_TURN: usize = 256;
/// After the server's last sign of life the watchdog is fed for so long.
const VOUCH: Duration = Duration::from_secs(600);

/// What the box consists of once it has started.
pub(super) struct Body {
    pub(super) log: Log,
    pub(super) sender: Sender<Event>,
    pub(super) lamp: Option<Lamp>,
    pub(super) watchdog: Watchdog,
    pub(super) data: Data,
    pub(super) keepsakes: Option<Keepsakes>,
    pub(super) name: BoxName,
}

/// The life of a body.
struct Life {
    body: Body,
    supervision: Supervision,
    server: Option<Server>,
    display: Display,
    keys: KeyMap,
    button: Button,
    addresses: Vec<IpAddr>,
    server_led: LedState,
    readiness: Readiness,
    last_sign: Duration,
    clock_saved: Duration,
    goal: Option<Goal>,
}

/// Whether the server has been ready since the start of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    NotYet,
    Reached,
}

impl Body {
    /// Lives until told to go down, and goes down then.
    pub(super) fn live(mut self, events: &Receiver<Event>) -> ! {
        let now = uptime();
        let mut supervision = Supervision::new(now);
        let mut display = Display::new(self.lamp.take(), self.log.consoles().clone());
        if let Some(trouble) = self.data.trouble() {
            self.log.say(format!("the data partition is not usable: {trouble}"));
            display.set_screen(self.trouble_screen(trouble));
            supervision.stop(now);
        }
        let mut life = Life {
            body: self,
            supervision,
            server: None,
            display,
            keys: KeyMap::default(),
            button: Button::default(),
            addresses: Vec::new(),
            server_led: LedState::Booting,
            readiness: Readiness::NotYet,
            last_sign: now,
            clock_saved: now,
            goal: None,
        };
        loop {
            life.perform_orders();
            if let Some(goal) = life.goal
                && life.supervision.is_stopped()
            {
                let Self { log, data, keepsakes, watchdog, .. } = life.body;
                match finish(goal, &log, &data, keepsakes.as_ref(), watchdog) {}
            }
            life.look_at_watches();
            let first = events.recv_timeout(life.patience()).ok();
            // The time is read before the queue is emptied, so that a release which came before the ten seconds were
            // over is handled before they are, however busy the box is.
            let now = uptime();
            for event in first.into_iter().chain(events.try_iter().take(EVENTS_PER_TURN)) {
                life.handle(event);
            }
            let gesture = life.button.tick(now);
            life.obey(gesture);
        }
    }

    fn trouble_screen(&self, trouble: &str) -> String {
        let name = self.name.as_str();
        format!(
            "{name} needs attention\n\n\
             The data partition is not usable: {trouble}.\n\
             Nothing has been erased. The mail server is not running.\n\n\
             Switch off and on again once. If this stays, copy the card before anything else is tried.\n\
             {}",
            match self.data.device() {
                Some(_) => "To erase everything and begin anew, hold the button for ten seconds.",
                None => "There is nothing that holding the button could erase.",
            }
        )
    }
}

impl Body {
    /// The warning while the button is held.
    fn countdown_screen(&self) -> String {
        let name = self.name.as_str();
        match self.data.device() {
            Some(_) => format!(
                "{name} is {}\n\n\
                 Once the button has been held for ten seconds, all accounts and all messages on this box are gone.",
                LedState::ResetCountdown.words()
            ),
            None => format!(
                "{name} has nothing to erase\n\n\
                 No data partition was found: {}.\n\
                 Holding the button changes nothing.",
                self.data.trouble().unwrap_or_default()
            ),
        }
    }
}

impl Life {
    fn perform_orders(&mut self) {
        while let Some(order) = self.supervision.poll(uptime()) {
            match order {
                Order::Start => self.start_server(),
                Order::AskToStop => self.tell(ToServe::Stop),
                Order::Terminate => self.signal(Signal::TERM, "asked by signal"),
                Order::Kill => self.signal(Signal::KILL, "killed"),
            }
        }
        self.show_led();
    }

    fn start_server(&mut self) {
        match Server::start(&self.body.sender, &self.body.log) {
            Ok(server) => {
                self.server = Some(server);
                self.server_led = LedState::Booting;
                self.tell(ToServe::Addresses(self.addresses.clone()));
            }
            Err(error) => {
                self.body.log.say(format!("the server cannot be started: {error}"));
                self.supervision.ended(uptime());
            }
        }
    }

    fn tell(&self, message: ToServe) {
        if let Some(server) = &self.server {
            server.tell(message);
        }
    }

    fn signal(&self, signal: Signal, words: &str) {
        if let Some(server) = &self.server {
            self.body.log.say(format!("the server does not answer and is {words}"));
            server.signal(signal);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Server(pid, message) => {
                // A late word of a server that has ended does not count.
                if self.server.as_ref().is_some_and(|server| server.pid() == pid) {
                    self.handle_message(message);
                }
            }
            Event::Key(key, at) => self.handle_key(key, at),
            Event::Signal(SIGCHLD) => self.reap(),
            Event::Signal(SIGUSR2) => self.go_down(Goal::PowerOff),
            Event::Signal(_) | Event::ThreadPanicked => self.go_down(Goal::Restart),
            Event::Addresses(addresses) => {
                self.addresses.clone_from(&addresses);
                self.tell(ToServe::Addresses(addresses));
            }
        }
    }

    fn handle_key(&mut self, key: KeyEvent, at: Duration) {
        match self.keys.handle(key) {
            Some(Meaning::Pressed) => self.button.press(at),
            Some(Meaning::Released) => {
                let gesture = self.button.release(at);
                self.obey(gesture);
            }
            Some(Meaning::PowerOff) => self.go_down(Goal::PowerOff),
            None => {}
        }
    }

    fn obey(&mut self, gesture: Option<Gesture>) {
        match gesture {
            Some(Gesture::ShortPress) => self.tell(ToServe::OpenPairingWindow),
            Some(Gesture::CountdownStarted) => {
                self.body.log.say("the button is held: countdown to the factory reset");
                self.display.warn(self.body.countdown_screen());
            }
            Some(Gesture::CountdownCancelled) => {
                self.body.log.say("the button was let go: nothing is erased");
                self.display.end_warning();
            }
            Some(Gesture::FactoryReset) if self.body.data.device().is_some() => {
                // LED and warning stay as they are until the box starts again.
                self.go_down(Goal::FactoryReset);
            }
            Some(Gesture::FactoryReset) => {
                self.body.log.say("nothing is erased: there is no data partition");
                self.display.end_warning();
            }
            None => {}
        }
    }

    fn handle_message(&mut self, message: ToInit) {
        let now = uptime();
        match message {
            ToInit::Ready => {
                self.sign_of_life(now);
                match self.readiness {
                    Readiness::NotYet => {
                        self.body.log.say(format!("ready after {:.1} s", now.as_secs_f64()));
                        if let Some(words) =
                            self.server.as_ref().and_then(|server| memory::words(server.pid()))
                        {
                            self.body.log.say(words);
                        }
                        self.readiness = Readiness::Reached;
                    }
                    Readiness::Reached => self.body.log.say("the server works again"),
                }
            }
            ToInit::Healthy => self.sign_of_life(now),
            ToInit::Led(state) => self.server_led = state,
            ToInit::Screen(text) => self.display.set_screen(text),
        }
    }

    fn sign_of_life(&mut self, now: Duration) {
        self.last_sign = now;
        self.supervision.sign_of_life(now);
    }

    fn go_down(&mut self, goal: Goal) {
        if self.goal.is_none() {
            self.goal = Some(goal);
            self.display.end_screen();
            self.body.log.say("shutting down");
            self.supervision.stop(uptime());
        }
    }

    /// Takes notice of every child that ended: the server, and whatever was left to the first process.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if self.server.as_ref().is_some_and(|server| server.pid() == pid) {
                self.server_ended(pid, status);
            }
        }
    }

    fn server_ended(&mut self, pid: Pid, status: WaitStatus) {
        let words = self.server.take().map(|server| server.last_words()).unwrap_or_default();
        self.supervision.ended(uptime());
        if self.supervision.is_stopped() {
            return self.body.log.say("the server has ended");
        }
        let reason = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => {
                format!("the server (process {}) ended with status {code}", pid.as_raw_nonzero())
            }
            (None, Some(signal)) => {
                format!("the server (process {}) was ended by signal {signal}", pid.as_raw_nonzero())
            }
            (None, None) => "the server ended".to_owned(),
        };
        self.body.log.say(&reason);
        let mut trouble = vec![reason];
        trouble.extend(words.into_iter().map(|word| format!("  {word}")));
        trouble.iter().skip(1).for_each(|word| self.body.log.say(word));
        self.body.log.keep_trouble(&trouble);
        if let Outlook::Failing(times) = self.supervision.outlook() {
            self.display.set_screen(self.failing_screen(times, &trouble));
        }
    }

    fn failing_screen(&self, times: u32, trouble: &[String]) -> String {
        let name = self.body.name.as_str();
        format!(
            "{name} needs attention\n\n\
             The mail server has failed {times} times in a row. It is started again and again.\n\n{}",
            trouble.join("\n")
        )
    }

    fn show_led(&mut self) {
        self.display.set_led(match (&self.body.data, self.supervision.outlook()) {
            (Data::Writable { .. }, Outlook::Fine) => self.server_led,
            _ => LedState::NeedsAttention,
        });
    }

    /// What is to be done from time to time.
    fn look_at_watches(&mut self) {
        let now = uptime();
        let until = match self.body.data {
            Data::Writable { .. } => self.last_sign + VOUCH,
            // Starting again would change nothing, and would take the explanation from the screen.
            Data::ReadOnly { .. } | Data::Absent { .. } => now + VOUCH,
        };
        self.body.watchdog.vouch(until);
        if now.saturating_sub(self.clock_saved) >= SAVE_CLOCK_EVERY {
            self.clock_saved = now;
            if let Some(keepsakes) = &self.body.keepsakes
                && let Err(error) = keepsakes.save_clock()
            {
                self.body.log.say(format!("the time cannot be kept: {error}"));
            }
        }
    }

    fn patience(&self) -> Duration {
        let wake = [self.supervision.wake_at(), self.button.wake_at()].into_iter().flatten().min();
        wake.map_or(LOOK_EVERY, |wake| wake.saturating_sub(uptime()).min(LOOK_EVERY))
    }
}
