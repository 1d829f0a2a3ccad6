//! The event loop of a running box: events in, devices and child processes kept in step with them. The decisions are made
//! in `supervision.rs` and [`pairing::Button`]; here they meet.

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use ipc::appliance::{ToInit, ToServe};
use ipc::network::{ClockSource, FromNetwork, Synchronised, Tunnel, TunnelState};
use pairing::{Button, Gesture, LedState};
use rpi_led::Lamp;
use rpi_led::keys::KeyEvent;
use rustix::process::{WaitOptions, WaitStatus, wait};
use signal_hook::consts::{SIGCHLD, SIGUSR2};

use super::child::{Child, Process};
use super::disk::data::Data;
use super::display::Display;
use super::event::{Event, QUEUE_LENGTH};
use super::identity::BoxName;
use super::keys::{ButtonEvent, KeyMap};
use super::known_time::in_words;
use super::log::{Log, LogSource};
use super::memory;
use super::network_process::{write_resolvers, write_time_servers};
use super::owner_file::OwnerFile;
use super::persistent_state::{EarliestTimes, PersistentState};
use super::role::Role;
use super::screen::Screen;
use super::server::Server;
use super::service::{Executed, Service};
use super::shutdown::{Goal, finish};
use super::supervision::{Health, Liveness, Supervision};
use super::watchdog::Watchdog;
use host::clock::uptime;

/// The interval at which the time is saved.
const SAVE_CLOCK_EVERY: Duration = Duration::from_secs(3600);
/// The smallest offset, in milliseconds, that is a step and not a slew; the log has a line for each.
const STEP: u64 = 500;
/// The longest wait for an event; the watchdog's deadline is moved forward after each.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The watchdog is fed for so long after the server's last heartbeat.
const FEED_AFTER_HEARTBEAT: Duration = Duration::from_secs(600);

/// The devices, the storage and the name of a box that has started.
pub(super) struct Appliance {
    pub(super) log: Log,
    pub(super) sender: SyncSender<Event>,
    pub(super) lamp: Option<Lamp>,
    pub(super) watchdog: Watchdog,
    pub(super) data: Data,
    pub(super) state: Option<PersistentState>,
    pub(super) name: BoxName,
    pub(super) times: EarliestTimes,
    pub(super) owner_file: OwnerFile,
}

/// The state of the event loop.
struct EventLoop {
    appliance: Appliance,
    server: Service<Server>,
    network: [(Role, Service<Child>); 3],
    display: Display,
    keys: KeyMap,
    button: Button,
    addresses: Vec<IpAddr>,
    tunnel: Option<Tunnel>,
    server_led: LedState,
    readiness: Readiness,
    last_heartbeat: Duration,
    /// The servers that have set the clock since the start of the box; until then the calendar shows the time of an earlier
    /// start, or one that is right by chance.
    clock: Option<ClockSource>,
    clock_saved: Duration,
    goal: Option<Goal>,
}

/// The server's readiness since the start of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    NotYet,
    Reached,
}

