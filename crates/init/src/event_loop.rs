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
use super::keys::{ButtonEvent, KeyMap};
use super::log::Log;
use super::memory;
use super::persistent_state::PersistentState;
use super::server::Server;
use super::shutdown::{Goal, finish};
use super::supervision::{Command, Health, Supervision};
use super::watchdog::Watchdog;
use host::clock::uptime;

/// How often the time is written down.
const SAVE_CLOCK_EVERY: Duration = Duration::from_secs(3600);
/// How often the loop looks at its watches though nothing happens.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Events handled before the button's time is looked at again.
const EVENTS_PER_TURN: usize = 256;
/// The watchdog is fed for so long after the server's last heartbeat.
const FEED_AFTER_HEARTBEAT: Duration = Duration::from_secs(600);

/// The devices, the storage and the name of a box that has started.
pub(super) struct Appliance {
    pub(super) log: Log,
    pub(super) sender: Sender<Event>,
    pub(super) lamp: Option<Lamp>,
    pub(super) watchdog: Watchdog,
    pub(super) data: Data,
    pub(super) state: Option<PersistentState>,
    pub(super) name: BoxName,
}

/// The state of the event loop.
struct EventLoop {
    appliance: Appliance,
    supervision: Supervision,
    server: Option<Server>,
    display: Display,
    keys: KeyMap,
    button: Button,
    addresses: Vec<IpAddr>,
    server_led: LedState,
    readiness: Readiness,
    last_heartbeat: Duration,
    clock_saved: Duration,
    goal: Option<Goal>,
}

/// Whether the server has been ready since the start of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    NotYet,
    Reached,
}

