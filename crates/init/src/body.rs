//! The box while it lives: events in, devices and server kept in step with them. The decisions of their own are in
//! `supervision.rs` and `button.rs`; this is where they meet.

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use ipc::appliance::{ToInit, ToServe};
use pairing::LedState;
use rpi_led::{Lamp, Step};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, wait};
use signal_hook::consts::{SIGCHLD, SIGUSR2};

use super::button::{Button, Meaning};
use super::disk::data::Data;
use super::identity::BoxName;
use super::keepsakes::Keepsakes;
use super::log::Log;
use super::server::Server;
use super::shutdown::{Goal, finish};
use super::supervision::{Order, Outlook, Supervision};
use super::time::uptime;
use super::watchdog::Watchdog;
use super::{Event, memory};

/// How often the time is written down.
const SAVE_CLOCK_EVERY: Duration = Duration::from_secs(3600);
/// How often the loop looks at its watches though nothing happens.
const LOOK_EVERY: Duration = Duration::from_secs(5);
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
    button: Button,
    addresses: Vec<IpAddr>,
    server_led: LedState,
    shown_led: Option<LedState>,
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
    pub(super) fn live(self, events: &Receiver<Event>) -> ! {
        let now = uptime();
        let mut supervision = Supervision::new(now);
        if let Some(trouble) = self.data.trouble() {
            self.log.say(format!("the data partition is not usable: {trouble}"));
            self.log.consoles().screen(self.trouble_screen(trouble));
            supervision.stop(now);
        }
        let mut life = Life {
            body: self,
            supervision,
            server: None,
            button: Button::default(),
            addresses: Vec::new(),
            server_led: LedState::Booting,
            shown_led: None,
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
            if let Ok(event) = events.recv_timeout(life.patience()) {
                life.handle(event);
            }
        }
    }

    fn trouble_screen(&self, trouble: &str) -> String {
        let name = self.name.as_str();
        format!(
            "{name} needs attention\n\n\
             The data partition is not usable: {trouble}.\n\
             Nothing has been erased. The mail server is not running.\n\n\
             Switch off and on again once. If this stays, copy the card before anything else is tried."
        )
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
            Event::Key(key) => match self.button.handle(key) {
                Some(Meaning::Pressed) => self.tell(ToServe::ButtonPressed),
                Some(Meaning::Released) => self.tell(ToServe::ButtonReleased),
                Some(Meaning::PowerOff) => self.go_down(Goal::PowerOff),
                None => {}
            },
            Event::Signal(SIGCHLD) => self.reap(),
            Event::Signal(SIGUSR2) => self.go_down(Goal::PowerOff),
            Event::Signal(_) | Event::Broken => self.go_down(Goal::Restart),
            Event::Addresses(addresses) => {
                self.addresses.clone_from(&addresses);
                self.tell(ToServe::Addresses(addresses));
            }
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
            ToInit::Screen(text) => self.body.log.consoles().screen(text),
            ToInit::FactoryReset => self.go_down(Goal::FactoryReset),
        }
    }

    fn sign_of_life(&mut self, now: Duration) {
        self.last_sign = now;
        self.supervision.sign_of_life(now);
    }

    fn go_down(&mut self, goal: Goal) {
        if self.goal.is_none() {
            self.goal = Some(goal);
            self.body.log.consoles().end_screen();
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
            self.body.log.consoles().screen(self.failing_screen(times, &trouble));
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
        let led = match (&self.body.data, self.supervision.outlook()) {
            (Data::Writable { .. }, Outlook::Fine) => self.server_led,
            _ => LedState::NeedsAttention,
        };
        if self.shown_led != Some(led) {
            self.shown_led = Some(led);
            if let Some(lamp) = &self.body.lamp {
                let steps: Vec<Step> = led
                    .pattern()
                    .iter()
                    .map(|step| Step { lit: step.lit, milliseconds: step.milliseconds })
                    .collect();
                lamp.play(&steps);
            }
        }
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
        let wake = self.supervision.wake_at().map(|wake| wake.saturating_sub(uptime()));
        wake.unwrap_or(LOOK_EVERY).min(LOOK_EVERY)
    }
}