impl Appliance {
    /// Runs the event loop until the box is to go down, and takes it down.
    pub(super) fn run(mut self, events: &Receiver<Event>, keys: &Receiver<(KeyEvent, Duration)>) -> ! {
        let now = uptime();
        let mut server = Service::new("the server", Supervision::new(now, Liveness::Heartbeats));
        let unproven = || Supervision::new(now, Liveness::Unproven);
        let mut display = Display::new(self.lamp.take(), self.log.consoles().clone());
        if let Some(trouble) = self.data.trouble() {
            self.log.say(format!("the data partition is not usable: {trouble}"));
            display.set_screen(Screen::Text(self.trouble_screen(trouble)));
            server.stop(now);
        }
        // Before the configuration process tells of it: the name must not lead elsewhere for the first seconds.
        let tunnel = self.owner_file.tunnel();
        let mut event_loop = EventLoop {
            appliance: self,
            server,
            network: [
                (Role::Configuration, Service::new("the network's configuration", unproven())),
                (Role::Responder, Service::new("the responder for the box's name", unproven())),
                (Role::Time, Service::new("the time client", unproven())),
            ],
            display,
            keys: KeyMap::new(now),
            button: Button::default(),
            addresses: Vec::new(),
            tunnel,
            server_led: LedState::Booting,
            readiness: Readiness::NotYet,
            last_heartbeat: now,
            clock: None,
            clock_saved: now,
            goal: None,
        };
        loop {
            event_loop.execute_commands();
            if let Some(goal) = event_loop.goal
                && event_loop.server.is_over(uptime())
            {
                let Self { log, data, state, watchdog, .. } = event_loop.appliance;
                match finish(goal, &log, &data, state.as_ref(), watchdog) {}
            }
            event_loop.run_periodic_work();
            let first = events.recv_timeout(event_loop.timeout()).ok();
            for event in first.into_iter().chain(events.try_iter().take(QUEUE_LENGTH)) {
                event_loop.handle(event);
            }
            // The time is read before the keys' channel is emptied, so that a release which came before the countdown was
            // over is handled before it is, however busy the box is.
            let now = uptime();
            for (key, at) in keys.try_iter() {
                event_loop.handle_key(key, at);
            }
            let gesture = event_loop.button.tick(now);
            event_loop.handle_gesture(gesture);
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

    /// The screen from the decision for a factory reset to the restart.
    fn erasing_screen(&self) -> String {
        format!("{}: erasing everything: do not unplug\n\nIt starts again by itself.", self.name.as_str())
    }

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
        let now = uptime();
        let Appliance { sender, log, name, state, times, .. } = &self.appliance;
        for (role, service) in &mut self.network {
            service.execute(now, log, || role.start(name, *times, state.as_ref(), sender, log));
        }
        if self.server.execute(now, log, || Server::start(sender, log)) == Executed::Started {
            self.server_led = LedState::Booting;
            self.appliance.owner_file.server_started();
            self.tell(ToServe::Addresses(self.addresses.clone()));
            if let Some(source) = self.clock {
                self.tell(ToServe::ClockIsRight(source));
            }
            if let Some(tunnel) = &self.tunnel {
                self.tell(ToServe::Tunnel(tunnel.clone()));
            }
            if self.appliance.owner_file.is_tunnel_refused() {
                self.tell(ToServe::TunnelFileRefused);
            }
        }
        self.show_led();
    }

    fn tell(&self, message: ToServe) {
        if let Some(server) = self.server.process() {
            server.tell(message);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Server(pid, message) => {
                if self.server.is(pid) {
                    self.handle_message(message);
                }
            }
            // The keys' channel is emptied after each event.
            Event::KeysMoved => {}
            Event::Signal(SIGCHLD) => self.reap(),
            Event::Signal(SIGUSR2) => self.go_down(Goal::PowerOff),
            Event::Signal(_) | Event::ThreadPanicked => self.go_down(Goal::Restart),
            Event::Network(role, pid, message) => {
                if self.network.iter().any(|(other, service)| *other == role && service.is(pid)) {
                    self.handle_network(role, message);
                }
            }
        }
    }

    fn handle_network(&mut self, role: Role, message: FromNetwork) {
        match (role, message) {
            (Role::Configuration, FromNetwork::Addresses(addresses)) => {
                // A process that starts again reports what the server knows already.
                if self.addresses != addresses {
                    self.addresses.clone_from(&addresses);
                    self.tell(ToServe::Addresses(addresses));
                }
            }
            (Role::Configuration, FromNetwork::Resolvers(resolvers)) => {
                if let Err(error) = write_resolvers(&resolvers) {
                    let text = format!("the list of name servers cannot be written: {error}");
                    self.appliance.log.say_for(role.log_source(), text);
                }
            }
            (Role::Configuration, FromNetwork::TimeServers(servers)) => {
                if let Err(error) = write_time_servers(&servers) {
                    let text = format!("the list of time servers cannot be written: {error}");
                    self.appliance.log.say_for(role.log_source(), text);
                }
            }
            (Role::Configuration, FromNetwork::Tunnel(tunnel)) => {
                self.handle_tunnel(tunnel);
            }
            (Role::Time, FromNetwork::Synchronised(synchronised)) => self.clock_is_right(synchronised),
            (role, FromNetwork::Warning(text)) => {
                self.appliance.log.say_for(role.log_source(), format!("{}: {text}", role.subject()));
            }
            (
                role,
                FromNetwork::Addresses(_)
                | FromNetwork::Resolvers(_)
                | FromNetwork::TimeServers(_)
                | FromNetwork::Synchronised(_)
                | FromNetwork::Tunnel(_),
            ) => {
                let text =
                    format!("{}: a message is dropped: its process has no right to it", role.subject());
                self.appliance.log.say_for(role.log_source(), text);
            }
        }
    }

    /// The time client has corrected the clock. A step is kept at once: after a power cut the clock must not go back behind
    /// what was done by the right time.
    fn clock_is_right(&mut self, synchronised: Synchronised) {
        let source = synchronised.source;
        let is_new = self.clock != Some(source);
        if !is_new && synchronised.offset.unsigned_abs() < STEP {
            return;
        }
        self.appliance.log.say_for(Role::Time.log_source(), in_words(synchronised));
        self.save_clock(uptime());
        if is_new {
            self.clock = Some(source);
            self.tell(ToServe::ClockIsRight(source));
        }
    }

    fn save_clock(&mut self, now: Duration) {
        self.clock_saved = now;
        if let Some(state) = &self.appliance.state
            && let Err(error) = state.save_clock()
        {
            self.appliance.log.say(format!("the time cannot be kept: {error}"));
        }
    }

    fn handle_tunnel(&mut self, tunnel: Tunnel) {
        let before = self.tunnel.as_ref().map(|tunnel| tunnel.state);
        // Its silence comes with a warning.
        if tunnel.state == TunnelState::Answers && before != Some(TunnelState::Answers) {
            self.appliance.log.say_for(LogSource::Configuration, "network: the tunnel's other end answers");
        }
        self.tell(ToServe::Tunnel(tunnel.clone()));
        self.tunnel = Some(tunnel);
    }

    fn handle_key(&mut self, key: KeyEvent, at: Duration) {
        match self.keys.handle(key, at) {
            Some(ButtonEvent::Pressed) => self.button.press(at),
            Some(ButtonEvent::Released) => {
                let gesture = self.button.release(at);
                self.handle_gesture(gesture);
            }
            Some(ButtonEvent::PowerOff) => self.go_down(Goal::PowerOff),
            None => {}
        }
    }

    fn handle_gesture(&mut self, gesture: Option<Gesture>) {
        match gesture {
            Some(Gesture::ShortPress) => self.tell(ToServe::OpenPairingWindow),
            Some(Gesture::CountdownStarted) => {
                self.appliance.log.say("the button is held: countdown to the factory reset");
                self.display.warn(self.appliance.countdown_screen());
                // Read anew: the events before this one have taken their time, in which nothing warned.
                self.button.warned(uptime());
            }
            Some(Gesture::CountdownCancelled) => {
                self.appliance.log.say("the button was let go: nothing is erased");
                self.display.end_warning();
            }
            Some(Gesture::FactoryReset) if self.appliance.data.device().is_some() => {
                self.go_down(Goal::FactoryReset);
                // The LED stays as it is, and the screen as it is set here, until the box starts again.
                self.display.warn(self.appliance.erasing_screen());
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
                        let pid = self.server.process().map(|server| server.child().pid());
                        if let Some(words) = pid.and_then(memory::words) {
                            self.appliance.log.say(words);
                        }
                        self.readiness = Readiness::Reached;
                    }
                    Readiness::Reached => {
                        self.appliance.log.say_for(LogSource::Server, "the server works again");
                    }
                }
            }
            ToInit::Healthy => self.heartbeat(now),
            ToInit::Led(state) => self.server_led = state,
            ToInit::Screen(status) => self.display.set_screen(Screen::Status(status)),
            ToInit::OwnerFile(result) => {
                let Appliance { owner_file, log, .. } = &mut self.appliance;
                owner_file.finish(&result.bounded(), now, log);
            }
        }
    }

    fn heartbeat(&mut self, now: Duration) {
        self.last_heartbeat = now;
        self.server.heartbeat(now);
    }

    fn go_down(&mut self, goal: Goal) {
        if !goal.replaces(self.goal) {
            return;
        }
        self.goal = Some(goal);
        self.display.end_screen();
        // The network stays until the server has closed its connections; the kernel ends its processes.
        if goal == Goal::FactoryReset {
            self.appliance.log.say("shutting down for the factory reset");
            self.server.discard();
        } else {
            self.appliance.log.say("shutting down");
            self.server.stop(uptime());
        }
    }

    /// Reaps every child that has ended: the box's own, and orphans, which become children of the first process.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if self.server.is(pid) {
                self.server_ended(status);
            } else if let Some((_, service)) = self.network.iter_mut().find(|(_, service)| service.is(pid)) {
                service.ended(uptime(), status, &self.appliance.log);
            } else if self.appliance.owner_file.is(pid) {
                self.appliance.owner_file.ended(status, &self.appliance.log);
            }
        }
    }

    fn server_ended(&mut self, status: WaitStatus) {
        let report = self.server.ended(uptime(), status, &self.appliance.log);
        if report.is_empty() {
            return;
        }
        self.appliance.log.keep_trouble(&report);
        if let Health::Failing(times) = self.server.health() {
            self.display.set_screen(Screen::Text(self.failing_screen(times, &report)));
        }
    }

    fn failing_screen(&self, times: u32, report: &[String]) -> String {
        let name = self.appliance.name.as_str();
        format!(
            "{name} needs attention\n\n\
             The mail server has failed {times} times in a row. It is started again and again.\n\n{}",
            report.join("\n")
        )
    }

    fn show_led(&mut self) {
        self.display.set_led(match (&self.appliance.data, self.server.health()) {
            (Data::Writable { .. }, Health::Healthy) => self.server_led,
            _ => LedState::NeedsAttention,
        });
    }

    /// Moves the watchdog's deadline forward, and saves the time when it is due.
    fn run_periodic_work(&mut self) {
        let now = uptime();
        let until = match self.appliance.data {
            Data::Writable { .. } => self.last_heartbeat + FEED_AFTER_HEARTBEAT,
            // Starting again would change nothing, and would take the explanation from the screen.
            Data::ReadOnly { .. } | Data::Absent { .. } => now + FEED_AFTER_HEARTBEAT,
        };
        self.appliance.watchdog.feed_until(until);
        self.appliance.owner_file.tick(now, &self.appliance.log);
        if now.saturating_sub(self.clock_saved) >= SAVE_CLOCK_EVERY {
            self.save_clock(now);
        }
    }

    fn timeout(&self) -> Duration {
        let services = self.network.iter().map(|(_, service)| service.wake_at());
        let wake = services
            .chain([self.server.wake_at(), self.button.wake_at(), self.appliance.owner_file.wake_at()])
            .flatten()
            .min();
        wake.map_or(LONGEST_WAIT, |wake| wake.saturating_sub(uptime()).min(LONGEST_WAIT))
    }
}