impl Appliance {
    /// Runs the event loop until the box is to go down, and takes it down.
    pub(super) fn run(mut self, events: &Receiver<Event>) -> ! {
        let now = uptime();
        let mut supervision = Supervision::new(now);
        let mut display = Display::new(self.lamp.take(), self.log.consoles().clone());
        if let Some(trouble) = self.data.trouble() {
            self.log.say(format!("the data partition is not usable: {trouble}"));
            display.set_screen(self.trouble_screen(trouble));
            supervision.stop(now);
        }
        let mut event_loop = EventLoop {
            appliance: self,
            supervision,
            server: None,
            display,
            keys: KeyMap::default(),
            button: Button::default(),
            addresses: Vec::new(),
            server_led: LedState::Booting,
            readiness: Readiness::NotYet,
            last_heartbeat: now,
            clock_saved: now,
            goal: None,
        };
        loop {
            event_loop.execute_commands();
            if let Some(goal) = event_loop.goal
                && event_loop.supervision.is_stopped()
            {
                let Self { log, data, state, watchdog, .. } = event_loop.appliance;
                match finish(goal, &log, &data, state.as_ref(), watchdog) {}
            }
            event_loop.run_periodic_work();
            let first = events.recv_timeout(event_loop.timeout()).ok();
            // The time is read before the queue is emptied, so that a release which came before the ten seconds were
            // over is handled before they are, however busy the box is.
            let now = uptime();
            for event in first.into_iter().chain(events.try_iter().take(EVENTS_PER_TURN)) {
                event_loop.handle(event);
            }
            let gesture = event_loop.button.tick(now);
            event_loop.obey(gesture);
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

impl Appliance {
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

impl EventLoop {
    fn execute_commands(&mut self) {
        while let Some(command) = self.supervision.poll(uptime()) {
            match command {
                Command::Start => self.start_server(),
                Command::AskToStop => self.tell(ToServe::Stop),
                Command::Terminate => self.signal(Signal::TERM, "asked by signal"),
                Command::Kill => self.signal(Signal::KILL, "killed"),
            }
        }
        self.show_led();
    }

    fn start_server(&mut self) {
        match Server::start(&self.appliance.sender, &self.appliance.log) {
            Ok(server) => {
                self.server = Some(server);
                self.server_led = LedState::Booting;
                self.tell(ToServe::Addresses(self.addresses.clone()));
            }
            Err(error) => {
                self.appliance.log.say(format!("the server cannot be started: {error}"));
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
            self.appliance.log.say(format!("the server does not answer and is {words}"));
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
            Some(ButtonEvent::Pressed) => self.button.press(at),
            Some(ButtonEvent::Released) => {
                let gesture = self.button.release(at);
                self.obey(gesture);
            }
            Some(ButtonEvent::PowerOff) => self.go_down(Goal::PowerOff),
            None => {}
        }
    }

    fn obey(&mut self, gesture: Option<Gesture>) {
        match gesture {
            Some(Gesture::ShortPress) => self.tell(ToServe::OpenPairingWindow),
            Some(Gesture::CountdownStarted) => {
                self.appliance.log.say("the button is held: countdown to the factory reset");
                self.display.warn(self.appliance.countdown_screen());
            }
            Some(Gesture::CountdownCancelled) => {
                self.appliance.log.say("the button was let go: nothing is erased");
                self.display.end_warning();
            }
            Some(Gesture::FactoryReset) if self.appliance.data.device().is_some() => {
                // LED and warning stay as they are until the box starts again.
                self.go_down(Goal::FactoryReset);
            }
            Some(Gesture::FactoryReset) => {
                self.appliance.log.say("nothing is erased: there is no data partition");
                self.display.end_warning();
            }
            None => {}
        }
    }

    fn handle_message(&mut self, message: ToInit) {
        let now = uptime();
        match message {
            ToInit::Ready => {
                self.heartbeat(now);
                match self.readiness {
                    Readiness::NotYet => {
                        self.appliance.log.say(format!("ready after {:.1} s", now.as_secs_f64()));
                        if let Some(words) =
                            self.server.as_ref().and_then(|server| memory::words(server.pid()))
                        {
                            self.appliance.log.say(words);
                        }
                        self.readiness = Readiness::Reached;
                    }
                    Readiness::Reached => self.appliance.log.say("the server works again"),
                }
            }
            ToInit::Healthy => self.heartbeat(now),
            ToInit::Led(state) => self.server_led = state,
            ToInit::Screen(text) => self.display.set_screen(text),
        }
    }

    fn heartbeat(&mut self, now: Duration) {
        self.last_heartbeat = now;
        self.supervision.heartbeat(now);
    }

    fn go_down(&mut self, goal: Goal) {
        if self.goal.is_none() {
            self.goal = Some(goal);
            self.display.end_screen();
            self.appliance.log.say("shutting down");
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
        let tail = self.server.take().map(|server| server.stderr_tail()).unwrap_or_default();
        self.supervision.ended(uptime());
        if self.supervision.is_stopped() {
            return self.appliance.log.say("the server has ended");
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
        self.appliance.log.say(&reason);
        let mut trouble = vec![reason];
        trouble.extend(tail.into_iter().map(|line| format!("  {line}")));
        trouble.iter().skip(1).for_each(|line| self.appliance.log.say(line));
        self.appliance.log.keep_trouble(&trouble);
        if let Health::Failing(times) = self.supervision.health() {
            self.display.set_screen(self.failing_screen(times, &trouble));
        }
    }

    fn failing_screen(&self, times: u32, trouble: &[String]) -> String {
        let name = self.appliance.name.as_str();
        format!(
            "{name} needs attention\n\n\
             The mail server has failed {times} times in a row. It is started again and again.\n\n{}",
            trouble.join("\n")
        )
    }

    fn show_led(&mut self) {
        self.display.set_led(match (&self.appliance.data, self.supervision.health()) {
            (Data::Writable { .. }, Health::Healthy) => self.server_led,
            _ => LedState::NeedsAttention,
        });
    }

    /// What is to be done from time to time.
    fn run_periodic_work(&mut self) {
        let now = uptime();
        let until = match self.appliance.data {
            Data::Writable { .. } => self.last_heartbeat + FEED_AFTER_HEARTBEAT,
            // Starting again would change nothing, and would take the explanation from the screen.
            Data::ReadOnly { .. } | Data::Absent { .. } => now + FEED_AFTER_HEARTBEAT,
        };
        self.appliance.watchdog.feed_until(until);
        if now.saturating_sub(self.clock_saved) >= SAVE_CLOCK_EVERY {
            self.clock_saved = now;
            if let Some(state) = &self.appliance.state
                && let Err(error) = state.save_clock()
            {
                self.appliance.log.say(format!("the time cannot be kept: {error}"));
            }
        }
    }

    fn timeout(&self) -> Duration {
        let wake = [self.supervision.wake_at(), self.button.wake_at()].into_iter().flatten().min();
        wake.map_or(LONGEST_WAIT, |wake| wake.saturating_sub(uptime()).min(LONGEST_WAIT))
    }
}
